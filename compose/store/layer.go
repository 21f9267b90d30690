package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/rootfs"
)

// LayerSource is a layer that the store may have to take in.
type LayerSource struct {
	Digest    v1.Hash                       // of the bytes that Open gives; zero where nothing says it
	Size      int64                         // of the bytes that Open gives; -1 where nothing says it
	DiffID    v1.Hash                       // of the bytes uncompressed
	MediaType string                        // of the descriptor; "" where nothing says it
	Open      func() (io.ReadCloser, error) // called only if the store lacks the layer
	Progress  func(n int64)                 // told of compressed bytes read; may be nil
}

// Layer is an uncompressed tar and its index.
type Layer struct {
	DiffID  v1.Hash
	Size    int64 // bytes, uncompressed
	entries []rootfs.Entry
}

// Entries returns the layer's entries in path order, each path once as the last
// of that name left it; beside that, a path can have an [rootfs.Opaque] and a
// [rootfs.Whiteout] entry, in this order and before what is there. They are
// shared: do not change them.
func (l *Layer) Entries() []rootfs.Entry { return l.entries }

// Layer returns the layer with that diffID; one that is not there is inflated,
// checked to its end, indexed and kept. Errors wrap [ErrDigest] where the bytes
// of the source are not those that were named, [ErrInvalid] where they are but
// cannot be used, and [ErrReadOnly] where they cannot be kept.
func (l *Lease) Layer(ctx context.Context, src LayerSource) (*Layer, error) {
	name := src.Digest
	if name == (v1.Hash{}) {
		name = src.DiffID
	} else if err := checkHash(src.Digest); err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	if err := checkHash(src.DiffID); err != nil {
		return nil, fmt.Errorf("layer %s: diffID: %w", name, err)
	}
	layer, err := l.layer(ctx, src)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", name, err)
	}
	return layer, nil
}

func (l *Lease) layer(ctx context.Context, src LayerSource) (*Layer, error) {
	s, w := l.store, l.store.layerWork(src.DiffID)
	if src.Open != nil {
		w.entry.make = func(ctx context.Context) (*os.File, error) {
			f, records, err := s.takeIn(ctx, src)
			if err == nil {
				if err = w.index(records, f); err != nil {
					discard(f)
				}
			}
			return f, err
		}
	}
	sl, leave, err := l.enter(ctx, w.entry.key)
	if err != nil {
		return nil, err
	}
	defer leave()
	if sl.layer != nil {
		return sl.layer, nil
	}
	f, err := s.get(ctx, w.entry)
	if err != nil {
		return nil, err
	}
	if err := l.keep(f); err != nil {
		return nil, err
	}
	sl.layer = w.layer
	return sl.layer, nil
}

// layerWork is a layer on its way out of the store: its entry, and its index as
// the functions of the entry found or made it.
type layerWork struct {
	store  *Store
	entry  *entry
	path   string // of the index
	diffID v1.Hash
	layer  *Layer
}

// layerWork describes the layer with that diffID, without a way to make it.
func (s *Store) layerWork(diffID v1.Hash) *layerWork {
	path := s.path(layersDir, diffID.Hex)
	w := &layerWork{store: s, path: path + ".idx", diffID: diffID}
	w.entry = &entry{
		key: "layer-" + diffID.Hex, data: path + ".tar", stamp: path + ".stamp", others: []string{w.path},
		load: w.load,
		check: func(ctx context.Context, f *os.File) error {
			records, err := s.rescan(ctx, f, diffID, false)
			if err != nil {
				return err
			}
			return w.index(records, f)
		},
	}
	return w
}

// load reads the index file.
func (w *layerWork) load(tar *os.File) error {
	data, err := os.ReadFile(w.path)
	if err != nil {
		return err
	}
	return w.decode(data, tar)
}

func (w *layerWork) decode(data []byte, tar io.ReaderAt) error {
	entries, size, err := decode(data, digestOf(w.diffID), section{tar, 0})
	if err == nil {
		w.layer = &Layer{DiffID: w.diffID, Size: size, entries: entries}
	}
	return err
}

// index makes the index of the records of tar, and the index file where it is
// not there or another one. It does not matter whether that can be written.
func (w *layerWork) index(records []record, tar *os.File) error {
	fi, err := tar.Stat()
	if err != nil {
		return err
	}
	data, err := makeIndex(records, false, digestOf(w.diffID), fi.Size())
	if err != nil {
		return err
	}
	// Entries always come from an index file's bytes, so that they are the same ones the next time.
	if err := w.decode(data, tar); err != nil {
		return err
	}
	if old, err := os.ReadFile(w.path); err != nil || !bytes.Equal(old, data) {
		_ = w.store.write("index-"+w.entry.key, w.path, data)
	}
	return nil
}

// makeIndex arranges and encodes the records of a tar.
func makeIndex(records []record, plain bool, digest rootfs.Digest, size int64) ([]byte, error) {
	order, err := arrange(records, plain)
	if err != nil {
		return nil, err
	}
	return encode(records, order, digest, size)
}

// digestOf returns a digest that checkHash has passed in its short form.
func digestOf(h v1.Hash) (d rootfs.Digest) {
	if n, err := hex.Decode(d[:], []byte(h.Hex)); err != nil || n != len(d) {
		return rootfs.Digest{}
	}
	return d
}
