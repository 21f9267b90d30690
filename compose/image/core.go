package image

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// core is an image as it was read and checked; go-containerregistry's partial
// package makes a v1.Image of it.
type core struct {
	from     contents
	manifest *document
	config   []byte
	read     []blob // every document that led here
	sbom     v1.Descriptor
	partial  bool // an attestation is not there
}

// blob is stored content and its name.
type blob struct {
	desc v1.Descriptor
	raw  []byte // nil where it is to be opened
}

// readImage reads and checks the image that pin names out of from.
func readImage(ctx context.Context, from contents, pin Pin) (*Image, error) {
	doc, err := readDocument(ctx, from, v1.Descriptor{Digest: pin.Digest, Size: anySize})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pin.Digest, err)
	}
	c := &core{from: from, manifest: doc}
	if doc.index != nil {
		if err := c.follow(ctx, doc, pin); err != nil {
			return nil, fmt.Errorf("index %s: %w", pin.Digest, err)
		}
	}
	if err := c.readConfig(ctx, pin); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", c.manifest.desc.Digest, err)
	}
	img, err := partial.CompressedToImage(c)
	if err != nil {
		return nil, err
	}
	return &Image{Image: img, SBOM: c.sbom.Digest, core: c}, nil
}

// follow goes from an index to the manifest of the platform.
func (c *core) follow(ctx context.Context, index *document, pin Pin) error {
	chosen, err := choose(ctx, c.from, index.index, pin.Platform)
	if err != nil {
		return err
	}
	if c.manifest, err = readDocument(ctx, c.from, chosen); err != nil {
		return fmt.Errorf("manifest %s: %w", chosen.Digest, err)
	}
	c.read = append(c.read, blob{index.desc, index.raw})
	return c.findSBOM(ctx, index.index, chosen.Digest)
}

// readConfig checks the manifest as an image's and reads its config.
func (c *core) readConfig(ctx context.Context, pin Pin) error {
	m := c.manifest.manifest
	if err := checkImage(m); err != nil {
		return err
	}
	raw, config, err := readConfig(ctx, c.from, m)
	if err != nil {
		return err
	}
	c.config = raw
	c.read = append(c.read, blob{c.manifest.desc, c.manifest.raw}, blob{m.Config, raw})
	return checkPlatform(config, pin.Platform)
}

// RawManifest returns the manifest as stored.
func (c *core) RawManifest() ([]byte, error) { return c.manifest.raw, nil }

// RawConfigFile returns the config as stored.
func (c *core) RawConfigFile() ([]byte, error) { return c.config, nil }

// MediaType returns the manifest's media type.
func (c *core) MediaType() (types.MediaType, error) { return c.manifest.desc.MediaType, nil }

// LayerByDigest returns one of the manifest's layers, not yet opened. The
// config is to be had as well, as writers of images ask for it so.
func (c *core) LayerByDigest(d v1.Hash) (partial.CompressedLayer, error) {
	if d == c.manifest.manifest.Config.Digest {
		return partial.ConfigLayer(c)
	}
	return c.layer(d)
}

func (c *core) layer(d v1.Hash) (*layer, error) {
	for _, desc := range c.manifest.manifest.Layers {
		if desc.Digest == d {
			return &layer{from: c.from, desc: desc}, nil
		}
	}
	return nil, fmt.Errorf("layer %s: %w in manifest %s", d, ErrNotFound, c.manifest.desc.Digest)
}

// layer is one layer as stored.
type layer struct {
	from contents
	desc v1.Descriptor
}

// Digest returns the digest of the bytes as stored.
func (l *layer) Digest() (v1.Hash, error) { return l.desc.Digest, nil }

// Size returns the number of bytes as stored.
func (l *layer) Size() (int64, error) { return l.desc.Size, nil }

// MediaType returns the descriptor's media type.
func (l *layer) MediaType() (types.MediaType, error) { return l.desc.MediaType, nil }

// Descriptor returns the manifest's descriptor, with its annotations.
func (l *layer) Descriptor() (*v1.Descriptor, error) { return &l.desc, nil }

// Compressed opens the bytes as stored. v1.Layer knows no context: who reads
// can stop and close.
func (l *layer) Compressed() (io.ReadCloser, error) {
	r, err := l.open(context.Background())
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.desc.Digest, err)
	}
	return r, nil
}

// open opens the bytes as stored, which must be as many as the descriptor says.
// The error does not repeat the layer's digest.
func (l *layer) open(ctx context.Context) (io.ReadCloser, error) {
	r, size, err := l.from.open(ctx, l.desc)
	if err != nil {
		return nil, err
	}
	if size != l.desc.Size {
		r.Close() //nolint:errcheck // nothing was written
		return nil, fmt.Errorf("%w: %d bytes, but its descriptor says %d", ErrDigest, size, l.desc.Size)
	}
	return r, nil
}
