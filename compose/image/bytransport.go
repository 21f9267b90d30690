package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/spec"
)

// ByTransport is all images that a manifest can name. It goes by the
// reference's transport, and opens each layout and archive once, when it is
// first asked for. It may be used by many goroutines at once.
type ByTransport struct {
	// Registry is where names without a transport are looked up. It may be set before
	// the first use.
	Registry Place
	// Packages has the images of package sources; nil where there are none. It is set
	// before the first use.
	Packages Place

	mu   sync.Mutex
	open map[spec.Ref]*kept[closingPlace] // by transport and file alone
}

var (
	_ Place      = (*ByTransport)(nil)
	_ Signatures = (*ByTransport)(nil)
)

type closingPlace interface {
	Place
	io.Closer
}

// NewByTransport returns the images of all transports; registry is where the
// names without one are looked up.
func NewByTransport(registry Place) *ByTransport {
	return &ByTransport{Registry: registry, open: make(map[spec.Ref]*kept[closingPlace])}
}

// Resolve returns what ref names, from the place of its transport.
func (b *ByTransport) Resolve(ctx context.Context, ref spec.Ref) (v1.Descriptor, error) {
	p, err := b.place(ctx, ref)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return p.Resolve(ctx, ref)
}

// Image returns the image from the place of its reference's transport.
func (b *ByTransport) Image(ctx context.Context, pin Pin) (*Image, error) {
	p, err := b.place(ctx, pin.Ref)
	if err != nil {
		return nil, err
	}
	return p.Image(ctx, pin)
}

// Signatures returns what the place of ref's transport has of them: nothing,
// where it cannot have any.
func (b *ByTransport) Signatures(ctx context.Context, ref spec.Ref, digests ...v1.Hash) ([]spec.Signature, error) {
	p, err := b.place(ctx, ref)
	if err != nil {
		return nil, err
	}
	if s, ok := p.(Signatures); ok {
		return s.Signatures(ctx, ref, digests...)
	}
	return nil, nil
}

func (b *ByTransport) place(ctx context.Context, ref spec.Ref) (Place, error) {
	switch {
	case ref.Transport == spec.Registry:
		return b.Registry, nil
	case ref.Transport == spec.PackageDir && b.Packages != nil:
		return b.Packages, nil
	}
	key := spec.Ref{Transport: ref.Transport, Name: ref.File()}
	return one(&b.mu, b.open, key).get(func() (closingPlace, error) { return openPlace(ctx, key) })
}

func openPlace(ctx context.Context, key spec.Ref) (closingPlace, error) {
	switch key.Transport {
	case spec.OCI:
		return OpenLayout(ctx, key.Name)
	case spec.DockerArchive:
		return OpenArchive(ctx, key.Name)
	case spec.PackageDir:
		return nil, errors.New("package sources are not built here; build the package and name what came out by oci:DIR")
	}
	return nil, fmt.Errorf("transport %q is not known", key.Transport)
}

// Close closes every layout and archive; no layer of theirs may be opened after it.
func (b *ByTransport) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, k := range b.open {
		if k.made {
			errs = append(errs, k.value.Close())
		}
	}
	clear(b.open)
	return errors.Join(errs...)
}
