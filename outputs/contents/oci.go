package contents

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/rootfs"
)

// The files of an image layout (image-spec image-layout.md).
const (
	layoutFile = "oci-layout"
	indexFile  = "index.json"
	blobsDir   = "blobs/sha256/"
)

// The annotations by which a layout names an image (image-spec annotations.md;
// containerd's names are whole references).
const (
	refName   = "org.opencontainers.image.ref.name"
	imageName = "io.containerd.image.name"
)

// maxIndexes is how deep indexes may lie within each other.
const maxIndexes = 4

// layout reads an image layout.
type layout struct {
	*reader
	files *list
	seen  map[*member]int // manifests, by what they have in Containers; -1 of indexes
}

// readLayout reads the images of an image layout.
func (d *reader) readLayout(files *list) error {
	l := &layout{d, files, map[*member]int{}}
	var marker struct {
		Version string `json:"imageLayoutVersion"`
	}
	m, err := files.find(layoutFile)
	if err == nil {
		err = d.document(m, &marker)
	}
	if err != nil {
		return err
	}
	if marker.Version != "1.0.0" {
		return invalid("%s: version %q; only 1.0.0 is read", layoutFile, marker.Version)
	}
	if m, err = files.find(indexFile); err != nil {
		return err
	}
	return l.index(m, 1, "")
}

// index reads what an index names (image-spec image-index.md), and what is named
// tag itself, if that is not "".
func (l *layout) index(m *member, depth int, tag string) error {
	if depth > maxIndexes {
		return invalid("%s: more than %d indexes within each other", m.Name, maxIndexes)
	}
	var doc struct {
		v1.IndexManifest
		Layers []any `json:"layers"`
	}
	if err := l.document(m, &doc); err != nil {
		return err
	}
	if doc.SchemaVersion != 2 || doc.MediaType != "" && !doc.MediaType.IsIndex() || doc.Manifests == nil || doc.Layers != nil {
		return invalid("%s is no image index of version 2", m.Name)
	}
	for i, desc := range doc.Manifests {
		if err := l.described(desc, depth, cmp.Or(nameOf(desc), tag)); err != nil {
			return fmt.Errorf("%s: manifests[%d] %s: %w", m.Name, i, desc.Digest, err)
		}
	}
	return nil
}

// nameOf is what an index calls an image; "" where it does not say.
func nameOf(desc v1.Descriptor) string {
	return cmp.Or(desc.Annotations[imageName], desc.Annotations[refName])
}

// described reads what a descriptor in an index leads to, which is called tag.
func (l *layout) described(desc v1.Descriptor, depth int, tag string) error {
	m, err := l.blob(desc)
	if err == nil {
		err = l.checkType(m, desc.MediaType)
	}
	if err != nil {
		return err
	}
	n, known := l.seen[m]
	switch {
	case known && n < 0:
		return nil
	case desc.MediaType.IsIndex():
		l.seen[m] = -1
		return l.index(m, depth+1, tag)
	case !desc.MediaType.IsImage():
		m.Kind = string(desc.MediaType) // an index may name anything
		return nil
	case !known:
		if n, err = l.manifest(m); err != nil {
			return err
		}
		l.seen[m] = n
	}
	return l.describe(&l.img.Containers[n], desc, tag)
}

// checkType holds the media type of a document against that of its descriptor:
// nothing else guards what index.json says.
func (l *layout) checkType(m *member, stated types.MediaType) error {
	if m.Size > maxDocument {
		return nil
	}
	text, err := l.textOf(m)
	if err != nil {
		return err
	}
	var doc struct {
		MediaType types.MediaType `json:"mediaType"`
	}
	if json.Unmarshal(text, &doc) != nil || doc.MediaType == "" || doc.MediaType == stated {
		return nil
	}
	return invalid("its media type is %q, not %q as the file says", doc.MediaType, stated)
}

// describe adds what a descriptor says of an image, which is called tag.
func (l *layout) describe(c *Container, desc v1.Descriptor, tag string) error {
	if tag != "" && !slices.Contains(c.Tags, tag) && l.img.Format == OCI {
		c.Tags = append(c.Tags, tag)
	}
	p := desc.Platform
	if p == nil {
		return nil
	}
	stated := p.OS + "/" + p.Architecture
	if c.Platform == "" {
		c.Platform = stated
	}
	if c.Platform != stated && !strings.HasPrefix(c.Platform, stated+"/") {
		return invalid("its platform is %s, not %s as the file says", c.Platform, stated)
	}
	return nil
}

