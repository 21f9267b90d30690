package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/spec"
)

// maxDocument is the most bytes that an index, a manifest, a config or
// index.json may have.
const maxDocument = spec.MaxDocument

// anySize is the size in a descriptor of which only the digest is known.
const anySize = -1

// contents gives bytes by digest. What comes is not checked by it.
type contents interface {
	// open returns the bytes that d names by its digest, and their number. The
	// media type tells a registry where they lie, "" being an index or a manifest;
	// the size may be anySize for those. The error wraps ErrNotFound where they are
	// not there.
	open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error)
}

// readBlob returns the bytes that d names, which are known to be those.
func readBlob(ctx context.Context, from contents, d v1.Descriptor) ([]byte, error) {
	if err := checkHash(d.Digest); err != nil {
		return nil, err
	}
	if d.Size > maxDocument {
		return nil, fmt.Errorf("%w: %d bytes; at most %d are read", ErrInvalid, d.Size, maxDocument)
	}
	r, size, err := from.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	switch {
	case d.Size != anySize && size != d.Size:
		return nil, fmt.Errorf("%w: %d bytes, but its descriptor says %d", ErrDigest, size, d.Size)
	case size > maxDocument:
		return nil, fmt.Errorf("%w: %d bytes; at most %d are read", ErrInvalid, size, maxDocument)
	}
	data, err := readSized(ctx, r, size)
	if err != nil {
		return nil, err
	}
	got, _, err := v1.SHA256(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if got != d.Digest {
		return nil, fmt.Errorf("%w: the bytes have %s", ErrDigest, got)
	}
	return data, nil
}

// readSized reads r, which must have exactly size bytes.
func readSized(ctx context.Context, r io.Reader, size int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(&stoppable{ctx, r}, size+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) < size:
		return nil, io.ErrUnexpectedEOF
	case int64(len(data)) > size:
		return nil, errors.New("it grew while it was read")
	}
	return data, nil
}

// checkHash accepts SHA-256 only: names of blobs are made of it, and nothing
// here could check another.
func checkHash(h v1.Hash) error {
	const digits = 64
	if h.Algorithm != "sha256" || len(h.Hex) != digits {
		return fmt.Errorf("%w: digest %q; only sha256 is read", ErrInvalid, h)
	}
	return nil
}

// stoppable is a reader that ends with its context. It lives as long as one
// call that was given the context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

// Read reads from what is below, until the context ends.
func (s *stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
