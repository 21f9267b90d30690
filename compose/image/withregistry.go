package image

import (
	"context"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// WithRegistry returns the images of the cache and of registries. A name is the
// cache's where that has one, and else the registry's of now; it does not become
// one of the cache's. What a digest names comes from the cache as far as it is
// there, and from the registry else; see [Cached].
//
// Signatures are those that were imported with an image, and those in the registry.
func WithRegistry(cache *Stored, remote *Remote) Place {
	return &withRegistry{Cached(remote, cache), cache, remote}
}

type withRegistry struct {
	Source
	cache  *Stored
	remote *Remote
}

var _ Signatures = (*withRegistry)(nil)

// Resolve asks the cache, then the registry. A name that the cache has lost by
// damage is not looked for elsewhere, as that may be another image.
func (w *withRegistry) Resolve(ctx context.Context, ref spec.Ref) (v1.Descriptor, error) {
	d, err := w.cache.Resolve(ctx, ref)
	if !errors.Is(err, ErrNotFound) || ref.Digest == "" && errors.Is(err, store.ErrDamaged) {
		return d, err
	}
	return w.remote.Resolve(ctx, ref)
}

// Signatures asks the cache, then the registry.
func (w *withRegistry) Signatures(ctx context.Context, ref spec.Ref, digests ...v1.Hash) ([]spec.Signature, error) {
	found, err := w.cache.Signatures(ctx, ref, digests...)
	if err != nil {
		return found, err
	}
	more, err := w.remote.Signatures(ctx, ref, digests...)
	return append(found, more...), err
}
