package image

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/spec"
)

// The annotation by which "cosign save" says what a manifest of index.json is,
// and what it says of signatures.
const (
	cosignKind       = "kind"
	cosignSignatures = "dev.cosignproject.cosign/sigs"
	cosignStatements = "dev.cosignproject.cosign/atts"
)

// attachedTag is the tags under which things are attached to the image of a
// digest, where a registry has no referrers (distribution-spec, "Referrers Tag
// Schema"; cosign's own end in .sig, .att and .sbom).
var attachedTag = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)

var _ Signatures = (*Layout)(nil)

// isAttached reports whether index.json says that what it lists is not an image
// but something about one.
func isAttached(d v1.Descriptor) bool {
	if isAttestation(d) || d.ArtifactType != "" && !types.MediaType(d.ArtifactType).IsConfig() {
		return true
	}
	switch d.Annotations[cosignKind] {
	case cosignSignatures, cosignStatements:
		return true
	}
	return slices.ContainsFunc(tagsOf(d), attachedTag.MatchString)
}

// tagsOf returns the tags that index.json gives to what it lists.
func tagsOf(d v1.Descriptor) []string {
	var tags []string
	for _, name := range []string{d.Annotations[refName], d.Annotations[containerdName]} {
		if tag := tagOf(name); tag != "" {
			name = tag
		}
		if name != "" {
			tags = append(tags, name)
		}
	}
	return tags
}

// Signatures returns what is attached to images of the layout: by a subject, by
// the index that stands for referrers, or by cosign's older tag.
func (l *Layout) Signatures(ctx context.Context, _ spec.Ref, digests ...v1.Hash) ([]spec.Signature, error) {
	return signaturesIn(ctx, l, digests)
}

// referrers returns what index.json lists with that subject, and what the index
// tagged by that digest does.
func (l *Layout) referrers(ctx context.Context, d v1.Hash) ([]v1.Descriptor, error) {
	subjects, err := l.bySubject(ctx)
	if err != nil {
		return nil, err
	}
	found := slices.Clone(subjects[d])
	tag := spec.ReferrersTag(spec.Digest(d.String()))
	for _, listed := range l.index.Manifests {
		if !listed.MediaType.IsIndex() || !slices.Contains(tagsOf(listed), tag) {
			continue
		}
		doc, err := readDocument(ctx, l, listed)
		switch {
		case err == nil && doc.index != nil:
			found = append(found, doc.index.Manifests...)
		case err != nil && !passable(err):
			return nil, fmt.Errorf("%s: %w", listed.Digest, err)
		}
	}
	return found, nil
}

// tagged returns the manifests that index.json gives that tag, and, for
// signatures, those that cosign saved without one.
func (l *Layout) tagged(_ context.Context, tag string) ([]blob, error) {
	var found []blob
	for _, d := range l.index.Manifests {
		if slices.Contains(tagsOf(d), tag) || d.Annotations[cosignKind] == cosignSignatures {
			found = append(found, blob{desc: d})
		}
	}
	return found, nil
}

// bySubject reads what index.json lists, once. What cannot be read has no subject.
func (l *Layout) bySubject(ctx context.Context) (map[v1.Hash][]v1.Descriptor, error) {
	return l.subjects.get(func() (map[v1.Hash][]v1.Descriptor, error) {
		found := make(map[v1.Hash][]v1.Descriptor)
		for _, d := range l.index.Manifests {
			if !d.MediaType.IsImage() {
				continue
			}
			m, err := readAttached(ctx, l, blob{desc: d})
			switch {
			case err != nil && !passable(err):
				return nil, fmt.Errorf("%s: %w", d.Digest, err)
			case err == nil && m.Subject != nil:
				found[m.Subject.Digest] = append(found[m.Subject.Digest], d)
			}
		}
		return found, nil
	})
}

// withoutSubject leaves out of several images those that are about another one.
func (l *Layout) withoutSubject(ctx context.Context, images []v1.Descriptor) ([]v1.Descriptor, error) {
	if len(images) < 2 {
		return images, nil
	}
	subjects, err := l.bySubject(ctx)
	if err != nil {
		return nil, err
	}
	for _, about := range subjects {
		images = slices.DeleteFunc(images, func(d v1.Descriptor) bool {
			return slices.ContainsFunc(about, func(a v1.Descriptor) bool { return a.Digest == d.Digest })
		})
	}
	return images, nil
}
