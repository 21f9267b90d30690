package trust

import (
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/composeos/compose/spec"
)

// denied is what is burnt, and where it says so.
type denied struct {
	keys, identities, digests map[string]spec.Pos
}

func deniedOf(section *spec.Trust, more []spec.TrustDeny) denied {
	d := denied{map[string]spec.Pos{}, map[string]spec.Pos{}, map[string]spec.Pos{}}
	for _, list := range more {
		d.add(list)
	}
	d.add(section.Deny)
	return d
}

func (d denied) add(list spec.TrustDeny) {
	for _, one := range []struct {
		to    map[string]spec.Pos
		names []string
	}{{d.keys, list.Keys}, {d.identities, list.Identities}, {d.digests, list.Digests}} {
		for _, name := range one.names {
			one.to[name] = list.Pos
		}
	}
}

// image tells whether an image, or something in it, is denied.
func (d denied) image(s Subject) error {
	all := slices.Concat(s.signed(), []spec.Digest{s.Ref.Digest}, s.Contents)
	for i, digest := range all {
		pos, burnt := d.digests[string(digest)]
		if !burnt || digest == "" {
			continue
		}
		what := "the image's digest"
		if i > len(s.signed()) {
			what = "in the image"
		}
		return &DeniedError{Image: s.Ref, What: fmt.Sprintf("%s %s", what, digest), Pos: pos}
	}
	return nil
}

// signer tells whether who signed is denied: by the fingerprint of the key, also of one
// that a certificate is of, or by identity, whoever vouches for it.
func (d denied) signer(key spec.Digest, cert *x509.Certificate) (what string, pos spec.Pos, burnt bool) {
	if cert != nil {
		key = spec.DigestOf(cert.RawSubjectPublicKeyInfo)
		for _, name := range namesOf(cert) {
			if pos, burnt := d.identities[name]; burnt {
				return "the identity " + printable(name), pos, true
			}
		}
	}
	pos, burnt = d.keys[string(key)]
	return "the key " + string(key), pos, burnt
}
