package registry

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

// cosign runs the real cosign in a lab, with no network but the loopback.
type cosign struct {
	*lab
	program string
}

// newCosign returns a lab with cosign in it, and what it signs without: a log, a time
// authority and a trusted root of nobody.
func newCosign(t *testing.T) *cosign {
	t.Helper()
	l := newLab(t)
	program := os.Getenv("COSIGN")
	if program == "" {
		t.Skip("make cosign builds it; make registries then runs this")
	}
	program, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	c := &cosign{l, program}
	c.cosign(t, "signing-config", "create", "--out", "nobody.json")
	c.cosign(t, "trusted-root", "create", "--out", "nothing.json")
	return c
}

func (c *cosign) tryCosign(t *testing.T, words ...string) *ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, words...)
	cmd.Dir = c.dir
	const nowhere = "http://127.0.0.1:9" // the loopback itself is never asked through a proxy
	cmd.Env = append(slices.Clip(c.env), "COSIGN_PASSWORD="+passphrase, "HTTPS_PROXY="+nowhere, "HTTP_PROXY="+nowhere)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return finish(t, cmd)
}

// cosign runs cosign, which has to do it.
func (c *cosign) cosign(t *testing.T, words ...string) *ran {
	t.Helper()
	r := c.tryCosign(t, words...)
	if r.code != 0 {
		t.Fatal(r)
	}
	return r
}

// sign signs an image with a key, as cosign 3 does it, or as it did it before.
func (c *cosign) sign(t *testing.T, format, key string, image *pushed) {
	t.Helper()
	how := []string{"--signing-config", "nobody.json", "--trusted-root", "nothing.json"}
	if format == spec.FormatLegacy {
		how = []string{"--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"}
	}
	c.cosign(t, append(append([]string{"sign", "--key", key, "--yes"}, how...), image.ref())...)
}

// verifies has cosign verify an image with a public key.
func (c *cosign) verifies(t *testing.T, format, key string, image *pushed) {
	t.Helper()
	words := []string{"verify", "--key", key, "--insecure-ignore-tlog=true", image.ref()}
	if format == spec.FormatLegacy {
		words = append(words, "--new-bundle-format=false")
	}
	if r := c.cosign(t, words...); !strings.Contains(r.printed, image.index.String()) {
		t.Errorf("cosign verifies something else: %v", r)
	}
}

// formats are those of signatures.
func formats() []string { return []string{spec.FormatBundle, spec.FormatLegacy} }

// byKey is a policy for everything, of one key.
func byKey(file string, formats ...string) string {
	if len(formats) == 0 {
		formats = []string{spec.FormatBundle}
	}
	return `trust:
  authorities: {owner: {key: {file: ` + file + `}}}
  policies: [{match: "127.0.0.1:*/**", anyOf: [owner], formats: [` + strings.Join(formats, ", ") + `]}]
`
}

// theirs makes keys that cosign signs with: its own, and those that it imports. It signs
// with no ed25519 key that it would verify itself (3.1.3 takes the prehashed variant).
func (c *cosign) theirs(t *testing.T) []string {
	t.Helper()
	c.cosign(t, "generate-key-pair", "--output-key-prefix", "theirs")
	names := []string{"theirs"}
	for _, kind := range []trusttest.Kind{trusttest.P384, trusttest.RSA} {
		name := "imported-" + strings.ToLower(string(kind))
		c.write(t, name+".pem", string(trusttest.NewKey(t, kind).PrivatePEM))
		c.cosign(t, "import-key-pair", "--key", name+".pem", "--output-key-prefix", name)
		names = append(names, name)
	}
	return names
}

// What cosign signs, compose accepts, and records by whom it is signed.
func TestCosignSigns(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		c := newCosign(t)
		for _, key := range c.theirs(t) {
			for _, format := range formats() {
				t.Run(key+" "+format, func(t *testing.T) {
					image := push(t, p.host, key+"/"+format, "init")
					policy := byKey(key+".pub", format)
					c.write(t, "system.yml", manifest(policy, image))
					c.refuses(t, []string{image.tagged(), "owner", "no signature was found"}, "lock", "-lock", "none.lock.json", "system.yml")
					c.sign(t, format, key+".key", image)
					c.trusts(t, image, format)
					c.does(t, "trust", "verify", "-arch", "amd64", "-trust", c.policyFile(t, policy), image.tagged())
				})
			}
		}
	})
}

// trusts locks and builds system.yml, of one image that one authority has signed.
func (l *lab) trusts(t *testing.T, image *pushed, format string) {
	t.Helper()
	for _, name := range []string{"system.lock.json", "system.evidence.json"} {
		_ = os.Remove(l.path(name))
	}
	l.does(t, "lock", "system.yml")
	got := l.signed(t, image)
	want := []spec.Verified{{Subject: image.digest(), Type: spec.SignatureType, Authority: "owner", Format: format}}
	if len(got) == 1 {
		want[0].Signer, want[0].TrustedRoot, want[0].Evidence = got[0].Signer, got[0].TrustedRoot, got[0].Evidence
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("verified (-want +got):\n%s", diff)
	}
	l.does(t, "build", "-frozen", "-format", "tar", "system.yml")
}

