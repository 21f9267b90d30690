package trust

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/composeos/compose/spec"
)

// Demand is one thing that a policy asks of an image: a signature, or a statement of a
// type, by one of some authorities.
type Demand struct {
	Type    string   // predicate type; [spec.SignatureType] for the signature
	AnyOf   []string // in the policy's order
	Formats []string // that are taken, sorted
}

// DemandsOf returns what a policy asks, as [Policy.Rule] returns it: the signature
// first, then the attestations in the policy's order.
func DemandsOf(rule *spec.TrustPolicy) []Demand {
	var all []Demand
	if len(rule.AnyOf) > 0 {
		all = append(all, Demand{spec.SignatureType, rule.AnyOf, rule.Formats})
	}
	for _, a := range rule.Attestations {
		all = append(all, Demand{a.Type, a.AnyOf, []string{spec.FormatBundle}})
	}
	return all
}

// String says what is demanded.
func (d Demand) String() string {
	by := strings.Join(d.AnyOf, " or ")
	if d.Type == spec.SignatureType {
		return "a signature of " + by
	}
	return fmt.Sprintf("an attestation (%s) of %s", d.Type, by)
}

// Verify holds an image and what was found of it against the policy: the most specific
// policy that matches the image's name; one of its authorities must have signed the
// index or the manifest, and each statement that it demands must be there. Signatures
// that do not count are no harm. Which one the verdict names of several that are good
// does not depend on their order.
//
// The errors are [*DeniedError], [*TieError], [*UncoveredError] and [*RefusedError].
func (p *Policy) Verify(s Subject, found []spec.Signature) (Verdict, error) {
	r, verdict, err := p.decide(s)
	if err != nil {
		return Verdict{}, err
	}
	if verdict != nil {
		return *verdict, nil
	}
	c := trial{policy: p, rule: r, subject: s}
	c.read(found)
	out := Verdict{Evidence: map[spec.Digest]spec.Signature{}}
	for _, d := range DemandsOf(&r.TrustPolicy) {
		good, err := c.satisfy(d)
		if err != nil {
			return Verdict{}, err
		}
		out.Verified = append(out.Verified, good)
		out.Evidence[good.Evidence] = c.found[good.Evidence]
	}
	slices.SortFunc(out.Verified, compareVerified)
	out.Verified = slices.Compact(out.Verified)
	return out, nil
}

func compareVerified(a, b spec.Verified) int {
	return cmp.Or(
		cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Type, b.Type),
		cmp.Compare(a.Authority, b.Authority), cmp.Compare(a.Evidence, b.Evidence),
	)
}

// trial is one image before a rule.
type trial struct {
	policy   *Policy
	rule     *rule
	subject  Subject
	evidence []*evidence // by format and digest
	found    map[spec.Digest]spec.Signature
	unread   []Reason // of what could not be read
}

func (c *trial) read(found []spec.Signature) {
	c.found = map[spec.Digest]spec.Signature{}
	for _, s := range found {
		e, err := readEvidence(s)
		if _, twice := c.found[e.digest]; twice {
			continue
		}
		c.found[e.digest] = s
		if err != nil {
			c.unread = append(c.unread, Reason{e.digest, e.format, "", err.Error()})
			continue
		}
		c.evidence = append(c.evidence, e)
	}
	slices.SortFunc(c.evidence, func(a, b *evidence) int {
		return cmp.Or(cmp.Compare(a.format, b.format), cmp.Compare(a.digest, b.digest))
	})
	slices.SortFunc(c.unread, func(a, b Reason) int { return cmp.Compare(a.Evidence, b.Evidence) })
}

// satisfy returns the first signature that meets a demand: of the index before the
// manifest, then by the authorities in the policy's order.
func (c *trial) satisfy(d Demand) (spec.Verified, error) {
	reasons := slices.Clone(c.unread)
	var burnt error
	candidates := map[spec.Digest][]*evidence{}
	for _, e := range c.evidence {
		subject, err := c.fits(e, d)
		if err != nil {
			reasons = append(reasons, Reason{e.digest, e.format, "", err.Error()})
			continue
		}
		candidates[subject] = append(candidates[subject], e)
	}
	for _, subject := range c.subject.signed() {
		for _, name := range d.AnyOf {
			a := c.policy.authorities[name]
			for _, e := range candidates[subject] {
				err := c.check(a, e, subject)
				if err == nil {
					return a.verified(e, subject), nil
				}
				if errors.As(err, new(*DeniedError)) {
					burnt = cmp.Or(burnt, err)
				}
				reasons = append(reasons, Reason{e.digest, e.format, name, err.Error()})
			}
		}
	}
	if burnt != nil {
		return spec.Verified{}, burnt
	}
	if len(reasons) == 0 {
		reasons = []Reason{{Text: "no signature was found"}}
	}
	return spec.Verified{}, &RefusedError{Image: c.subject.Ref, Digest: c.subject.Index, Policy: c.rule.TrustPolicy, Wanted: d.String(), Reasons: reasons}
}

// fits tells whether a signature says what is demanded, of the image, in a format that
// the policy takes, and of which digest; whether that is true is not asked here.
func (c *trial) fits(e *evidence, d Demand) (spec.Digest, error) {
	switch {
	case e.kind == "":
		return "", errors.New("it signs bytes, and is no statement about an image")
	case d.Type == spec.SignatureType && e.kind != d.Type:
		return "", fmt.Errorf("an attestation (predicate type %s) is no signature", printable(e.kind))
	case e.kind != d.Type:
		return "", fmt.Errorf("its predicate type is %s, not %s", printable(e.kind), d.Type)
	case !slices.Contains(d.Formats, e.format):
		return "", fmt.Errorf("the format %s is not taken by the policy", e.format)
	}
	for _, digest := range c.subject.signed() {
		if slices.Contains(e.of, digest) {
			return digest, nil
		}
	}
	if len(e.of) == 0 {
		return "", errors.New("signs another image: none by SHA-256")
	}
	return "", fmt.Errorf("signs another image: %s", e.of[0])
}

// check tells why a signature of a digest is not the authority's, or is not taken though
// it is: a [*DeniedError].
func (c *trial) check(a *authority, e *evidence, subject spec.Digest) error {
	if err := a.check(e, artifactOf(e, subject)); err != nil {
		return err
	}
	if what, pos, burnt := c.policy.denied.signer(a.fingerprint, e.cert); burnt {
		return &DeniedError{Image: c.subject.Ref, What: what, Pos: pos}
	}
	return nil
}
