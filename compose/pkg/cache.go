package pkg

import (
	"context"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/store"
)

// DebCache keeps what is fetched from a Debian archive as blobs of the cache of
// images. What it gives can be read until the lease is closed.
func DebCache(l *store.Lease) debian.Cache { return debCache{l} }

type debCache struct{ lease *store.Lease }

// Get implements [debian.Cache].
func (c debCache) Get(sum string) (debian.Blob, error) {
	b, err := c.lease.Blob(context.Background(), sha256Of(sum))
	if err != nil {
		return nil, err
	}
	return leased{b}, nil
}

// Put implements [debian.Cache]. What is read ends with who gives it up.
func (c debCache) Put(sum string, r io.Reader) error {
	const anySize = -1
	_, err := c.lease.Put(context.Background(), sha256Of(sum), anySize, r)
	return err
}

func sha256Of(sum string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: sum} }

// leased is a blob that its lease closes.
type leased struct{ *store.Blob }

// Size implements [debian.Blob].
func (l leased) Size() int64 { return l.Blob.Size }

// Close implements [debian.Blob].
func (leased) Close() error { return nil }

// sectionOf reads a blob from its beginning.
func sectionOf(b debian.Blob) io.Reader { return io.NewSectionReader(b, 0, b.Size()) }
