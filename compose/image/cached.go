package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Cached returns the source that asks the cache first, and src for what is not
// there. What src gives of index, manifests and config is kept; layers are kept
// by who unpacks them. An image without an attestation that its index names is
// not there: what is in the cache must not decide what is found.
func Cached(src Source, cache *Stored) Source { return &cached{src, cache} }

type cached struct {
	src   Source
	cache *Stored
}

// Image returns the image of pin.Digest.
func (c *cached) Image(ctx context.Context, pin Pin) (*Image, error) {
	img, err := c.cache.Image(ctx, pin)
	if err == nil && !img.core.partial {
		img.core.from = either{c.cache, c.rest(pin)}
		return img, nil
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if img, err = c.src.Image(ctx, pin); err != nil {
		return nil, err
	}
	if err := c.keep(ctx, img); err != nil {
		return nil, err
	}
	return img, nil
}

// rest is where the layers of an image are that is in the cache without them.
func (c *cached) rest(pin Pin) contents {
	if r, ok := c.src.(*Remote); ok {
		return &repository{r, pin.Ref} // by digest, as they are known: its manifests need not be asked for again
	}
	return layersOf{c.src, pin}
}

// keep puts the documents of an image into the cache.
func (c *cached) keep(ctx context.Context, img *Image) error {
	if img.core == nil {
		return nil
	}
	for _, b := range img.core.read {
		if _, err := c.cache.blobs.Put(ctx, b.desc.Digest, b.desc.Size, bytes.NewReader(b.raw)); err != nil {
			return fmt.Errorf("keep %s in the cache: %w", b.desc.Digest, err)
		}
	}
	return nil
}

// either is contents that are in the first, or else in the second.
type either [2]contents

func (e either) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	r, size, err := e[0].open(ctx, d)
	if errors.Is(err, ErrNotFound) {
		return e[1].open(ctx, d)
	}
	return r, size, err
}

// layersOf is the layers of an image, and its SPDX statement, from its source.
type layersOf struct {
	src Source
	pin Pin
}

func (l layersOf) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	img, err := l.src.Image(ctx, l.pin)
	if err != nil {
		return nil, 0, err
	}
	if img.core != nil {
		return img.core.from.open(ctx, d)
	}
	layer, err := img.LayerByDigest(d.Digest)
	if err != nil {
		return nil, 0, err
	}
	size, err := layer.Size()
	if err != nil {
		return nil, 0, err
	}
	r, err := layer.Compressed()
	return r, size, err
}
