package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/composeos/compose/spec"
)

// ImportOptions are the inputs of Import beside the file. The zero value is right.
type ImportOptions struct {
	Jobs     int           // how many blobs are taken in at once; 0 means the number of CPUs
	Progress func(n int64) // told of bytes that have been dealt with, from many goroutines; may be nil
}

// Imported is one name that Import gave.
type Imported struct {
	Name      string          // spec.Ref.String of the name
	Image     v1.Descriptor   // media type, digest and size of the index or manifest
	Platforms []spec.Platform // of the images that came with it
	Size      int64           // bytes of all its blobs, as stored
}

// Import takes the named images of a file into the cache: of an image layout,
// in a folder or a tar, or of what "docker save" writes; which it is, it finds
// out by looking, and prefers the layout where one is both, as it has the
// digests that a registry knows.
//
// It takes in everything that the names lead to: indexes, manifests of all
// platforms that are there, configs, layers and attestations, every blob checked
// against its digest and size, and the signatures that lie beside them in a
// layout, of which nothing is checked. Names are given when all of that is in, so what
// fails leaves none. The result is sorted by name; the error wraps ErrNotFound
// where nothing has a name.
func Import(ctx context.Context, cache *Stored, path string, o ImportOptions) ([]Imported, error) {
	from, err := openImport(ctx, path)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	named, err := from.named(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	images, all, err := plan(ctx, from, named)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := cache.takeIn(ctx, from, all.blobs, o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if signed, ok := from.(Signatures); ok {
		if err := cache.keepSignatures(ctx, signed, all.signable); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, i := range images {
		if err := cache.names.SetRef(i.Name, i.Image); err != nil {
			return nil, fmt.Errorf("%s: name %s: %w", path, i.Name, err)
		}
	}
	return images, nil
}

// importable is what Import reads.
type importable interface {
	contents
	io.Closer
	// named returns the images that have a registry's name, and which.
	named(ctx context.Context) (map[string]v1.Descriptor, error)
}

// openImport opens a layout or an archive.
func openImport(ctx context.Context, path string) (importable, error) {
	f, err := openFiles(path)
	if err != nil {
		return nil, err
	}
	l, layoutErr := newLayout(ctx, path, f)
	if layoutErr == nil && len(l.wholeNames()) > 0 {
		return l, nil
	}
	a, archiveErr := newArchive(ctx, path, f)
	switch none := errors.Is(archiveErr, ErrNotFound); {
	case archiveErr == nil:
		return a, nil
	case layoutErr == nil && none:
		return l, nil
	case errors.Is(layoutErr, ErrNotFound) && none:
		archiveErr = fmt.Errorf("%s: oci-layout or manifest.json %w: neither an image layout nor a docker archive", path, ErrNotFound)
	case none:
		archiveErr = layoutErr
	}
	return nil, errors.Join(archiveErr, f.Close())
}

// wholeNames returns the names in index.json.
func (l *Layout) wholeNames() []string {
	var names []string
	for _, d := range l.index.Manifests {
		if name := wholeName(d); name != "" && !isAttached(d) {
			names = append(names, name)
		}
	}
	return names
}

// named returns the images that index.json gives a whole name.
func (l *Layout) named(context.Context) (map[string]v1.Descriptor, error) {
	named := make(map[string]v1.Descriptor)
	for _, d := range l.index.Manifests {
		name := wholeName(d)
		if name == "" || isAttached(d) {
			continue
		}
		if other, ok := named[name]; ok && other.Digest != d.Digest {
			return nil, fmt.Errorf("index.json: %w: %s names %s and %s", ErrInvalid, name, other.Digest, d.Digest)
		}
		named[name] = d
	}
	if len(named) == 0 {
		return nil, fmt.Errorf("image with a name %w: the layout has %s; annotate %s, or name one in a manifest by oci:DIR@DIGEST", ErrNotFound, l.listed(), containerdName)
	}
	return named, nil
}

// named returns the images that manifest.json gives a name, and makes them.
func (a *Archive) named(ctx context.Context) (map[string]v1.Descriptor, error) {
	named := make(map[string]v1.Descriptor)
	for n, e := range a.entries {
		for _, name := range e.tags {
			d, err := a.manifest(ctx, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if other, ok := named[name]; ok && other.Digest != d.Digest {
				return nil, fmt.Errorf("manifest.json: %w: %s names several images", ErrInvalid, name)
			}
			named[name] = d
		}
	}
	if len(named) == 0 {
		return nil, fmt.Errorf("image with a name %w: the archive has %s; tag it before it is saved", ErrNotFound, a.listed())
	}
	return named, nil
}

// plan walks the images; all are what they consist of together, each blob once,
// in order of digest.
func plan(ctx context.Context, from contents, named map[string]v1.Descriptor) (images []Imported, all *reached, err error) {
	all = &reached{}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		r, err := reach(ctx, from, named[name])
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		images = append(images, Imported{Name: name, Image: r.top, Platforms: r.platforms, Size: r.size()})
		all.blobs = append(all.blobs, r.blobs...)
		all.signable = append(all.signable, r.signable...)
	}
	all.blobs = unique(all.blobs)
	return images, all, nil
}

// unique sorts blobs by digest and leaves each once, preferably with its bytes.
func unique(blobs []blob) []blob {
	slices.SortStableFunc(blobs, func(a, b blob) int {
		if c := strings.Compare(a.desc.Digest.Hex, b.desc.Digest.Hex); c != 0 {
			return c
		}
		return len(b.raw) - len(a.raw)
	})
	return slices.CompactFunc(blobs, func(a, b blob) bool { return a.desc.Digest == b.desc.Digest })
}

// takeIn puts blobs into the cache.
func (s *Stored) takeIn(ctx context.Context, from contents, blobs []blob, o ImportOptions) error {
	jobs := o.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for _, b := range blobs {
		g.Go(func() error {
			if err := s.put(ctx, from, b); err != nil {
				return err
			}
			if o.Progress != nil {
				o.Progress(b.desc.Size)
			}
			return nil
		})
	}
	return g.Wait()
}

// put takes one blob in. Errors name it.
func (s *Stored) put(ctx context.Context, from contents, b blob) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := io.NopCloser(bytes.NewReader(b.raw))
	if b.raw == nil {
		opened, size, err := from.open(ctx, b.desc)
		if err != nil {
			return fmt.Errorf("blob %s: %w", b.desc.Digest, err)
		}
		defer opened.Close()
		if size != b.desc.Size {
			return fmt.Errorf("blob %s: %w: %d bytes, but its descriptor says %d", b.desc.Digest, ErrDigest, size, b.desc.Size)
		}
		r = opened
	}
	_, err := s.blobs.Put(ctx, b.desc.Digest, b.desc.Size, &stoppable{ctx, r})
	return err
}
