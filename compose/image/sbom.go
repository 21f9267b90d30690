package image

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The annotations by which BuildKit attaches attestations to an image of an
// index, as a manifest beside it, and says what each layer of that states.
const (
	attestationType = "vnd.docker.reference.type"
	attestationOf   = "vnd.docker.reference.digest"
	attestation     = "attestation-manifest"
	predicateType   = "in-toto.io/predicate-type"
	spdxPredicate   = "https://spdx.dev/Document"
	unknownPlatform = "unknown"
)

// isAttestation reports whether a manifest in an index is not an image but
// what somebody states about one.
func isAttestation(d v1.Descriptor) bool {
	return d.Annotations[attestationType] != "" ||
		d.Platform != nil && d.Platform.OS == unknownPlatform && d.Platform.Architecture == unknownPlatform
}

// findSBOM finds the SPDX statement that an index attaches to the manifest; of
// several, the first: sbom names it. There is none as well where the attestation did not
// travel with the index, as when a tool copied one platform only: partial says so.
func (c *core) findSBOM(ctx context.Context, index *v1.IndexManifest, manifest v1.Hash) error {
	for _, d := range index.Manifests {
		if d.Annotations[attestationType] != attestation || d.Annotations[attestationOf] != manifest.String() {
			continue
		}
		doc, err := readDocument(ctx, c.from, d)
		switch {
		case errors.Is(err, ErrNotFound):
			c.partial = true
			continue
		case err != nil:
			return fmt.Errorf("attestation %s: %w", d.Digest, err)
		case doc.manifest == nil:
			return fmt.Errorf("attestation %s: %w: it is an index", d.Digest, ErrInvalid)
		}
		c.read = append(c.read, blob{doc.desc, doc.raw})
		for _, l := range doc.manifest.Layers {
			if l.Annotations[predicateType] == spdxPredicate {
				c.sbom = l
				return nil
			}
		}
	}
	return nil
}
