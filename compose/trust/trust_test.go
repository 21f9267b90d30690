package trust_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

const (
	identity = "https://github.com/acme/pkgs/.github/workflows/release.yml@refs/heads/main"
	issuer   = "https://token.actions.githubusercontent.com"
)

var (
	index    = spec.DigestOf([]byte("index"))
	manifest = spec.DigestOf([]byte("manifest"))
	other    = spec.DigestOf([]byte("another image"))
)

// section reads a trust section.
func section(tb testing.TB, text string) *spec.Trust {
	tb.Helper()
	s, err := spec.ParseTrust("trust.yml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// files is the reader of a folder in memory.
func files(all map[string][]byte) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		data, there := all[name]
		if !there {
			return nil, fmt.Errorf("open %s: %w", name, os.ErrNotExist)
		}
		return data, nil
	}
}

// subject is the image that the tests ask about.
func subject(tb testing.TB, name string) trust.Subject {
	tb.Helper()
	ref, err := spec.ParseRef(name, "")
	if err != nil {
		tb.Fatal(err)
	}
	return trust.Subject{Ref: ref, Index: index, Manifest: manifest}
}

func TestEachKindOfKeyAndFormat(t *testing.T) {
	for _, kind := range []trusttest.Kind{trusttest.Ed25519, trusttest.P256, trusttest.P384, trusttest.P521, trusttest.RSA} {
		t.Run(string(kind), func(t *testing.T) {
			key := trusttest.NewKey(t, kind)
			p, err := trust.Load(section(t, `
authorities: {owner: {key: {file: k.pub}}}
policies: [{match: "**", anyOf: [owner], formats: [bundle, legacy]}]
`), files(map[string][]byte{"k.pub": key.PublicPEM}))
			if err != nil {
				t.Fatal(err)
			}
			for name, sig := range map[string]spec.Signature{
				"bundle": trusttest.SignBundle(t, key, index),
				"legacy": trusttest.SignLegacy(t, key, "docker.io/linuxkit/init", index),
			} {
				v, err := p.Verify(subject(t, "linuxkit/init:v1"), []spec.Signature{sig})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if len(v.Verified) != 1 || v.Verified[0].Signer != "key "+string(key.Fingerprint) || v.Verified[0].Format != name {
					t.Errorf("%s: %+v", name, v.Verified)
				}
			}
			if kind == trusttest.P384 || kind == trusttest.P521 {
				return // SignArtifact names a SHA-256
			}
			if _, err := p.VerifyArtifact("owner", trusttest.SignArtifact(t, key, []byte("x")).Bundle, []byte("x")); err != nil {
				t.Errorf("artifact: %v", err)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	world := trusttest.NewSigstore(t)
	p, err := trust.Load(section(t, `
authorities: {ci: {keyless: {issuer: "`+issuer+`", identity: "`+identity+`", trustedRoot: root.json}}}
policies: [{match: "**", anyOf: [ci], formats: [bundle, legacy]}]
`), files(map[string][]byte{"root.json": world.TrustedRootJSON}))
	if err != nil {
		t.Fatal(err)
	}
	by := trusttest.By{Identity: identity, Issuer: issuer}
	for name, sig := range map[string]spec.Signature{
		"bundle": world.SignBundle(t, by, index),
		"legacy": world.SignLegacy(t, by, "docker.io/linuxkit/init", index),
	} {
		v, err := p.Verify(subject(t, "linuxkit/init:v1"), []spec.Signature{sig})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(v.Verified) != 1 || v.Verified[0].Signer != identity+" of "+issuer || v.Verified[0].TrustedRoot == "" {
			t.Errorf("%s: %+v", name, v.Verified)
		}
	}
	by.Expired = true
	_, err = p.Verify(subject(t, "linuxkit/init:v1"), []spec.Signature{world.SignBundle(t, by, index)})
	var refused *trust.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "not valid at the signed time") {
		t.Errorf("expired: %v", err)
	}
}
