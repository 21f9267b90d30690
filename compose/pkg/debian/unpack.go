package debian

import (
	"bufio"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

const (
	maxUnpacked = 16 << 30  // bytes that a compressed file may unpack to
	maxWindow   = 128 << 20 // what zstd may look back; dpkg's own highest level wants 8 MiB
)

// unpack gives use the content of a file that is compressed as its name's ending says:
// ".xz", ".gz", ".zst" or "" for not at all. It reads what use leaves, so that the
// checksum at the end is always checked.
func unpack(r io.ReaderAt, size int64, ending string, use func(io.Reader) error) error {
	in := bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 256<<10)
	var plain io.Reader
	switch ending {
	case "":
		plain = in
	case ".xz":
		x, err := xz.ReaderConfig{DictCap: 4096}.NewReader(in) // at least; the file says how much it wants
		if err != nil {
			return err
		}
		plain = x
	case ".gz":
		z, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		defer z.Close()
		plain = z
	case ".zst":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
		defer z.Close()
		plain = z
	default:
		return fmt.Errorf("compressed as %q: only .xz, .gz and .zst are known", ending)
	}
	bounded := &bounded{r: plain, left: maxUnpacked}
	if err := use(bounded); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, bounded)
	return err
}

// bounded reads at most so many bytes, and gives an error if there are more.
type bounded struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("it unpacks to more than %d bytes", int64(maxUnpacked))
	}
	return n, err
}
