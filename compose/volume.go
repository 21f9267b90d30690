package compose

import (
	"encoding/hex"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/flatten"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// volume lays out a volume: lower holds what it begins with, and the system
// mounts an overlay of lower and tmp at merged.
func volume(p *part) ([]rootfs.Segment, error) {
	dirs := rootfs.Segment{Name: p.where}
	for _, dir := range []string{"", "lower", "merged", "tmp"} {
		dirs.Entries = append(dirs.Entries, rootfs.MadeDir(rootfs.Join(p.path, dir), 0o755))
	}
	lower, err := p.lower()
	if err != nil || lower == nil {
		return []rootfs.Segment{dirs}, err
	}
	return []rootfs.Segment{dirs, {Name: p.origin(), Entries: flatten.Below(p.path+"/lower", p.origin(), lower)}}, nil
}

// lower is what a volume begins with; nil where that is nothing.
func (p *part) lower() ([]*rootfs.Entry, error) {
	switch {
	case p.stored != nil:
		return imageLayout(p.stored, layoutName(p.ref))
	case p.image != nil:
		return flatten.Rootfs(p.image.files, flatten.System)
	}
	return nil, nil
}

// The names in an image layout (image-spec image-layout.md), and the annotation
// of index.json that names an image (annotations.md).
const (
	layoutFile  = "oci-layout"
	layoutText  = `{"imageLayoutVersion":"1.0.0"}`
	indexFile   = "index.json"
	blobsDir    = "blobs"
	sha256Dir   = blobsDir + "/sha256"
	refNameNote = "org.opencontainers.image.ref.name"
)

// layoutName is what an image is called in a layout: a registry's name in its one
// spelling, or the name of the image in the layout or archive that it is from; ""
// where it has none there. Where that layout lies does not count.
func layoutName(r spec.Ref) string {
	if r.Transport == spec.Registry {
		return r.String()
	}
	return r.Tag
}

// imageLayout is an image as an image layout, in path order: the blobs of the
// image for each platform, and nothing else of where it is from. index.json has
// one descriptor, of that name: the manifest's, or, where there are several or it
// is of Docker's type, that of an index of the manifests, which is one more blob.
// (Readers that go by name take the first of its bearers, and OCI's types only.)
func imageLayout(images []*storedImage, name string) ([]*rootfs.Entry, error) {
	entries := []*rootfs.Entry{
		rootfs.MadeDir(blobsDir, 0o755), rootfs.MadeDir(sha256Dir, 0o755), rootfs.MadeFile(layoutFile, 0o644, []byte(layoutText)),
	}
	var manifests []v1.Descriptor
	for _, i := range images {
		blobs, err := i.entries()
		if err != nil {
			return nil, err
		}
		entries = append(entries, blobs...)
		d := i.descriptor()
		if !slices.ContainsFunc(manifests, func(m v1.Descriptor) bool { return m.Digest == d.Digest }) {
			manifests = append(manifests, d)
		}
	}
	top := manifests[0]
	if len(manifests) > 1 || top.MediaType != types.OCIManifestSchema1 {
		index, err := indexOf(manifests...)
		if err != nil {
			return nil, err
		}
		hash := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(index.Digest[:])}
		index.Path = blobPath(hash)
		entries = append(entries, index)
		top = v1.Descriptor{MediaType: types.OCIImageIndex, Size: index.Size, Digest: hash}
	}
	if name != "" {
		top.Annotations = map[string]string{refNameNote: name}
	}
	index, err := indexOf(top)
	if err != nil {
		return nil, err
	}
	index.Path = indexFile
	return rootfs.Sort(append(entries, index)), nil
}

// entries are the blobs of an image as files of a layout.
func (i *storedImage) entries() ([]*rootfs.Entry, error) {
	entries := make([]*rootfs.Entry, len(i.blobs))
	for n, b := range i.blobs {
		var err error
		if entries[n], err = storedFile(blobPath(b.digest), 0o644, b.taken); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// descriptor names the manifest and says what it is for.
func (i *storedImage) descriptor() v1.Descriptor {
	manifest, p := i.blobs[0], i.platform
	return v1.Descriptor{
		MediaType: i.mediaType, Size: manifest.size, Digest: manifest.digest,
		Platform: &v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant},
	}
}

func blobPath(digest v1.Hash) string { return sha256Dir + "/" + digest.Hex }

// indexOf is the file of an index (image-spec image-index.md), without a path.
func indexOf(manifests ...v1.Descriptor) (*rootfs.Entry, error) {
	text, err := spec.MarshalCanonical(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests})
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return rootfs.MadeFile("", 0o644, text), nil
}
