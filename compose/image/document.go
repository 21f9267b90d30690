package image

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// document is an index or an image manifest that has been checked. One of
// index and manifest is nil.
type document struct {
	desc     v1.Descriptor // media type, digest and size of raw
	raw      []byte
	index    *v1.IndexManifest
	manifest *v1.Manifest
}

// readDocument reads the index or manifest that d names.
func readDocument(ctx context.Context, from contents, d v1.Descriptor) (*document, error) {
	raw, err := readBlob(ctx, from, d)
	if err != nil {
		return nil, err
	}
	doc, err := parseDocument(raw, d.MediaType)
	if err != nil {
		return nil, err
	}
	doc.desc.Digest = d.Digest
	return doc, nil
}

// parseDocument checks an index or a manifest, of which a descriptor said that
// it is of that media type ("" where none did). See image-spec manifest.md and
// image-index.md, and Docker's image manifest version 2, schema 2.
func parseDocument(raw []byte, said types.MediaType) (*document, error) {
	if err := checkText(raw, "annotations"); err != nil {
		return nil, err
	}
	var head struct {
		SchemaVersion json.Number     `json:"schemaVersion"`
		MediaType     types.MediaType `json:"mediaType"`
		Manifests     json.RawMessage `json:"manifests"`
		Layers        json.RawMessage `json:"layers"`
		Config        json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	isIndex, isImage := head.Manifests != nil, head.Layers != nil || head.Config != nil
	switch {
	case head.SchemaVersion == "1":
		return nil, fmt.Errorf("%w: schemaVersion 1 says too little to be checked; push the image again with a tool of today", ErrInvalid)
	case head.SchemaVersion != "2":
		return nil, fmt.Errorf("%w: schemaVersion is %q, not 2", ErrInvalid, head.SchemaVersion)
	case isIndex && isImage:
		return nil, fmt.Errorf("%w: it has manifests and also layers or config: it could be read as an index or as a manifest", ErrInvalid)
	case !isIndex && (head.Layers == nil || head.Config == nil):
		return nil, fmt.Errorf("%w: it has neither manifests nor both layers and config", ErrInvalid)
	}
	mediaType, err := checkMediaType(said, head.MediaType, isIndex)
	if err != nil {
		return nil, err
	}
	doc := &document{raw: raw, desc: v1.Descriptor{MediaType: mediaType, Size: int64(len(raw))}}
	return doc, doc.parse(isIndex)
}

// parse fills index or manifest and checks each descriptor in it.
func (d *document) parse(isIndex bool) error {
	if isIndex {
		d.index = new(v1.IndexManifest)
		if err := json.Unmarshal(d.raw, d.index); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		return checkDescriptors("manifests", d.index.Manifests)
	}
	d.manifest = new(v1.Manifest)
	if err := json.Unmarshal(d.raw, d.manifest); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := checkDescriptor(d.manifest.Config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return checkDescriptors("layers", d.manifest.Layers)
}

// checkMediaType returns the media type of a document: what its descriptor and
// it itself say, which must be one thing, or, where neither says any
// (image-spec allows it), what its shape says.
func checkMediaType(said, says types.MediaType, isIndex bool) (types.MediaType, error) {
	switch {
	case said != "" && says != "" && said != says:
		return "", fmt.Errorf("%w: its media type is %q, its descriptor says %q", ErrInvalid, says, said)
	case said == "" && says == "" && isIndex:
		said = types.OCIImageIndex
	case said == "" && says == "":
		said = types.OCIManifestSchema1
	case said == "":
		said = says
	}
	switch {
	case !said.IsIndex() && !said.IsImage():
		return "", fmt.Errorf("%w: media type %q is neither an index's nor an image manifest's", ErrInvalid, said)
	case said.IsIndex() != isIndex:
		return "", fmt.Errorf("%w: its content is not what its media type %q says", ErrInvalid, said)
	}
	return said, nil
}

func checkDescriptors(list string, ds []v1.Descriptor) error {
	for n, d := range ds {
		if err := checkDescriptor(d); err != nil {
			return fmt.Errorf("%s[%d]: %w", list, n, err)
		}
	}
	return nil
}

// checkDescriptor checks what every descriptor must be (image-spec descriptor.md).
func checkDescriptor(d v1.Descriptor) error {
	if err := checkHash(d.Digest); err != nil {
		return err
	}
	switch {
	case d.Size < 0:
		return fmt.Errorf("%w: its size is %d bytes", ErrInvalid, d.Size)
	case len(d.URLs) > 0:
		return fmt.Errorf("%w: it lies at %s; content that is not with its image is not fetched", ErrInvalid, d.URLs[0])
	}
	return nil
}

// layerTypes are the layers that the store reads: plain, gzip and zstd. The
// last is no type of Docker's, but what some builders write beside its others.
func layerTypes() []types.MediaType {
	return []types.MediaType{
		types.OCIUncompressedLayer, types.OCILayer, types.OCILayerZStd,
		types.DockerUncompressedLayer, types.DockerLayer, types.DockerUncompressedLayer + ".zstd",
	}
}

// checkImage checks what a manifest must be to be a package image: artifacts
// are manifests too.
func checkImage(m *v1.Manifest) error {
	if !m.Config.MediaType.IsConfig() {
		return fmt.Errorf("%w: its config is %q: an artifact, not an image", ErrInvalid, m.Config.MediaType)
	}
	known := layerTypes()
	for n, d := range m.Layers {
		switch {
		case !d.MediaType.IsDistributable():
			return fmt.Errorf("%w: layers[%d]: %q is a layer that may not be handed on", ErrInvalid, n, d.MediaType)
		case !slices.Contains(known, d.MediaType):
			return fmt.Errorf("%w: layers[%d]: media type %q is not a layer's", ErrInvalid, n, d.MediaType)
		}
	}
	return nil
}