// policyFile writes a trust section as a file of its own, and returns its name.
func (l *lab) policyFile(t *testing.T, section string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(strings.TrimPrefix(section, "trust:\n")) {
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	l.write(t, "policy.yml", b.String())
	return "policy.yml"
}

// provenance is a predicate of SLSA's.
const provenance = `{"buildDefinition":{"buildType":"https://example.com/build/v1","externalParameters":{},"resolvedDependencies":[]},` +
	`"runDetails":{"builder":{"id":"https://example.com/builder"},"metadata":{"invocationId":"1"}}}`

const provenanceType = "https://slsa.dev/provenance/v1"

// What cosign attests, compose demands where the policy does. cosign itself takes an
// attestation for a signature; compose does not.
func TestCosignAttests(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		c := newCosign(t)
		c.cosign(t, "generate-key-pair", "--output-key-prefix", "theirs")
		c.write(t, "provenance.json", provenance)
		image := push(t, p.host, "attested", "init")
		attested := strings.Replace(byKey("theirs.pub"), "anyOf: [owner],",
			`anyOf: [owner], attestations: [{type: "`+provenanceType+`", anyOf: [owner]}],`, 1)
		c.write(t, "system.yml", manifest(byKey("theirs.pub"), image))
		c.write(t, "attested.yml", manifest(attested, image))

		c.cosign(t, "attest", "--key", "theirs.key", "--signing-config", "nobody.json", "--trusted-root", "nothing.json", "--yes",
			"--type", "slsaprovenance1", "--predicate", "provenance.json", image.ref())
		c.verifies(t, spec.FormatBundle, "theirs.pub", image) // which is not what its user means
		c.refuses(t, []string{image.tagged(), provenanceType}, "lock", "system.yml")
		c.refuses(t, []string{image.tagged(), provenanceType}, "lock", "attested.yml")

		c.sign(t, spec.FormatBundle, "theirs.key", image)
		c.trusts(t, image, spec.FormatBundle)
		c.does(t, "lock", "attested.yml")
		c.does(t, "build", "-frozen", "-format", "tar", "attested.yml")
		other := strings.Replace(attested, provenanceType, "https://slsa.dev/provenance/v2", 1)
		c.write(t, "other.yml", manifest(other, image))
		c.refuses(t, []string{image.tagged(), "https://slsa.dev/provenance/v2"}, "lock", "other.yml")
	})
}

// What compose attests, and what it signs in a layout and pushes with the image, cosign
// verifies.
func TestCosignVerifiesWhatIsPushed(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		c := newCosign(t)
		c.does(t, "keygen", "-o", "ours")
		c.write(t, "provenance.json", provenance)
		if err := os.CopyFS(c.path("layout"), os.DirFS(filepath.Join("..", "..", "build", "fixture"))); err != nil {
			t.Fatal(err)
		}
		c.does(t, "sign", "-key", "ours.key", "oci:layout:init")
		c.does(t, "sign", "-key", "ours.key", "-attach", provenanceType+"=provenance.json", "oci:layout:init")
		image := &pushed{repo: p.host + "/pushed/init"}
		image.describeIndex(t, fixtureIndex(t, "init"))
		if r := c.does(t, "push", "oci:layout:init", image.tagged()); !strings.Contains(r.printed, image.index.String()) {
			t.Errorf("compose pushes something else: %v", r)
		}
		c.verifies(t, spec.FormatBundle, "ours.pub", image)
		c.cosign(t, "verify-attestation", "--key", "ours.pub", "--insecure-ignore-tlog=true", "--type", "slsaprovenance1", image.ref())
		c.write(t, "system.yml", manifest(byKey("ours.pub"), image))
		c.trusts(t, image, spec.FormatBundle)
	})
}

// What compose signs, cosign verifies: with a key that compose made, and with one
// that cosign made.
func TestCosignVerifies(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		c := newCosign(t)
		c.does(t, "keygen", "-o", "ours")
		c.cosign(t, "generate-key-pair", "--output-key-prefix", "theirs")
		for _, key := range []string{"ours", "theirs"} {
			public := c.cosign(t, "public-key", "--key", key+".key").printed
			if public != c.read(t, key+".pub") {
				t.Errorf("cosign reads %s.key as the key\n%swant\n%s", key, public, c.read(t, key+".pub"))
			}
			for _, format := range formats() {
				t.Run(key+" "+format, func(t *testing.T) {
					image := push(t, p.host, key+"/"+format, "init")
					c.does(t, "sign", "-key", key+".key", "-format", format, image.ref())
					c.verifies(t, format, key+".pub", image)
					c.write(t, "system.yml", manifest(byKey(key+".pub", format), image))
					c.trusts(t, image, format)
				})
			}
		}
	})
}
