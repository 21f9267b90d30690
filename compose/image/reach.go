package image

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/spec"
)

// reached is all that an image consists of.
type reached struct {
	top       v1.Descriptor // media type, digest and size
	platforms []spec.Platform
	blobs     []blob    // a blob may be there twice
	signable  []v1.Hash // of the index and the manifests of images
}

// reach finds the blobs that an index or manifest leads to, and checks every
// document on the way as a Source would: an image of any platform, not only of
// the one that is built. What is for another system than Linux is left out, and
// so is what did not travel with the index, but not all of it.
func reach(ctx context.Context, from contents, d v1.Descriptor) (*reached, error) {
	doc, err := readDocument(ctx, from, d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Digest, err)
	}
	r := &reached{top: doc.desc, signable: []v1.Hash{doc.desc.Digest}}
	if doc.index == nil {
		return r, r.addManifest(ctx, from, doc, d)
	}
	r.blobs = append(r.blobs, blob{doc.desc, doc.raw})
	for n, d := range doc.index.Manifests {
		if err := r.addChild(ctx, from, d); err != nil {
			return nil, fmt.Errorf("index %s: manifests[%d]: %w", doc.desc.Digest, n, err)
		}
	}
	if len(r.platforms) == 0 {
		return nil, fmt.Errorf("index %s: image for linux: %w: none of its manifests is there", doc.desc.Digest, ErrNotFound)
	}
	return r, nil
}

// size is the bytes of all blobs, each counted once.
func (r *reached) size() int64 {
	total := int64(0)
	for _, b := range unique(slices.Clone(r.blobs)) {
		total += b.desc.Size
	}
	return total
}

// addChild adds one manifest of an index.
func (r *reached) addChild(ctx context.Context, from contents, d v1.Descriptor) error {
	switch p := d.Platform; {
	case d.MediaType.IsIndex():
		return fmt.Errorf("%w: an index in an index", ErrInvalid)
	case !d.MediaType.IsImage() || p != nil && p.OS != "linux" && !isAttestation(d):
		return nil
	}
	doc, err := readDocument(ctx, from, d)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", d.Digest, err)
	}
	return r.addManifest(ctx, from, doc, d)
}

// addManifest adds a manifest with all that it names. An attestation is taken
// as it is: it is not for running.
func (r *reached) addManifest(ctx context.Context, from contents, doc *document, d v1.Descriptor) error {
	m := doc.manifest
	r.blobs = append(r.blobs, blob{doc.desc, doc.raw}, blob{desc: m.Config})
	for _, l := range m.Layers {
		r.blobs = append(r.blobs, blob{desc: l})
	}
	if isAttestation(d) {
		return nil
	}
	if err := checkImage(m); err != nil {
		return fmt.Errorf("manifest %s: %w", doc.desc.Digest, err)
	}
	r.signable = append(r.signable, doc.desc.Digest)
	_, config, err := readConfig(ctx, from, m)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", doc.desc.Digest, err)
	}
	platform := platformOf(config)
	if p := d.Platform; p != nil {
		platform = spec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}
	}
	r.platforms = append(r.platforms, platform)
	if err := checkPlatform(config, platform); err != nil {
		return fmt.Errorf("manifest %s: %w", doc.desc.Digest, err)
	}
	return nil
}
