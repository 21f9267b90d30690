package spec

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// ParseTrust reads a trust policy that is a file of its own: the keys of a manifest's
// trust section, or the one key trust with the section. It is as strict as [Parse].
// name is the file for errors, and paths in it are relative to its folder.
func ParseTrust(name string, data []byte) (*Trust, error) {
	n, _, err := readYAML(name, data, document{noun: "trust file", want: "at least policies"})
	if err != nil {
		return nil, err
	}
	d := &decoder{file: name, base: baseOf(name)}
	t := new(Trust)
	if lookup(n, "trust") != nil {
		var file struct {
			Trust *Trust `yaml:"trust"`
		}
		d.value(n, valueOf(&file), "")
		t = file.Trust
	} else {
		if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
			d.fail(n, "the trust file is empty; want at least policies")
		}
		d.in(step{text: "trust"}, func() { d.value(n, valueOf(t), "") })
	}
	if err := d.faults.err(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Trust) checkNode(d *decoder, n *yaml.Node) {
	t.Pos = d.pos(n)
	for _, name := range slices.Sorted(maps.Keys(t.Authorities)) {
		if strings.TrimSpace(name) == "" || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
			d.in(step{text: "authorities"}, func() {
				d.failAt(lookup(n, "authorities"), name, "%q is no name for an authority: want one word", name)
			})
		}
	}
	if d.spoiled {
		return
	}
	t.checkPolicies(d, n)
	t.checkExceptions(d, n)
	d.in(step{text: "deny"}, func() {
		deny := lookup(n, "deny")
		d.noneTwice(deny, "keys", t.Deny.Keys)
		d.noneTwice(deny, "identities", t.Deny.Identities)
		d.noneTwice(deny, "digests", t.Deny.Digests)
	})
}

// checkPolicies checks what policies name, and that no pattern is there twice. Whether
// two others match one image, and equally well, shows only when there is the image.
func (t *Trust) checkPolicies(d *decoder, n *yaml.Node) {
	names := slices.Sorted(maps.Keys(t.Authorities))
	seen := map[Pattern]int{}
	for i, p := range t.Policies {
		at := element(lookup(n, "policies"), i)
		d.in(step{text: "policies"}, func() {
			d.in(d.index(i), func() {
				p.checkAuthorities(d, at, names)
				pattern, err := ParsePattern(p.Match)
				if err != nil {
					return // has been said
				}
				if first, found := seen[pattern]; found {
					d.failAt(at, "match", "policies[%d] at %s has the same pattern: neither would be the more specific", first, t.Policies[first].Pos)
					return
				}
				seen[pattern] = i
			})
		})
	}
}

func (t *Trust) checkExceptions(d *decoder, n *yaml.Node) {
	seen := map[Ref]int{}
	for i, e := range t.Exceptions {
		image := e.Image
		image.Tag = ""
		first, found := seen[image]
		if !found {
			seen[image] = i
			continue
		}
		d.in(step{text: "exceptions"}, func() {
			d.in(d.index(i), func() {
				d.failAt(element(lookup(n, "exceptions"), i), "image", "exceptions[%d] at %s names it too", first, t.Exceptions[first].Pos)
			})
		})
	}
}

func (p *TrustPolicy) checkNode(d *decoder, n *yaml.Node) {
	p.Pos = d.pos(n)
	if formats := lookup(n, "formats"); !d.spoiled && formats != nil && len(p.Formats) == 0 {
		d.failAt(n, "formats", "no format is named, and so no signature could be taken; want bundle or legacy")
	}
}

// checkAuthorities checks that a policy names authorities, and only those that there are.
func (p TrustPolicy) checkAuthorities(d *decoder, n *yaml.Node, names []string) {
	if len(p.AnyOf) == 0 && len(p.Attestations) == 0 {
		d.fail(n, "the policy demands nothing; want anyOf or attestations")
	}
	d.known(lookup(n, "anyOf"), p.AnyOf, names)
	for i, a := range p.Attestations {
		at := element(lookup(n, "attestations"), i)
		d.in(step{text: "attestations"}, func() {
			d.in(d.index(i), func() { d.known(lookup(at, "anyOf"), a.AnyOf, names) })
		})
	}
}

// known checks that every authority of a list anyOf is there.
func (d *decoder) known(list *yaml.Node, used, names []string) {
	for i, u := range used {
		if slices.Contains(names, u) {
			continue
		}
		d.in(step{text: "anyOf"}, func() {
			d.in(d.index(i), func() {
				d.fail(element(list, i), "no authority is called %q%s", u, meant(u, names))
			})
		})
	}
}

func (a *TrustAttestation) checkNode(d *decoder, n *yaml.Node) {
	if !d.spoiled && len(a.AnyOf) == 0 {
		d.failAt(n, "anyOf", "no authority is named; whose statement would count?")
	}
}

func (a *Authority) checkNode(d *decoder, n *yaml.Node) {
	a.Pos = d.pos(n)
	if !d.spoiled && (a.Key == nil) == (a.Keyless == nil) {
		d.fail(n, "want either key or keyless")
	}
}

func (r *Require) checkNode(d *decoder, n *yaml.Node) {
	if r.Timestamps != nil && *r.Timestamps == 0 {
		d.failAt(n, "timestamps", "want at least 1: a certificate is valid for minutes, and without a signed time nothing says that the signature was made in them")
	}
}

func (l *TrustDeny) checkNode(d *decoder, n *yaml.Node) { l.Pos = d.pos(n) }

func (e *TrustException) checkNode(d *decoder, n *yaml.Node) {
	e.Pos = d.pos(n)
	switch {
	case e.Image.IsZero():
	case e.Image.Transport == PackageDir:
		d.failAt(n, "image", "a package source needs no exception: it is trusted as source")
	case e.Image.Transport == DockerArchive:
		d.failAt(n, "image", "an exception names its image by digest, and a docker archive has none: put the image into a registry or an image layout")
	case e.Image.Digest == "":
		d.failAt(n, "image", "an exception names its image by digest: want NAME@sha256:…")
	}
}

// checkIssuer takes the URL of an OpenID Connect provider; see OpenID Connect Core 1.0,
// section 2, "ID Token": iss has neither query nor fragment.
func checkIssuer(s, _ string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not an issuer: want a URL, such as https://token.actions.githubusercontent.com", s)
	}
	return nil
}

// checkPredicate takes the type of a statement that says more than that the image is signed.
func checkPredicate(s, _ string) error {
	if s == SignatureType {
		return errors.New("that is the signature itself: name who signs in the policy's own anyOf")
	}
	if u, err := url.Parse(s); err != nil || u.Scheme == "" || strings.ContainsFunc(s, unicode.IsSpace) {
		return fmt.Errorf("%q is not a predicate type: want a URI, such as https://slsa.dev/provenance/v1", s)
	}
	return nil
}

func checkIdentity(s, _ string) error {
	if strings.TrimSpace(s) != s || s == "" {
		return fmt.Errorf("%q is no identity: want what certificates name, exactly", s)
	}
	return nil
}
