package sign_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"testing"

	"github.com/composeos/compose/compose/sign"
	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

// policy is one that wants a signature of a key, in any format.
func policy(t *testing.T, k *sign.Key) *trust.Policy {
	t.Helper()
	section, err := spec.ParseTrust("trust.yml", []byte(`
authorities: {us: {key: {file: us.pub}}}
policies:
  - {match: "registry.example.com/os/*", anyOf: [us], formats: [bundle, legacy]}
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := trust.Load(section, func(string) ([]byte, error) { return k.PublicPEM() })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTrusted holds what is signed by each kind of key, in each format, against our
// own policies: the image is taken, another is not, and neither by another key.
func TestTrusted(t *testing.T) {
	ref, err := spec.ParseRef(repository+":1", "")
	if err != nil {
		t.Fatal(err)
	}
	image := func(letter string) trust.Subject {
		d := spec.Digest(digestOf(letter).String())
		return trust.Subject{Ref: ref, Index: d, Manifest: spec.Digest(digestOf("b").String())}
	}
	for name, private := range keys(t) {
		k := load(t, encode(t, "PRIVATE KEY", private))
		for format, s := range formats(t, k) {
			t.Run(fmt.Sprint(name, " ", format), func(t *testing.T) {
				verdict, err := policy(t, k).Verify(image("a"), []spec.Signature{s})
				if err != nil {
					t.Fatal(err)
				}
				if len(verdict.Verified) != 1 || verdict.Verified[0].Authority != "us" || verdict.Verified[0].Format != format {
					t.Errorf("verified: %+v", verdict.Verified)
				}
				fingerprint, err := k.Fingerprint()
				if theirs, other := trust.Fingerprint(k.Public()); err != nil || other != nil || theirs != fingerprint {
					t.Errorf("fingerprint %s, of trust %s (%v, %v)", fingerprint, theirs, err, other)
				}
				var refused *trust.RefusedError
				if _, err := policy(t, k).Verify(image("c"), []spec.Signature{s}); !errors.As(err, &refused) {
					t.Errorf("another image: %v", err)
				}
				if _, err := policy(t, newKey(t)).Verify(image("a"), []spec.Signature{s}); !errors.As(err, &refused) {
					t.Errorf("another key: %v", err)
				}
			})
		}
	}
}

// formats are the signatures of one image by a key.
func formats(t *testing.T, k *sign.Key) map[string]spec.Signature {
	t.Helper()
	a := legacy(t, k, nil)
	return map[string]spec.Signature{
		spec.FormatBundle: {Format: spec.FormatBundle, Bundle: string(bundleOf(t, k))},
		spec.FormatLegacy: {
			Format:    spec.FormatLegacy,
			Payload:   base64.StdEncoding.EncodeToString(a.Blobs[1].Data),
			Signature: layers(t, a.Manifest)[0].Annotations["dev.cosignproject.cosign/signature"],
		},
	}
}

// TestTrustedStatement demands an attestation of the image.
func TestTrustedStatement(t *testing.T) {
	const kind = "https://example.com/checked/v1"
	k := newKey(t)
	section, err := spec.ParseTrust("trust.yml", []byte(`
authorities: {us: {key: {file: us.pub}}}
policies:
  - match: "registry.example.com/os/*"
    attestations: [{type: "`+kind+`", anyOf: [us]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := trust.Load(section, func(string) ([]byte, error) { return k.PublicPEM() })
	if err != nil {
		t.Fatal(err)
	}
	ref, err := spec.ParseRef(repository+":1", "")
	if err != nil {
		t.Fatal(err)
	}
	image := trust.Subject{Ref: ref, Index: spec.Digest(digestOf("a").String()), Manifest: spec.Digest(digestOf("b").String())}
	statement, err := sign.Statement(digestOf("a"), kind, []byte(`{"by":"hand"}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := sign.Bundle(k, statement)
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := p.Verify(image, []spec.Signature{{Format: spec.FormatBundle, Bundle: string(text)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(verdict.Verified) != 1 {
		t.Errorf("verified: %+v", verdict.Verified)
	}
	if _, err := p.Verify(image, []spec.Signature{{Format: spec.FormatBundle, Bundle: string(bundleOf(t, k))}}); err == nil {
		t.Error("a signature is taken for the statement that is demanded")
	}
}
