package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// Names are the names that a cache gives to images, and its notes; *store.Store
// has them. A name is a registry reference in its one spelling, spec.Ref.String.
type Names interface {
	// Ref returns what a name stands for. The error wraps fs.ErrNotExist where it stands for nothing.
	Ref(name string) (v1.Descriptor, error)
	// SetRef makes a name stand for a descriptor, from one moment to the next.
	SetRef(name string, d v1.Descriptor) error
	// Note returns what SetNote kept under a key of a kind. The error wraps fs.ErrNotExist where there is nothing.
	Note(kind, key string) ([]byte, error)
	SetNote(kind, key string, data []byte) error
}

// Blobs is a cache of blobs; *store.Lease is one, and says what its methods do.
type Blobs interface {
	Blob(ctx context.Context, d v1.Hash) (*store.Blob, error)
	Put(ctx context.Context, d v1.Hash, size int64, r io.Reader) (*store.Blob, error)
}

// Stored is the images in the cache: names to digests, and blobs by digest.
type Stored struct {
	names Names
	blobs Blobs
}

var _ Place = (*Stored)(nil)

// FromStore returns the images in a cache.
func FromStore(names Names, blobs Blobs) *Stored { return &Stored{names, blobs} }

// open gives a blob that the cache has checked.
func (s *Stored) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	b, err := s.blobs.Blob(ctx, d.Digest)
	if err != nil {
		return nil, 0, missing(err)
	}
	return io.NopCloser(io.NewSectionReader(b, 0, b.Size)), b.Size, nil
}

// missing is err, or, where it says that the cache does not have something,
// ErrNotCached. It says why if that was there, but damaged.
func missing(err error) error {
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case errors.Is(err, store.ErrDamaged):
		return fmt.Errorf("%w: %w", ErrNotCached, err)
	}
	return ErrNotCached
}

// Resolve returns what a name stands for. A reference by digest asks whether
// the cache has it.
func (s *Stored) Resolve(ctx context.Context, ref spec.Ref) (v1.Descriptor, error) {
	d, err := s.find(ref)
	if err != nil {
		return v1.Descriptor{}, missing(err)
	}
	doc, err := readDocument(ctx, s, d)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("%s: %w", d.Digest, err)
	}
	return doc.desc, nil
}

func (s *Stored) find(ref spec.Ref) (v1.Descriptor, error) {
	if ref.Digest == "" {
		return s.names.Ref(ref.String())
	}
	h, err := v1.NewHash(string(ref.Digest))
	return v1.Descriptor{Digest: h, Size: anySize}, err
}

// Size returns the bytes of all blobs of an image, as stored and each once; of
// an index, those of every platform that is there. The error wraps ErrNotFound
// where a document on the way is not there.
func (s *Stored) Size(ctx context.Context, d v1.Descriptor) (int64, error) {
	r, err := reach(ctx, s, d)
	if err != nil {
		return 0, err
	}
	return r.size(), nil
}

// Image returns the image of pin.Digest. Whether its layers are there shows
// when they are opened: the store may have them unpacked, without the blobs.
func (s *Stored) Image(ctx context.Context, pin Pin) (*Image, error) { return readImage(ctx, s, pin) }
