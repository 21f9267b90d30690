package spec

import (
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
)

// Trust is the trust section: which signatures are demanded of which images. It
// is parsed in full; enforcing it is the business of the image sources, and a
// build that cannot enforce it refuses it.
type Trust struct {
	// Default is what happens to an image that no policy covers: deny (the default), or allow.
	Default string `yaml:"default" check:"enum=deny|allow"`
	// Authorities are those whose signatures count, by the names that policies use.
	Authorities map[string]Authority `yaml:"authorities"`
	// Policies say whose signatures an image needs. The most specific match counts.
	Policies []TrustPolicy `yaml:"policies"`
	// Exceptions are single images that are taken without a signature.
	Exceptions []TrustException `yaml:"exceptions"`
	// Deny lists what is burnt: it wins over everything else.
	Deny TrustDeny `yaml:"deny"`

	Pos Pos `yaml:"-"`
}

// Authority is one who signs, by a key or by an identity.
type Authority struct {
	// Key is a public key.
	Key *TrustKey `yaml:"key"`
	// Keyless is an identity to which certificates are issued.
	Keyless *Keyless `yaml:"keyless"`
}

// TrustKey is a public key.
type TrustKey struct {
	// File is the file of the key in PEM, relative to the manifest.
	File string `yaml:"file" check:"required"`
}

// Keyless is an identity of a certificate, and how far the claim is checked.
type Keyless struct {
	// Issuer is who vouches for the identity: the URL of an OpenID Connect provider.
	Issuer string `yaml:"issuer" check:"required"`
	// Identity is the certificate's subject, exactly.
	Identity string `yaml:"identity" check:"required"`
	// TrustedRoot is the file of the pinned trusted root, relative to the manifest.
	TrustedRoot string `yaml:"trustedRoot" check:"required"`
	// Require says how many witnesses a signature needs.
	Require Require `yaml:"require"`
}

// Require says how many witnesses a keyless signature needs of each kind.
type Require struct {
	// Tlog is the number of entries in transparency logs.
	Tlog *int `yaml:"tlog" check:"range=0..16"`
	// SCT is the number of signed certificate timestamps.
	SCT *int `yaml:"sct" check:"range=0..16"`
	// Timestamps is the number of signed times.
	Timestamps *int `yaml:"timestamps" check:"range=0..16"`
}

// TrustPolicy is one rule of the trust section.
type TrustPolicy struct {
	// Match is a pattern of image names: * stands for one part of the path, ** for any number.
	Match string `yaml:"match" check:"required"`
	// AnyOf are authorities of which one must have signed.
	AnyOf []string `yaml:"anyOf"`
	// Formats are the formats of signatures that are taken: bundle (the default) and legacy.
	Formats []string `yaml:"formats" check:"enum=bundle|legacy"`
	// Attestations are statements that the image must carry besides.
	Attestations []TrustAttestation `yaml:"attestations"`
}

// TrustAttestation is a statement that is demanded of an image.
type TrustAttestation struct {
	// Type is the predicate type, a URI.
	Type string `yaml:"type" check:"required"`
	// AnyOf are authorities of which one must have signed the statement.
	AnyOf []string `yaml:"anyOf" check:"required"`
}

// TrustException is one image that is taken without a signature.
type TrustException struct {
	// Image is the image, by digest.
	Image Ref `yaml:"image" check:"required"`
	// Reason says why.
	Reason string `yaml:"reason" check:"required"`
}

// TrustDeny lists what is burnt.
type TrustDeny struct {
	// Keys are fingerprints of public keys: sha256: and hexadecimal digits.
	Keys []string `yaml:"keys" check:"digest"`
	// Identities are identities of certificates.
	Identities []string `yaml:"identities"`
	// Digests are digests of images.
	Digests []string `yaml:"digests" check:"digest"`
}

func (t *Trust) checkNode(d *decoder, n *yaml.Node) {
	t.Pos = d.pos(n)
	if d.spoiled {
		return
	}
	names := slices.Sorted(maps.Keys(t.Authorities))
	for i, p := range t.Policies {
		at := element(lookup(n, "policies"), i)
		d.in(step{text: "policies"}, func() {
			d.in(d.index(i), func() { p.checkAuthorities(d, at, names) })
		})
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

func (a *Authority) checkNode(d *decoder, n *yaml.Node) {
	if !d.spoiled && (a.Key == nil) == (a.Keyless == nil) {
		d.fail(n, "want either key or keyless")
	}
}

func (e *TrustException) checkNode(d *decoder, n *yaml.Node) {
	if !e.Image.IsZero() && e.Image.Transport == Registry && e.Image.Digest == "" {
		d.failAt(n, "image", "an exception names its image by digest: want NAME@sha256:…")
	}
}

// dropLegacyTrust takes linuxkit's trust section out of the manifest's mapping.
// linuxkit reads it and does nothing about it.
func (d *decoder) dropLegacyTrust(n *yaml.Node) (rest *yaml.Node, warnings []Error) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		section := follow(n.Content[i+1])
		if n.Content[i].Value != "trust" || !isLegacyTrust(section) {
			continue
		}
		var legacy struct {
			Image []string `yaml:"image"`
			Org   []string `yaml:"org"`
		}
		d.in(step{text: "trust"}, func() { d.value(section, valueOf(&legacy), "") })
		warnings = append(warnings, Error{
			Pos:   d.pos(n.Content[i]),
			Where: "trust",
			What:  "linuxkit's lists image and org have no effect; write a policy instead",
		})
		without := *n
		without.Content = slices.Concat(n.Content[:i], n.Content[i+2:])
		return &without, warnings
	}
	return n, nil
}

// isLegacyTrust reports whether a trust section has linuxkit's keys alone.
func isLegacyTrust(n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return false
	}
	for i := 0; i < len(n.Content); i += 2 {
		if key := n.Content[i].Value; key != "image" && key != "org" {
			return false
		}
	}
	return true
}
