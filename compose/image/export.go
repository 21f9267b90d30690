package image

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/spec"
)

// Export writes the images of those names (in any spelling; none means no
// image, not all) as a tar of an image layout, which Import reads. Members are
// sorted, all of one time and owner, and index.json is canonical: the bytes
// depend on names and images alone.
func Export(ctx context.Context, cache *Stored, names []string, w io.Writer) error {
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	var all []blob
	canonical, err := canonicalNames(names)
	if err != nil {
		return err
	}
	for _, name := range canonical {
		d, err := cache.names.Ref(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, missing(err))
		}
		r, err := reach(ctx, cache, d)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, r.blobs...)
		r.top.Annotations = map[string]string{refName: name, containerdName: name}
		index.Manifests = append(index.Manifests, r.top)
	}
	text, err := spec.MarshalCanonical(index)
	if err != nil {
		return err
	}
	return writeLayout(ctx, cache, unique(all), text, w)
}

// canonicalNames sorts names in their one spelling.
func canonicalNames(names []string) ([]string, error) {
	canonical := make([]string, len(names))
	for n, name := range names {
		ref, err := spec.ParseRef(name, "")
		switch {
		case err != nil:
			return nil, err
		case ref.Transport != spec.Registry || ref.Digest != "":
			return nil, fmt.Errorf("%s: only what the cache has a name for can be exported, such as docker.io/library/busybox:latest", ref)
		}
		canonical[n] = ref.String()
	}
	slices.Sort(canonical)
	return slices.Compact(canonical), nil
}

// writeLayout writes the members of a layout in order of their names.
func writeLayout(ctx context.Context, from contents, blobs []blob, index []byte, w io.Writer) error {
	t := &layoutWriter{tar: tar.NewWriter(w), modTime: time.Unix(0, 0), buffer: make([]byte, bufferSize)}
	t.folder("blobs/")
	t.folder("blobs/sha256/")
	for _, b := range blobs {
		if err := t.blob(ctx, from, b); err != nil {
			return fmt.Errorf("blob %s: %w", b.desc.Digest, err)
		}
	}
	t.file(indexFile, index)
	t.file("oci-layout", []byte(`{"imageLayoutVersion":"`+layoutVersion+`"}`))
	if t.err != nil {
		return t.err
	}
	return t.tar.Close()
}

// layoutWriter writes members until one fails.
type layoutWriter struct {
	tar     *tar.Writer
	modTime time.Time
	buffer  []byte
	err     error
}

func (t *layoutWriter) header(typeflag byte, name string, size, mode int64) {
	if t.err == nil {
		t.err = t.tar.WriteHeader(&tar.Header{Typeflag: typeflag, Name: name, Size: size, Mode: mode, ModTime: t.modTime})
	}
}

func (t *layoutWriter) folder(name string) { t.header(tar.TypeDir, name, 0, 0o755) }

func (t *layoutWriter) file(name string, data []byte) {
	t.header(tar.TypeReg, name, int64(len(data)), 0o644)
	if t.err == nil {
		_, t.err = t.tar.Write(data)
	}
}

func (t *layoutWriter) blob(ctx context.Context, from contents, b blob) error {
	r, size, err := from.open(ctx, b.desc)
	if err != nil {
		return err
	}
	defer r.Close()
	if size != b.desc.Size {
		return fmt.Errorf("%w: %d bytes, but its descriptor says %d", ErrDigest, size, b.desc.Size)
	}
	t.header(tar.TypeReg, blobName(b.desc.Digest), size, 0o644)
	if t.err == nil {
		_, t.err = io.CopyBuffer(struct{ io.Writer }{t.tar}, &stoppable{ctx, r}, t.buffer)
	}
	return t.err
}
