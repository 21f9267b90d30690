package pkg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/spec"
)

// Place is the package sources that manifests name: to name one is to have it
// built. What stands for its digest is that of the source, and an image is made for
// the platform that is asked for alone.
type Place struct {
	builder *Builder
	images  *image.Stored

	mu    sync.Mutex
	known map[string]func() (named, error)           // by folder
	built map[string]func() ([]v1.Descriptor, error) // by folder and architecture
}

// named is a source that has been read, with its digest.
type named struct {
	*Source
	digest spec.Digest
}

var _ image.Place = (*Place)(nil)

// NewPlace returns the images that a builder makes of sources; images is the cache
// that it keeps them in. A source is read once, and built once for an architecture.
func NewPlace(b *Builder, images *image.Stored) *Place {
	return &Place{
		builder: b, images: images,
		known: map[string]func() (named, error){}, built: map[string]func() ([]v1.Descriptor, error){},
	}
}

// Resolve returns a descriptor with the digest of the source.
func (p *Place) Resolve(ctx context.Context, ref spec.Ref) (v1.Descriptor, error) {
	s, err := p.source(ctx, ref)
	if err != nil {
		return v1.Descriptor{}, err
	}
	h, err := v1.NewHash(string(s.digest))
	return v1.Descriptor{Digest: h}, err
}

func (p *Place) source(ctx context.Context, ref spec.Ref) (named, error) {
	dir := ref.File()
	return once(p, p.known, dir, func() (named, error) { return p.read(ctx, dir) })
}

// once returns what the first to ask for a key gets.
func once[T any](p *Place, all map[string]func() (T, error), key string, get func() (T, error)) (T, error) {
	p.mu.Lock()
	f := all[key]
	if f == nil {
		f = sync.OnceValues(get)
		all[key] = f
	}
	p.mu.Unlock()
	return f()
}

func (p *Place) read(ctx context.Context, dir string) (named, error) {
	s, err := Open(dir)
	if errors.Is(err, ErrNoSource) {
		return named{}, fmt.Errorf("%w: %w", image.ErrNotFound, err)
	}
	if err != nil {
		return named{}, err
	}
	digest, err := p.builder.Digest(ctx, s)
	return named{s, digest}, err
}

// Image returns the image of a source, which has to be the one that pin.Digest is
// the digest of. It is built where the cache does not have it.
func (p *Place) Image(ctx context.Context, pin image.Pin) (*image.Image, error) {
	s, err := p.source(ctx, pin.Ref)
	if err != nil {
		return nil, err
	}
	if string(s.digest) != pin.Digest.String() {
		return nil, fmt.Errorf("%w: the source is %s now, the lock says %s", image.ErrDigest, s.digest, pin.Digest)
	}
	arch := pin.Platform.Architecture
	if !slices.Contains(s.Package.Builds(), arch) {
		return nil, fmt.Errorf("%w %s: %w", image.ErrPlatform, pin.Platform, &ArchError{s.Source, arch})
	}
	manifests, err := once(p, p.built, s.Dir+" "+arch, func() ([]v1.Descriptor, error) { return p.manifests(ctx, s, arch) })
	if err != nil {
		return nil, err
	}
	index, err := p.builder.index(ctx, s.digest, manifests)
	if err != nil {
		return nil, err
	}
	pin.Digest = index.Digest
	return p.images.Image(ctx, pin)
}

// manifests returns the image of a source, and the statement about it.
func (p *Place) manifests(ctx context.Context, s named, arch string) ([]v1.Descriptor, error) {
	known, err := p.builder.known(ctx, s.digest, arch)
	if err != nil {
		return p.builder.build(ctx, s.Source, s.digest, arch)
	}
	return known, nil
}
