package debian

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// verified reads what must have a size and a SHA-256. It gives an error instead of
// io.EOF where it has not, and never more bytes than that.
type verified struct {
	r    io.Reader
	want inFile
	left int64
	hash hash.Hash
}

func newVerified(r io.Reader, want inFile) *verified {
	return &verified{r: r, want: want, left: want.size, hash: sha256.New()}
}

// Read implements io.Reader. Its own errors are ErrDamaged.
func (v *verified) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	if int64(n) > v.left {
		return 0, fmt.Errorf("%w: it has more than the %d bytes that the archive says", ErrDamaged, v.want.size)
	}
	v.left -= int64(n)
	v.hash.Write(p[:n])
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if v.left > 0 {
		return n, fmt.Errorf("%w: it ends after %d of %d bytes", ErrDamaged, v.want.size-v.left, v.want.size)
	}
	if sum := hex.EncodeToString(v.hash.Sum(nil)); sum != v.want.sum {
		return n, fmt.Errorf("%w: its SHA-256 is %s, not %s", ErrDamaged, sum, v.want.sum)
	}
	return n, io.EOF
}

// verify reads the whole of a blob and says whether it is what it must be.
func verify(b Blob, want inFile) error {
	_, err := io.Copy(io.Discard, newVerified(io.NewSectionReader(b, 0, b.Size()), want))
	return err
}
