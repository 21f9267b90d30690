package image

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/spec"
)

// Signatures is where the signatures of images are. What it gives has not been
// verified: it may be anybody's, and about anything.
type Signatures interface {
	// Signatures returns what is attached to the indexes and manifests of those
	// digests at the place of ref: sigstore bundles, attestations among them, and
	// cosign's older signatures; ordered by the digest that they are attached to,
	// then by their own. What cannot be read as a signature is left out; where the
	// place cannot be asked there is an error, beside what was found all the same.
	Signatures(ctx context.Context, ref spec.Ref, digests ...v1.Hash) ([]spec.Signature, error)
}

// The limits of what is looked at for one digest; somebody else may have put it
// there. What is beyond them is an error beside what was found.
const (
	maxReferrers  = 1000
	maxSignatures = 256
)

// errTooMany says that not all of what is attached was looked at.
var errTooMany = errors.New("too much is attached to it")

// attachments is a place where things are attached to images.
type attachments interface {
	contents
	// referrers returns the manifests that may have d for their subject.
	referrers(ctx context.Context, d v1.Hash) ([]v1.Descriptor, error)
	// tagged returns the manifests that a tag names: one, or none. They may have
	// been read already.
	tagged(ctx context.Context, tag string) ([]blob, error)
}

// signaturesIn returns the signatures of those digests, and why not all of them, the
// first reason.
func signaturesIn(ctx context.Context, from attachments, digests []v1.Hash) ([]spec.Signature, error) {
	var all []spec.Signature
	var first error
	for _, d := range distinct(digests) {
		f := finder{from: from, subject: d}
		err := checkHash(d)
		if err == nil {
			err = f.find(ctx)
		}
		if err != nil && first == nil {
			first = fmt.Errorf("signatures of %s: %w", d, err)
		}
		all = append(all, inOrder(f.found)...)
	}
	return all, first
}

