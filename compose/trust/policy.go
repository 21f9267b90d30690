package trust

import (
	"fmt"
	"slices"

	"github.com/composeos/compose/spec"
)

// The numbers of witnesses that a keyless signature needs where the section does not say.
const (
	defaultTlog       = 1
	defaultSCT        = 1
	defaultTimestamps = 1
)

// Policy is a trust section with its keys and roots. It may be used by many at once.
type Policy struct {
	allow       bool
	authorities map[string]*authority
	rules       []rule
	exceptions  []spec.TrustException
	denied      denied
	digest      spec.Digest
}

// rule is one policy of the section, with its defaults.
type rule struct {
	spec.TrustPolicy
	pattern spec.Pattern
}

// Load reads the keys and the pinned roots that a section names, with read, which is
// given section.Path of each. A nil section covers no image. What alsoDeny lists is
// denied besides: where a site's own section takes the place of the manifest's, that
// is the manifest's.
//
// Every fault is in the error, each with the position of what names it.
func Load(section *spec.Trust, read func(path string) ([]byte, error), alsoDeny ...spec.TrustDeny) (*Policy, error) {
	if section == nil {
		section = &spec.Trust{}
	}
	p := &Policy{
		allow:      section.Default == "allow",
		exceptions: section.Exceptions,
		denied:     deniedOf(section, alsoDeny),
	}
	var err, ruleErr error
	p.authorities, err = loadAuthorities(section, read)
	p.rules, ruleErr = loadRules(section)
	if err := joined(err, ruleErr); err != nil {
		return nil, err
	}
	p.digest, err = p.computeDigest()
	return p, err
}

func loadRules(section *spec.Trust) ([]rule, error) {
	var rules []rule
	var errs []error
	for _, t := range section.Policies {
		pattern, err := spec.ParsePattern(t.Match)
		if err != nil {
			errs = append(errs, fmt.Errorf("%smatch: %w", at(t.Pos), err))
			continue
		}
		for _, name := range named(t) {
			if _, there := section.Authorities[name]; !there {
				errs = append(errs, fmt.Errorf("%spolicy %q: no authority is called %q", at(t.Pos), t.Match, name))
			}
		}
		t.Formats = sortedSet(t.Formats)
		if len(t.Formats) == 0 {
			t.Formats = []string{spec.FormatBundle}
		}
		rules = append(rules, rule{t, pattern})
	}
	return rules, joined(errs...)
}

// named returns the authorities that a policy names.
func named(t spec.TrustPolicy) []string {
	names := slices.Clone(t.AnyOf)
	for _, a := range t.Attestations {
		names = append(names, a.AnyOf...)
	}
	return names
}

// Digest is the digest of all that decides: the section without its formatting and its
// comments, what is denied besides, and the contents of keys and roots without their
// paths. "" where there is nothing of it.
func (p *Policy) Digest() spec.Digest { return p.digest }

// Rule returns the policy that covers an image: the most specific one that matches its
// name, with its defaults filled in and its formats sorted; nil where none does. Where two match and neither is the more specific, the
// error is a [*TieError].
func (p *Policy) Rule(ref spec.Ref) (*spec.TrustPolicy, error) {
	r, err := p.rule(ref)
	if r == nil || err != nil {
		return nil, err
	}
	found := r.TrustPolicy
	return &found, nil
}

func (p *Policy) rule(ref spec.Ref) (*rule, error) {
	var best []*rule // of which none is more specific than another
	for i := range p.rules {
		r := &p.rules[i]
		if !r.pattern.Match(ref) || slices.ContainsFunc(best, func(b *rule) bool { return b.pattern.Compare(r.pattern) > 0 }) {
			continue
		}
		best = slices.DeleteFunc(best, func(b *rule) bool { return r.pattern.Compare(b.pattern) > 0 })
		best = append(best, r)
	}
	switch len(best) {
	case 0:
		return nil, nil
	case 1:
		return best[0], nil
	}
	return nil, &TieError{Image: ref, Policies: [2]spec.TrustPolicy{best[0].TrustPolicy, best[1].TrustPolicy}}
}

// Needs tells whether signatures have to be looked for before [Policy.Verify] can say
// something about an image. Where not, nothing that could be found would change the
// answer: the image is an exception, is allowed, denied or not covered, or is a package
// source.
func (p *Policy) Needs(s Subject) bool {
	r, _, err := p.decide(s)
	return err == nil && r != nil
}

// Exception returns the exception by which an image is taken without a signature,
// unless it is denied; nil where there is none. Of an image of which no digest is known
// it returns the first that is of the name, though only the digest will tell.
func (p *Policy) Exception(s Subject) *spec.TrustException {
	for _, e := range p.exceptions {
		if excepts(e.Image, s) || len(s.signed()) == 0 && sameName(e.Image, s.Ref) {
			return &e
		}
	}
	return nil
}

// decide holds the image alone against the policy, without any signature. It returns
// either the rule that demands signatures, or the verdict.
func (p *Policy) decide(s Subject) (*rule, *Verdict, error) {
	if err := p.denied.image(s); err != nil {
		return nil, nil, err
	}
	if s.Ref.Transport == spec.PackageDir {
		return nil, &Verdict{}, nil
	}
	if slices.ContainsFunc(p.exceptions, func(e spec.TrustException) bool { return excepts(e.Image, s) }) {
		return nil, &Verdict{Unsigned: spec.Excepted}, nil
	}
	r, err := p.rule(s.Ref)
	switch {
	case err != nil:
		return nil, nil, err
	case r != nil:
		return r, nil, nil
	case p.allow:
		return nil, &Verdict{Unsigned: spec.Allowed}, nil
	}
	return nil, nil, &UncoveredError{Image: s.Ref}
}

// excepts tells whether an exception is of the image: of its name, and of the digest
// of its index or manifest.
func excepts(exception spec.Ref, s Subject) bool {
	return sameName(exception, s.Ref) && slices.Contains(s.signed(), exception.Digest)
}

// sameName tells whether two references are of one name, whatever their tags and digests.
func sameName(a, b spec.Ref) bool { return a.Transport == b.Transport && a.Name == b.Name }
