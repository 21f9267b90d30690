package trust

import (
	"fmt"
	"slices"

	"github.com/composeos/compose/spec"
)

// VerifyArtifact checks a sigstore bundle over any bytes by an authority of the policy,
// as [Policy.Verify] checks those of images: a signature of the bytes, or a statement of
// any type with their digest among its subjects. What the policy denies holds.
func (p *Policy) VerifyArtifact(authority, bundle string, data []byte) (spec.Verified, error) {
	a, there := p.authorities[authority]
	if !there {
		return spec.Verified{}, fmt.Errorf("no authority is called %q", authority)
	}
	e, err := readEvidence(spec.Signature{Format: spec.FormatBundle, Bundle: bundle})
	if err != nil {
		return spec.Verified{}, err
	}
	digest := spec.DigestOf(data)
	if len(e.of) > 0 && !slices.Contains(e.of, digest) {
		return spec.Verified{}, fmt.Errorf("signs other bytes: %s, not %s", e.of[0], digest)
	}
	of := artifact{digest: digest}
	if e.kind == "" {
		of.bytes = append([]byte{}, data...)
	}
	if err := a.check(e, of); err != nil {
		return spec.Verified{}, err
	}
	if what, pos, burnt := p.denied.signer(a.fingerprint, e.cert); burnt {
		return spec.Verified{}, &DeniedError{What: what, Pos: pos}
	}
	return a.verified(e, digest), nil
}
