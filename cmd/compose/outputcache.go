package main

import (
	"context"
	"io"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs"
)

// outputCache is the cache as the output formats see it.
type outputCache struct {
	*engine
	verify bool // what was remembered does not count
}

// sumKind is the kind of the cache's notes that hold what formats remember.
const sumKind = "sums"

// Member implements [outputs.Cache].
func (c outputCache) Member(ctx context.Context, key rootfs.Digest, fill func(io.Writer) error) (outputs.Member, error) {
	m, err := c.lease.Member(ctx, key, fill)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Folder implements [outputs.Cache].
func (c outputCache) Folder() (dir string, remove func(), err error) { return c.store.Folder("volume") }

// Recall implements [outputs.Cache].
func (c outputCache) Recall(key rootfs.Digest) ([]byte, bool) {
	if c.verify {
		return nil, false
	}
	value, err := c.store.Note(sumKind, key.String())
	return value, err == nil
}

// Remember implements [outputs.Cache].
func (c outputCache) Remember(key rootfs.Digest, value []byte) {
	_ = c.store.SetNote(sumKind, key.String(), value) // it can be worked out again
}