// blob finds the blob of a descriptor, and holds it against the descriptor.
func (l *layout) blob(desc v1.Descriptor) (*member, error) {
	want, err := digestOf(desc.Digest)
	if err != nil {
		return nil, err
	}
	m, err := l.files.find(blobsDir + desc.Digest.Hex)
	if err != nil {
		return nil, err
	}
	if m.Size != desc.Size {
		return nil, invalid("it has %d bytes, not %d as the file says", m.Size, desc.Size)
	}
	if err := l.sum(m); err != nil {
		return nil, err
	}
	return m, wants(want, m.Digest)
}

// manifest reads an image manifest (image-spec manifest.md), and returns what it
// has become in Containers.
func (l *layout) manifest(m *member) (int, error) {
	var doc struct {
		v1.Manifest
		Manifests []any `json:"manifests"`
	}
	if err := l.document(m, &doc); err != nil {
		return 0, err
	}
	if doc.SchemaVersion != 2 || doc.MediaType != "" && !doc.MediaType.IsImage() || doc.Manifests != nil {
		return 0, invalid("%s is no image manifest of version 2", m.Name)
	}
	configBlob, err := l.blob(doc.Config)
	if err != nil {
		return 0, fmt.Errorf("config: %w", err)
	}
	c, stated, err := l.configured(&doc.Manifest, configBlob)
	if err != nil {
		return 0, err
	}
	for i, desc := range doc.Layers {
		n, err := l.layerOf(desc, stated[i], c.MediaType != "")
		if err != nil {
			return 0, fmt.Errorf("layers[%d] %s: %w", i, desc.Digest, err)
		}
		c.Layers = append(c.Layers, n)
	}
	c.Digest = m.Digest
	return l.keep(c), nil
}

// configured reads the configuration of an image. That of an artifact may be
// anything; the layers of one are what they are.
func (l *layout) configured(doc *v1.Manifest, blob *member) (c Container, stated []statedLayer, err error) {
	if doc.Config.MediaType.IsConfig() {
		c, stated, err = l.config(blob)
		if err == nil && len(stated) != len(doc.Layers) {
			err = invalid("%d layers, of which the configuration knows %d", len(doc.Layers), len(stated))
		}
		return c, stated, err
	}
	for _, d := range doc.Layers {
		stated = append(stated, statedLayer{diffID: d.Digest})
	}
	return Container{Config: blob.Digest, MediaType: cmp.Or(doc.ArtifactType, string(doc.Config.MediaType))}, stated, nil
}

// layerOf reads the layer of a descriptor. What media types are no archive's, such
// as those of attestations, is opaque.
func (l *layout) layerOf(desc v1.Descriptor, stated statedLayer, artifact bool) (int, error) {
	m, err := l.blob(desc)
	if err != nil {
		return 0, err
	}
	kind := opaque
	if !artifact {
		kind = layerKind(desc.MediaType)
	}
	n, err := l.layer(m, Layer{MediaType: string(desc.MediaType), Kind: kind}, stated)
	if err == nil {
		l.img.Layers[n].MediaType = string(desc.MediaType) // docker's list does not say it
	}
	return n, err
}

// layerKind tells how a layer of that media type is stored.
func layerKind(t types.MediaType) string {
	switch t {
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer, types.OCIUncompressedRestrictedLayer:
		return Tar
	case types.OCILayer, types.DockerLayer, types.OCIRestrictedLayer, types.DockerForeignLayer:
		return gzipKind
	case types.OCILayerZStd, types.OCIUncompressedRestrictedLayer + "+zstd", types.DockerUncompressedLayer + ".zstd":
		return zstdKind
	}
	return opaque
}

// keep adds a container, or completes what docker's list says of it.
func (l *layout) keep(c Container) int {
	for i := range l.img.Containers {
		have := &l.img.Containers[i]
		if have.Config == c.Config && have.Digest == (rootfs.Digest{}) {
			have.Digest = c.Digest
			return i
		}
	}
	l.img.Containers = append(l.img.Containers, c)
	return len(l.img.Containers) - 1
}
