// Package image finds package images: a [Resolver] turns a name into a digest,
// a [Source] hands out the image of a digest. Nothing below a Resolver sees a
// tag, and nothing that a Source hands out has been taken on trust.
//
// # Where images come from
//
// [Layout] reads an OCI image layout, a folder or a tar of one; [Archive] what
// "docker save" writes; [Stored] the cache; [Remote] registries. [ByTransport]
// picks the one that a reference names and opens each file once. [Cached] and
// [Verified] are decorators, each a Source itself; [WithRegistry] puts the cache
// before registries. [Import] and [Export] carry images between files and the
// cache.
//
// # What is checked, and where
//
// A Source reads index, manifest and config, and checks them before it hands
// out anything: digest and size against what named them, at most 4 MiB, one
// meaning only (no duplicate key, none in another case, no document that is
// both an index and a manifest), known media types, no layer that lies
// elsewhere, as many diffIDs as layers, exactly one image for the platform, and
// a config of that platform. Layers are opened when they are asked for and give
// the bytes as stored; who reads them to their end, the store, checks their
// digest and their diffID.
//
// What is attached to images ([Signatures]) may come from anybody. It is handed
// out as it is found, and whoever verifies it decides.
//
//	images := image.NewByTransport(image.FromStore(st, lease))
//	defer images.Close()
//	desc, err := images.Resolve(ctx, ref) // the tag ends here
//	img, err := images.Image(ctx, image.Pin{Ref: ref, Digest: desc.Digest, Platform: platform})
//	layers, err := img.LayerSources(ctx)
package image

import (
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// The kinds of failure that callers tell apart.
var (
	ErrNotFound  = errors.New("not found")                          // the name or digest is not there
	ErrNotCached = fmt.Errorf("%w in the cache", ErrNotFound)       // and the cache was all that was asked
	ErrPlatform  = errors.New("not exactly one image for platform") // there is none for it, or there are several
	ErrDigest    = store.ErrDigest                                  // bytes are not those that were named
	ErrInvalid   = errors.New("malformed image")                    // a manifest, config or descriptor breaks the specification
)

// Pin names one image by digest. The reference is the name that policies match.
type Pin struct {
	Ref      spec.Ref
	Digest   v1.Hash // of an index or of an image manifest
	Platform spec.Platform
}

// Resolver turns a reference into a descriptor. It alone sees tags.
type Resolver interface {
	// Resolve returns media type, digest and size of the index or manifest that
	// ref names. The error wraps ErrNotFound where there is none; it does not
	// repeat the reference.
	Resolve(ctx context.Context, ref spec.Ref) (v1.Descriptor, error)
}

// Source hands out images by digest, lazily: manifest and config have been read
// and checked, layers are opened when they are asked for, and give the bytes as
// stored (Layer.Compressed). Their digest is checked by who reads them (store).
type Source interface {
	// Image returns the image of pin.Digest for pin.Platform. The error wraps
	// ErrNotFound, ErrPlatform, ErrDigest or ErrInvalid where it is one of them;
	// it does not repeat the reference.
	Image(ctx context.Context, pin Pin) (*Image, error)
}

// Place is where images are: it knows their names and has them.
type Place interface {
	Resolver
	Source
}

// Image is one image for one platform.
type Image struct {
	v1.Image
	SBOM v1.Hash // of the SPDX statement that the index attaches to it; zero where there is none

	core *core // what a Source of this package has read; nil in an Image made elsewhere
}

// LayerSources returns the layers, lowest first, as the store takes them in.
// Nothing is opened before Open is called, and the Image's source must not be
// closed before that; a download that Open begins ends with ctx. An error of Open
// does not repeat the layer's digest.
func (i *Image) LayerSources(ctx context.Context) ([]store.LayerSource, error) {
	manifest, err := i.Manifest()
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	config, err := i.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	if err := checkCount(manifest, config); err != nil {
		return nil, err
	}
	layers := make([]store.LayerSource, len(manifest.Layers))
	for n, d := range manifest.Layers {
		layers[n] = store.LayerSource{
			Digest:    d.Digest,
			Size:      d.Size,
			DiffID:    config.RootFS.DiffIDs[n],
			MediaType: string(d.MediaType),
			Open:      func() (io.ReadCloser, error) { return i.openLayer(ctx, d.Digest) },
		}
	}
	return layers, nil
}

func (i *Image) openLayer(ctx context.Context, d v1.Hash) (io.ReadCloser, error) {
	if i.core != nil {
		l, err := i.core.layer(d)
		if err != nil {
			return nil, err
		}
		return l.open(ctx)
	}
	layer, err := i.LayerByDigest(d)
	if err != nil {
		return nil, err
	}
	return layer.Compressed()
}

// OpenSBOM opens the SPDX statement that SBOM names: an in-toto statement in
// JSON. Its digest is not checked; the error wraps ErrNotFound where the image
// has none.
func (i *Image) OpenSBOM(ctx context.Context) (io.ReadCloser, error) {
	if i.core == nil || i.SBOM == (v1.Hash{}) {
		return nil, fmt.Errorf("SPDX statement of the image: %w", ErrNotFound)
	}
	r, _, err := i.core.from.open(ctx, i.core.sbom)
	if err != nil {
		return nil, fmt.Errorf("SPDX statement %s: %w", i.SBOM, err)
	}
	return r, nil
}
