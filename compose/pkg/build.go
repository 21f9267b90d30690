package pkg

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/spec"
)

// noteKind is the kind of the notes by which the cache knows what was made of a
// source.
const noteKind = "package"

// note is what the cache keeps of an image for one architecture.
type note struct {
	Manifests []v1.Descriptor `json:"manifests"` // the image, and the statement about it
}

// Image is what Build made.
type Image struct {
	Name   string      // of the image
	Source spec.Digest // of the source
	Index  v1.Descriptor
	Fresh  []string // the architectures that were built, and not in the cache
}

// Ref returns the image's name with its tag.
func (i Image) Ref() string { return i.Name + ":" + Tag(i.Source) }

// Build makes the source's image for architectures, all that it is made for where
// none is named, and an index of them. What the cache has of the source's digest is
// not made again, unless again says so.
func (b *Builder) Build(ctx context.Context, s *Source, arches []string, again bool) (*Image, error) {
	for _, arch := range arches {
		if !slices.Contains(s.Package.Builds(), arch) {
			return nil, &ArchError{s, arch}
		}
	}
	if len(arches) == 0 {
		arches = s.Package.Builds()
	}
	digest, err := b.Digest(ctx, s)
	if err != nil {
		return nil, err
	}
	made := &Image{Name: s.Package.Image, Source: digest}
	var manifests []v1.Descriptor
	for _, arch := range slices.Sorted(slices.Values(arches)) {
		known, err := b.known(ctx, digest, arch)
		if err != nil || again {
			if known, err = b.build(ctx, s, digest, arch); err != nil {
				return nil, err
			}
			made.Fresh = append(made.Fresh, arch)
		}
		manifests = append(manifests, known...)
	}
	made.Index, err = b.index(ctx, digest, manifests)
	return made, err
}

// known returns what the cache has of a source for an architecture. The error wraps
// fs.ErrNotExist where it has not all of it.
func (b *Builder) known(ctx context.Context, digest spec.Digest, arch string) ([]v1.Descriptor, error) {
	data, err := b.Store.Note(noteKind, string(digest)+" "+arch)
	if err != nil {
		return nil, err
	}
	var n note
	if err := json.Unmarshal(data, &n); err != nil || len(n.Manifests) == 0 {
		return nil, fmt.Errorf("note of %s: %w", digest, fs.ErrNotExist)
	}
	for _, d := range n.Manifests {
		if err := b.whole(ctx, d); err != nil {
			return nil, err
		}
	}
	return n.Manifests, nil
}

// whole tells whether the cache has a manifest and all that it names.
func (b *Builder) whole(ctx context.Context, d v1.Descriptor) error {
	blob, err := b.Lease.Blob(ctx, d.Digest)
	if err != nil {
		return err
	}
	data := make([]byte, blob.Size)
	if n, err := blob.ReadAt(data, 0); n < len(data) {
		return err
	}
	var m v1.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	for _, part := range append(m.Layers, m.Config) {
		if _, err := b.Lease.Blob(ctx, part.Digest); err != nil {
			return err
		}
	}
	return nil
}

// build makes the image for one architecture and notes it.
func (b *Builder) build(ctx context.Context, s *Source, digest spec.Digest, arch string) (manifests []v1.Descriptor, err error) {
	defer b.begin("build", s.Package.Image+" "+arch)()
	scratch, remove, err := b.Store.Folder("package")
	if err != nil {
		return nil, err
	}
	w := &work{Builder: b, source: s, digest: digest, arch: arch, scratch: scratch}
	defer remove()
	defer w.close()
	m, err := w.contents(ctx)
	if err != nil {
		return nil, err
	}
	if manifests, err = w.image(ctx, m); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Package.Pos, err)
	}
	if now, err := b.Digest(ctx, s); err != nil {
		return nil, err
	} else if now != digest {
		return nil, fmt.Errorf("%s: files of the source changed while it was built: build it again", s.Package.Pos)
	}
	data, err := json.Marshal(note{manifests})
	if err != nil {
		return nil, err
	}
	return manifests, b.Store.SetNote(noteKind, string(digest)+" "+arch, data)
}
