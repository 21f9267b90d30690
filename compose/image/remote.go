package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// Registry is the registries that references name; *registry.Client is one, and
// says what its methods do. A repository is the Name of a reference.
type Registry interface {
	Resolve(ctx context.Context, ref spec.Ref) (v1.Descriptor, error)
	Tag(ctx context.Context, repo, tag string) ([]byte, v1.Descriptor, error)
	Manifest(ctx context.Context, repo string, d v1.Hash) ([]byte, error)
	Blob(ctx context.Context, repo string, d v1.Descriptor, from int64) (io.ReadCloser, error)
	SmallBlob(ctx context.Context, repo string, d v1.Descriptor) ([]byte, error)
	Referrers(ctx context.Context, repo string, subject v1.Hash) ([]v1.Descriptor, error)
}

var _ Registry = (*registry.Client)(nil)

// Downloads is a cache that takes blobs in; *store.Lease is one, and says what
// Fetch does.
type Downloads interface {
	Fetch(ctx context.Context, d v1.Hash, size int64, from func(ctx context.Context, offset int64) (io.ReadCloser, error)) (*store.Blob, error)
}

// Remote is the images of registries. Indexes, manifests and configs are read
// from there each time they are asked for; a layer is downloaded when it is opened, and read from
// the cache. It may be used by many goroutines at once.
type Remote struct {
	// Progress is told when a download of a blob begins: the reference and how many
	// bytes the blob has; then of bytes as they come (of those that were there
	// already at once), and of its end. It may be nil, and is set before the first use.
	Progress func(name string, size int64) (add func(n int64), done func())

	registry Registry
	into     Downloads
}

var (
	_ Place      = (*Remote)(nil)
	_ Signatures = (*Remote)(nil)
)

// NewRemote returns the images of registries, whose layers are downloaded into a cache.
func NewRemote(registry Registry, into Downloads) *Remote {
	return &Remote{registry: registry, into: into}
}

// Resolve returns what ref's tag or digest names in its registry.
func (r *Remote) Resolve(ctx context.Context, ref spec.Ref) (v1.Descriptor, error) {
	d, err := r.registry.Resolve(ctx, ref)
	return d, ofRegistry(err)
}

// Image returns the image of pin.Digest out of the repository of pin.Ref.
func (r *Remote) Image(ctx context.Context, pin Pin) (*Image, error) {
	return readImage(ctx, &repository{r, pin.Ref}, pin)
}

// Signatures returns what is attached in ref's repository.
func (r *Remote) Signatures(ctx context.Context, ref spec.Ref, digests ...v1.Hash) ([]spec.Signature, error) {
	return signaturesIn(ctx, &repository{r, ref}, digests)
}

// repository is what lies in the repository of one reference.
type repository struct {
	*Remote
	ref spec.Ref
}

// open gives an index or a manifest, which registries keep apart from blobs, or
// a blob: what is small straight from the registry, a layer from the cache, once
// it has been downloaded.
func (r *repository) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	var raw []byte
	var err error
	switch {
	case d.MediaType == "" || d.MediaType.IsIndex() || d.MediaType.IsImage():
		raw, err = r.registry.Manifest(ctx, r.ref.Name, d.Digest)
	case slices.Contains(layerTypes(), d.MediaType):
		return r.download(ctx, d)
	default:
		raw, err = r.registry.SmallBlob(ctx, r.ref.Name, d)
	}
	if err != nil {
		return nil, 0, ofRegistry(err)
	}
	return io.NopCloser(bytes.NewReader(raw)), int64(len(raw)), nil
}

// download takes a layer into the cache, if it is not there, and opens it.
func (r *repository) download(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	t := &transfer{repository: r, desc: d}
	defer t.end()
	b, err := r.into.Fetch(ctx, d.Digest, d.Size, t.begin)
	if err != nil {
		return nil, 0, ofRegistry(err)
	}
	return io.NopCloser(io.NewSectionReader(b, 0, b.Size)), b.Size, nil
}

// transfer is one download that tells how far it is.
type transfer struct {
	*repository
	desc v1.Descriptor
	add  func(n int64)
	done func()
	at   int64 // bytes that were told of
}

// begin opens the layer at an offset, from which the transfer goes on.
func (t *transfer) begin(ctx context.Context, offset int64) (io.ReadCloser, error) {
	body, err := t.registry.Blob(ctx, t.ref.Name, t.desc, offset)
	if err != nil || t.Progress == nil {
		return body, err
	}
	if t.add == nil {
		t.add, t.done = t.Progress(t.ref.String(), t.desc.Size)
	}
	t.tell(offset - t.at)
	return &transferred{body, t}, nil
}

func (t *transfer) tell(n int64) {
	t.at += n
	t.add(n)
}

// end ends what begin began.
func (t *transfer) end() {
	if t.done != nil {
		t.done()
	}
}

// transferred is the body of a transfer.
type transferred struct {
	io.ReadCloser
	transfer *transfer
}

// Read reads from the registry, and tells of it.
func (t *transferred) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.transfer.tell(int64(n))
	return n, err
}

// referrers asks the registry.
func (r *repository) referrers(ctx context.Context, d v1.Hash) ([]v1.Descriptor, error) {
	found, err := r.registry.Referrers(ctx, r.ref.Name, d)
	return found, ofRegistry(err)
}

// tagged asks the registry.
func (r *repository) tagged(ctx context.Context, tag string) ([]blob, error) {
	raw, d, err := r.registry.Tag(ctx, r.ref.Name, tag)
	switch err = ofRegistry(err); {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []blob{{d, raw}}, nil
}

// ofRegistry gives an error of a registry the kind that it has here.
func ofRegistry(err error) error {
	for _, k := range [...]struct{ there, here error }{
		{registry.ErrNotFound, ErrNotFound},
		{registry.ErrDigest, ErrDigest},
		{registry.ErrSize, ErrDigest},
	} {
		if errors.Is(err, k.there) {
			return &kindred{err, k.here}
		}
	}
	return err
}

// kindred is an error that is one of a kind as well, which its text need not say.
type kindred struct {
	error
	kind error
}

// Unwrap returns the error and its kind.
func (k *kindred) Unwrap() []error { return []error{k.error, k.kind} }