// distinct sorts digests and leaves each once.
func distinct(digests []v1.Hash) []v1.Hash {
	sorted := slices.Clone(digests)
	slices.SortFunc(sorted, func(a, b v1.Hash) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(sorted)
}

// finder finds the signatures of one subject.
type finder struct {
	from    attachments
	subject v1.Hash
	found   []spec.Signature
}

// find finds bundles and older signatures, also where one of them cannot be looked for.
func (f *finder) find(ctx context.Context) error {
	return cmp.Or(f.findBundles(ctx), f.findLegacy(ctx))
}

// findBundles looks at what refers to the subject.
func (f *finder) findBundles(ctx context.Context) error {
	referrers, err := f.from.referrers(ctx, f.subject)
	if err != nil {
		return err
	}
	likely := byDigest(referrers)
	slices.SortStableFunc(likely, func(a, b v1.Descriptor) int { // others may be bundles too: registries differ in what they say
		return cmp.Compare(rank(a), rank(b))
	})
	var first error
	for n, d := range likely {
		err := fmt.Errorf("%w: %d manifests refer to it, %d are looked at", errTooMany, len(likely), maxReferrers)
		if n < maxReferrers {
			err = f.look(ctx, blob{desc: d}, f.takeBundles)
		}
		first = cmp.Or(first, err)
		if n == maxReferrers || errors.Is(err, errTooMany) {
			break
		}
	}
	return first
}

// rank puts what says that it is a bundle first.
func rank(d v1.Descriptor) int {
	if strings.HasPrefix(d.ArtifactType, spec.BundleTypePrefix) {
		return 0
	}
	return 1
}

// findLegacy looks at what the tag of the older signatures names.
func (f *finder) findLegacy(ctx context.Context) error {
	tag := spec.LegacyTag(spec.Digest(f.subject.String()))
	legacy, err := f.from.tagged(ctx, tag)
	if err != nil {
		return fmt.Errorf("tag %s: %w", tag, err)
	}
	for _, b := range legacy {
		if err := f.look(ctx, b, f.takeLegacy); err != nil {
			return err
		}
	}
	return nil
}

// inOrder sorts signatures by their digest and leaves each once.
func inOrder(found []spec.Signature) []spec.Signature {
	by := make(map[spec.Digest]spec.Signature, len(found))
	for _, s := range found {
		by[s.Digest()] = s
	}
	var sorted []spec.Signature
	for _, d := range slices.Sorted(maps.Keys(by)) {
		sorted = append(sorted, by[d])
	}
	return sorted
}

// byDigest sorts descriptors and leaves each once.
func byDigest(ds []v1.Descriptor) []v1.Descriptor {
	sorted := slices.Clone(ds)
	slices.SortStableFunc(sorted, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	return slices.CompactFunc(sorted, func(a, b v1.Descriptor) bool { return a.Digest == b.Digest })
}

// look reads one manifest and what take finds in it. What is malformed is
// passed over.
func (f *finder) look(ctx context.Context, b blob, take func(context.Context, *v1.Manifest) error) error {
	m, err := readAttached(ctx, f.from, b)
	if err == nil {
		err = take(ctx, m)
	}
	if err != nil && !passable(err) {
		return fmt.Errorf("%s: %w", b.desc.Digest, err)
	}
	return nil
}

// passable tells whether err is about what somebody attached, and not about
// the place where it lies.
func passable(err error) bool {
	return errors.Is(err, ErrInvalid) || errors.Is(err, ErrDigest) || errors.Is(err, ErrNotFound)
}

// readAttached reads a manifest that need not be an image's.
func readAttached(ctx context.Context, from contents, b blob) (*v1.Manifest, error) {
	raw, err := b.raw, error(nil)
	if raw == nil {
		raw, err = readBlob(ctx, from, b.desc)
	}
	if err != nil {
		return nil, err
	}
	doc, err := parseDocument(raw, b.desc.MediaType)
	switch {
	case err != nil:
		return nil, err
	case doc.manifest == nil:
		return nil, fmt.Errorf("%w: it is an index", ErrInvalid)
	}
	return doc.manifest, nil
}

// takeBundles takes the bundles of a manifest that says that it is about the
// subject.
func (f *finder) takeBundles(ctx context.Context, m *v1.Manifest) error {
	if m.Subject == nil || m.Subject.Digest != f.subject {
		return nil
	}
	return f.takeLayers(ctx, m, func(l v1.Descriptor) bool { return isBundle(l.MediaType) }, bundleOf)
}

func isBundle(t types.MediaType) bool { return strings.HasPrefix(string(t), spec.BundleTypePrefix) }

func bundleOf(raw []byte, _ map[string]string) (spec.Signature, error) {
	if !utf8.Valid(raw) {
		return spec.Signature{}, fmt.Errorf("%w: it is not UTF-8", ErrInvalid)
	}
	if err := spec.CheckJSON(raw); err != nil {
		return spec.Signature{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return spec.Signature{Format: spec.FormatBundle, Bundle: string(raw)}, nil
}

// takeLegacy takes cosign's older signatures.
func (f *finder) takeLegacy(ctx context.Context, m *v1.Manifest) error {
	signed := func(l v1.Descriptor) bool {
		return l.MediaType == spec.SimpleSigningType && l.Annotations[spec.LegacySignature] != ""
	}
	return f.takeLayers(ctx, m, signed, legacyOf)
}

func legacyOf(raw []byte, annotations map[string]string) (spec.Signature, error) {
	if !json.Valid(raw) {
		return spec.Signature{}, fmt.Errorf("%w: what is signed is not JSON", ErrInvalid)
	}
	return spec.Signature{
		Format:      spec.FormatLegacy,
		Payload:     base64.StdEncoding.EncodeToString(raw),
		Signature:   annotations[spec.LegacySignature],
		Certificate: annotations[spec.LegacyCertificate],
		Chain:       annotations[spec.LegacyChain],
		Rekor:       annotations[spec.LegacyRekor],
		Timestamp:   annotations[spec.LegacyTimestamp],
	}, nil
}

// takeLayers takes a signature of each layer that is one, as long as there are
// not too many.
func (f *finder) takeLayers(ctx context.Context, m *v1.Manifest, is func(v1.Descriptor) bool, read func([]byte, map[string]string) (spec.Signature, error)) error {
	for _, l := range m.Layers {
		switch {
		case !is(l):
			continue
		case len(f.found) == maxSignatures:
			return fmt.Errorf("%w: only %d signatures are looked at", errTooMany, maxSignatures)
		case l.Size > spec.MaxSignature:
			continue
		}
		raw, err := readBlob(ctx, f.from, l)
		if err == nil {
			err = f.take(read(raw, l.Annotations))
		}
		if err != nil && !passable(err) {
			return fmt.Errorf("layer %s: %w", l.Digest, err)
		}
	}
	return nil
}

// take takes what was read as a signature. One that no evidence file can hold could
// not be written beside a lock, and is passed over like what is malformed.
func (f *finder) take(s spec.Signature, err error) error {
	if err == nil && new(spec.Evidence).Add(s) == "" {
		err = fmt.Errorf("%w: no evidence file can hold it", ErrInvalid)
	}
	if err == nil {
		f.found = append(f.found, s)
	}
	return err
}
