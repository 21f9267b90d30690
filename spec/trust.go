package spec

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// Trust is the trust section, or a file of its own: which signatures are demanded of
// which images.
type Trust struct {
	// Default is what happens to an image that no policy covers: deny (the default), or allow.
	Default string `yaml:"default" check:"enum=deny|allow"`
	// Authorities are those whose signatures count, by the names that policies and the lock use.
	Authorities map[string]Authority `yaml:"authorities"`
	// Policies say whose signatures an image needs. The one with the most specific pattern counts, and it alone.
	Policies []TrustPolicy `yaml:"policies"`
	// Exceptions are single images that are taken without a signature, whatever policy covers them.
	Exceptions []TrustException `yaml:"exceptions"`
	// Deny lists what is burnt. It wins over everything else: exceptions, default: allow, and what the lock says.
	Deny TrustDeny `yaml:"deny"`

	Pos Pos `yaml:"-"`
}

// Path returns the path of a file that the section names: relative to the folder of
// the file that the section is in where it is not absolute.
func (t *Trust) Path(name string) string {
	return besides(t.Pos.File, name)
}

// Authority is one who signs, by a key or by an identity.
type Authority struct {
	// Key is a public key.
	Key *TrustKey `yaml:"key"`
	// Keyless is an identity to which certificates are issued.
	Keyless *Keyless `yaml:"keyless"`

	Pos Pos `yaml:"-"`
}

// TrustKey is a public key.
type TrustKey struct {
	// File is the file of the key in PEM, relative to the file that names it.
	File string `yaml:"file" check:"required"`
}

// Keyless is an identity of a certificate, and how far the claim is checked.
type Keyless struct {
	// Issuer is who vouches for the identity: the URL of an OpenID Connect provider, exactly as certificates have it.
	Issuer string `yaml:"issuer" check:"required,issuer"`
	// Identity is the certificate's subject, exactly: a URL of a workflow, or an email address.
	Identity string `yaml:"identity" check:"required"`
	// TrustedRoot is the file of the pinned trusted root, relative to the file that names it: the certificates of the authority and the keys of the logs.
	TrustedRoot string `yaml:"trustedRoot" check:"required"`
	// Require says how many witnesses a signature needs.
	Require Require `yaml:"require"`
}

// Require says how many witnesses a keyless signature needs of each kind: one, where
// nothing is said.
type Require struct {
	// Tlog is the number of entries in transparency logs; the default is 1.
	Tlog *int `yaml:"tlog" check:"range=0..16"`
	// SCT is the number of signed certificate timestamps, by which a log of certificates promises to have the certificate; the default is 1.
	SCT *int `yaml:"sct" check:"range=0..16"`
	// Timestamps is the number of signed times, of a timestamp authority or of a log's entry; the default is 1, and 0 is refused.
	Timestamps *int `yaml:"timestamps" check:"range=0..16"`
}

// TrustPolicy is one rule of the trust section.
type TrustPolicy struct {
	// Match is a pattern of image names.
	Match string `yaml:"match" check:"required,images"`
	// AnyOf are authorities of which one must have signed the image.
	AnyOf []string `yaml:"anyOf"`
	// Formats are the formats of signatures that are taken: bundle (a sigstore bundle, the default) and legacy (cosign's older one).
	Formats []string `yaml:"formats" check:"enum=bundle|legacy"`
	// Attestations are statements that the image must carry besides, every one of them.
	Attestations []TrustAttestation `yaml:"attestations"`

	Pos Pos `yaml:"-"`
}

// TrustAttestation is a statement that is demanded of an image.
type TrustAttestation struct {
	// Type is the predicate type, a URI.
	Type string `yaml:"type" check:"required,predicate"`
	// AnyOf are authorities of which one must have signed the statement.
	AnyOf []string `yaml:"anyOf" check:"required"`
}

// TrustException is one image that is taken without a signature.
type TrustException struct {
	// Image is the image, by digest: of its index, or of its manifest.
	Image Ref `yaml:"image" check:"required"`
	// Reason says why.
	Reason string `yaml:"reason" check:"required"`

	Pos Pos `yaml:"-"`
}

// TrustDeny lists what is burnt.
type TrustDeny struct {
	// Keys are fingerprints of public keys: sha256: and hexadecimal digits, of the key in DER (SubjectPublicKeyInfo).
	Keys []string `yaml:"keys" check:"digest"`
	// Identities are identities of certificates, exactly.
	Identities []string `yaml:"identities" check:"identity"`
	// Digests are digests of images: of an index, a manifest, a configuration or a layer.
	Digests []string `yaml:"digests" check:"digest"`

	Pos Pos `yaml:"-"`
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
