package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/spec"
)

// choose returns the descriptor of the one image manifest in an index that is
// for the platform. An index in an index is refused: no tool writes one, and
// two levels of choice are one too many for a reader to follow. What is
// neither, an index may hold, and it is passed over (image-spec image-index.md).
func choose(ctx context.Context, from contents, index *v1.IndexManifest, want spec.Platform) (v1.Descriptor, error) {
	var chosen []v1.Descriptor
	var there []string
	for n, d := range index.Manifests {
		if d.MediaType.IsIndex() {
			return v1.Descriptor{}, fmt.Errorf("%w: manifests[%d] is an index in an index", ErrInvalid, n)
		}
		if isAttestation(d) || !d.MediaType.IsImage() {
			continue
		}
		have, err := describedPlatform(ctx, from, d)
		if err != nil {
			return v1.Descriptor{}, fmt.Errorf("manifests[%d] %s: %w", n, d.Digest, err)
		}
		there = append(there, have.String())
		same := func(c v1.Descriptor) bool { return c.Digest == d.Digest }
		if samePlatform(want, have) && !slices.ContainsFunc(chosen, same) {
			chosen = append(chosen, d)
		}
	}
	if len(chosen) != 1 {
		return v1.Descriptor{}, fmt.Errorf("%w %s: the index has %s", ErrPlatform, want, listed(there))
	}
	return chosen[0], nil
}

// describedPlatform returns the platform in a descriptor, or, where it has
// none, that in the config of its image.
func describedPlatform(ctx context.Context, from contents, d v1.Descriptor) (spec.Platform, error) {
	if p := d.Platform; p != nil {
		return spec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}, nil
	}
	doc, err := readDocument(ctx, from, d)
	if err != nil {
		return spec.Platform{}, err
	}
	_, config, err := readConfig(ctx, from, doc.manifest)
	if err != nil {
		return spec.Platform{}, err
	}
	return platformOf(config), nil
}

// checkPlatform checks that a config is for the platform. It need not say the
// variant that its index says.
func checkPlatform(config *v1.ConfigFile, want spec.Platform) error {
	have := platformOf(config)
	if have.Variant == "" {
		have.Variant = want.Variant
	}
	if !samePlatform(want, have) {
		return fmt.Errorf("%w %s: its config says %s", ErrPlatform, want, platformOf(config))
	}
	return nil
}

// samePlatform compares platforms, where the variant that everybody means may
// be left out.
func samePlatform(a, b spec.Platform) bool {
	return plainVariant(a) == plainVariant(b)
}

func plainVariant(p spec.Platform) spec.Platform {
	switch p.Architecture + "/" + p.Variant {
	case "arm64/v8", "amd64/v1":
		p.Variant = ""
	}
	return p
}

// listed joins what there is for a message.
func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
