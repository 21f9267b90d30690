package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// storedImage is an image for one platform as its source stores it.
type storedImage struct {
	platform  spec.Platform
	mediaType types.MediaType // of the manifest
	blobs     []*storedBlob   // the manifest, the config, and the layers, lowest first
}

// storedBlob is one blob on its way into the store.
type storedBlob struct {
	digest v1.Hash
	size   int64
	where  string // the first part that has it
	image  string // that part's image
	open   func() (io.ReadCloser, error)
	taken  *store.Blob // once it has been taken in, and so checked
}

// storedOf says what an image consists of. No layer is opened.
func storedOf(img *image.Image, w *want) (*storedImage, error) {
	mediaType, err := img.MediaType()
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	manifest, err := img.RawManifest()
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	configName, err := img.ConfigName()
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	blobs := []*storedBlob{inMemory(w.digest, manifest), inMemory(configName, config)}
	for _, l := range w.sources {
		blobs = append(blobs, &storedBlob{digest: l.Digest, size: l.Size, open: l.Open})
	}
	for _, b := range blobs {
		b.where, b.image = w.where, w.name
	}
	return &storedImage{w.platform, mediaType, blobs}, nil
}

// inMemory is a blob that has been read.
func inMemory(digest v1.Hash, raw []byte) *storedBlob {
	return &storedBlob{digest: digest, size: int64(len(raw)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(raw)), nil
	}}
}

// takeStored takes the blobs of all images that parts want as they are stored
// into the store, and gives the images to their parts.
func (o Options) takeStored(ctx context.Context, wants []*want) error {
	var blobs []*storedBlob
	seen := map[v1.Hash]*storedBlob{}
	for _, w := range wants {
		if w.stored == nil {
			continue
		}
		for i, b := range w.stored.blobs {
			if first := seen[b.digest]; first != nil {
				w.stored.blobs[i] = first
				continue
			}
			seen[b.digest] = b
			blobs = append(blobs, b)
		}
		for _, p := range w.asStored {
			p.stored = append(p.stored, w.stored)
		}
	}
	for _, w := range wants {
		for _, p := range w.asStored {
			slices.SortFunc(p.stored, func(a, b *storedImage) int { return spec.ComparePlatforms(a.platform, b.platform) })
		}
	}
	return o.each(len(blobs), func(i int) error { return o.takeBlob(ctx, blobs[i]) })
}

// takeBlob takes one blob in. The store checks its digest and its size.
func (o Options) takeBlob(ctx context.Context, b *storedBlob) error {
	task := start(o.Progress, "unpack", b.image, b.size)
	defer task.Done()
	r, err := b.open()
	if err != nil {
		return fmt.Errorf("%s: %s: blob %s: %w", b.where, b.image, b.digest, err)
	}
	defer func() { _ = r.Close() }()
	if b.taken, err = o.Lease.Put(ctx, b.digest, b.size, &told{r, task}); err != nil {
		return fmt.Errorf("%s: %s: %w", b.where, b.image, err)
	}
	return nil
}

// told is a reader that tells a task of what was read.
type told struct {
	io.Reader
	task Task
}

// Read reads from what is below.
func (t *told) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.task.Add(int64(n))
	return n, err
}
