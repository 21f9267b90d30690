package trust

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/composeos/compose/spec"
)

// What decides of a policy, as JSON.
type (
	policyID struct {
		Allow       bool                   `json:"allow"`
		Authorities map[string]authorityID `json:"authorities"`
		Policies    []ruleID               `json:"policies"`
		Exceptions  []exceptionID          `json:"exceptions"`
		Keys        []string               `json:"keys"`
		Identities  []string               `json:"identities"`
		Digests     []string               `json:"digests"`
	}
	ruleID struct {
		Match        string          `json:"match"`
		AnyOf        []string        `json:"anyOf"`
		Formats      []string        `json:"formats"`
		Attestations []attestationID `json:"attestations"`
	}
	attestationID struct {
		Type  string   `json:"type"`
		AnyOf []string `json:"anyOf"`
	}
	exceptionID struct {
		Image  string `json:"image"`
		Reason string `json:"reason"`
	}
)

// computeDigest is of what the section means: with its defaults, and in one order.
func (p *Policy) computeDigest() (spec.Digest, error) {
	out := policyID{
		Allow:       p.allow,
		Authorities: map[string]authorityID{},
		Keys:        slices.Sorted(maps.Keys(p.denied.keys)),
		Identities:  slices.Sorted(maps.Keys(p.denied.identities)),
		Digests:     slices.Sorted(maps.Keys(p.denied.digests)),
	}
	for name, a := range p.authorities {
		out.Authorities[name] = a.id()
	}
	for _, r := range p.rules {
		out.Policies = append(out.Policies, r.id())
	}
	slices.SortFunc(out.Policies, func(a, b ruleID) int { return cmp.Compare(a.Match, b.Match) })
	for _, e := range p.exceptions {
		out.Exceptions = append(out.Exceptions, exceptionID{e.Image.String(), e.Reason})
	}
	slices.SortFunc(out.Exceptions, func(a, b exceptionID) int {
		return cmp.Or(cmp.Compare(a.Image, b.Image), cmp.Compare(a.Reason, b.Reason))
	})
	if !out.Allow && len(out.Authorities)+len(out.Policies)+len(out.Exceptions)+len(out.Keys)+len(out.Identities)+len(out.Digests) == 0 {
		return "", nil
	}
	data, err := spec.MarshalCanonical(out)
	if err != nil {
		return "", fmt.Errorf("trust: %w", err)
	}
	return spec.DigestOf(data), nil
}

func (r rule) id() ruleID {
	id := ruleID{Match: r.pattern.String(), AnyOf: sortedSet(r.AnyOf), Formats: sortedSet(r.Formats)}
	for _, a := range r.Attestations {
		id.Attestations = append(id.Attestations, attestationID{a.Type, sortedSet(a.AnyOf)})
	}
	slices.SortFunc(id.Attestations, func(a, b attestationID) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), slices.Compare(a.AnyOf, b.AnyOf))
	})
	return id
}

func sortedSet(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
