package registry

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

// ci is an identity of the virtual sigstore.
func ci() trusttest.By {
	return trusttest.By{
		Identity: "https://github.com/acme/pkgs/.github/workflows/release.yml@refs/heads/main",
		Issuer:   "https://token.actions.githubusercontent.com",
	}
}

// byIdentity is a policy for everything, of one identity, with the root in root.json.
func byIdentity(by trusttest.By, format string) string {
	return `trust:
  authorities:
    owner:
      keyless:
        issuer: "` + by.Issuer + `"
        identity: "` + by.Identity + `"
        trustedRoot: root.json
        require: {tlog: 1, sct: 1, timestamps: 1}
  policies: [{match: "127.0.0.1:*/**", anyOf: [owner], formats: [` + format + `]}]
`
}

// signedBy signs an image by an identity in one of the formats.
func signedBy(t *testing.T, s *trusttest.Sigstore, by trusttest.By, format string, image *pushed) spec.Signature {
	t.Helper()
	if format == spec.FormatLegacy {
		return s.SignLegacy(t, by, image.repo, image.digest())
	}
	return s.SignBundle(t, by, image.digest())
}

// What somebody signs whose certificate the virtual sigstore issued, compose accepts
// with its root pinned, and records as it is.
func TestKeyless(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		l := newLab(t)
		world := trusttest.NewSigstore(t)
		l.write(t, "root.json", string(world.TrustedRootJSON))
		for _, format := range formats() {
			image := push(t, p.host, "keyless/"+format, "init")
			l.write(t, "system.yml", manifest(byIdentity(ci(), format), image))
			l.refuses(t, []string{image.tagged(), "owner"}, "lock", "system.yml")
			image.attach(t, signedBy(t, world, ci(), format, image))
			l.trusts(t, image, format)
			got := l.signed(t, image)[0]
			want := spec.Verified{
				Signer: ci().Identity + " of " + ci().Issuer, TrustedRoot: spec.DigestOf(world.TrustedRootJSON),
				Subject: got.Subject, Type: got.Type, Authority: got.Authority, Format: format, Evidence: got.Evidence,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("verified (-want +got):\n%s", diff)
			}
		}
	})
}

// The signature may be on the manifest for the platform alone, which says nothing of
// the others in its index; or on an image that is in no index.
func TestSignedManifest(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		l := newLab(t)
		key := trusttest.NewKey(t, trusttest.Ed25519)
		l.write(t, "owner.pub", string(key.PublicPEM))
		for _, format := range formats() {
			in, alone := push(t, p.host, "in/"+format, "init"), pushLarge(t, p.host, "alone/"+format)
			for _, image := range []*pushed{in, alone} {
				signed := *image
				signed.index = image.manifest
				if format == spec.FormatBundle {
					signed.attach(t, trusttest.SignBundle(t, key, signed.digest()))
				} else {
					signed.attach(t, trusttest.SignLegacy(t, key, image.repo, signed.digest()))
				}
			}
			l.write(t, "system.yml", manifest(byKey("owner.pub", format), in, alone))
			l.does(t, "build", "-lock", format+".lock.json", "-format", "tar", "system.yml")
			l.refuses(t, []string{in.tagged(), "owner"}, "build", "-lock", format+"-arm64.lock.json", "-arch", "arm64", "-format", "tar", "system.yml")
			l.does(t, "build", "-lock", format+".lock.json", "-frozen", "-format", "tar", "system.yml")
		}
	})
}

// The same signatures are good to cosign: what the tests take for a keyless signature
// is one.
func TestCosignVerifiesKeyless(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		c := newCosign(t)
		world := trusttest.NewSigstore(t)
		c.write(t, "root.json", string(world.TrustedRootJSON))
		verify := func(image *pushed, format string, by trusttest.By) *ran {
			words := []string{
				"verify", "--trusted-root", "root.json",
				"--certificate-identity", by.Identity, "--certificate-oidc-issuer", by.Issuer, image.ref(),
			}
			if format == spec.FormatLegacy {
				words = append(words, "--new-bundle-format=false", "--use-signed-timestamps")
			}
			return c.tryCosign(t, words...)
		}
		for _, format := range formats() {
			image := push(t, p.host, "keyless/"+format, "init")
			image.attach(t, signedBy(t, world, ci(), format, image))
			if r := verify(image, format, ci()); r.code != 0 {
				t.Errorf("%s: %v", format, r)
			}
			other := ci()
			other.Identity += "-other"
			if r := verify(image, format, other); r.code == 0 {
				t.Errorf("%s: cosign takes it for another's: %v", format, r)
			}
		}
	})
}
