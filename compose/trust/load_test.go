package trust_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

func TestLoadRefuses(t *testing.T) {
	good := trusttest.NewKey(t, trusttest.Ed25519)
	world := trusttest.NewSigstore(t)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	keyless := `authorities: {a: {keyless: {issuer: "https://example.com", identity: "x@example.com", trustedRoot: f}}}`
	key := "authorities:\n  a: {key: {file: f}}\n"
	root := string(world.TrustedRootJSON)
	for _, c := range []struct {
		name, trust string
		file        []byte // nil: there is none
		want        string
	}{
		{"no key", key, nil, "trust.yml:2:6: authority a: key: open f: file does not exist"},
		{"an empty key", key, []byte{}, "key f: it is not a public key in PEM"},
		{"no PEM", key, []byte("hello"), "it is not a public key in PEM"},
		{"a private key", key, good.PrivatePEM, "it holds a private key; want the public one"},
		{"a certificate", key, certificate, "it holds a CERTIFICATE; want a PUBLIC KEY"},
		{"two keys", key, append(append([]byte{}, good.PublicPEM...), good.PublicPEM...), "it holds more than one key"},
		{"a damaged key", key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), "it is not a public key: "},
		{"RSA of 1024 bits", key, trusttest.NewKey(t, trusttest.WeakRSA).PublicPEM, "RSA of 1024 bits is not taken; want 2048 to 8192"},
		{"ECDSA on P-224", key, trusttest.NewKey(t, trusttest.P224).PublicPEM, "ECDSA on P-224 is not taken"},
		{"a key without end", key, make([]byte, 1<<20), "1048576 bytes; a public key has at most 65536"},
		{"no root", keyless, nil, "authority a: trusted root: open f: file does not exist"},
		{"an empty root", keyless, []byte{}, "trusted root f: "},
		{"a root that is no JSON", keyless, []byte("hello"), "trusted root f: 1:1: "},
		{"a root with a key twice", keyless, []byte(`{"mediaType":"a","mediaType":"b"}`), "trusted root f: 1:"},
		{"another JSON", keyless, []byte(`{"a":1}`), "it is not a trusted root: "},
		{"a root of nobody", keyless, []byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`), "no certificate authority is in it"},
		{"a root of another version", keyless, []byte(strings.Replace(root, "version=0.1", "version=9.9", 1)), "it is not a trusted root: "},
		{"a root without end", keyless, make([]byte, 2<<20), "2097152 bytes; at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := map[string][]byte{}
			if c.file != nil {
				from["f"] = c.file
			}
			_, err := trust.Load(section(t, c.trust), files(from))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "trust.yml:") {
				t.Errorf("no position: %v", err)
			}
			if c.file == nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v is not fs.ErrNotExist", err)
			}
		})
	}
}

// TestLoadRefusesAtOnce has several faults, which are all in the error.
func TestLoadRefusesAtOnce(t *testing.T) {
	s := &spec.Trust{
		Authorities: map[string]spec.Authority{"a": {}, "b": {Key: &spec.TrustKey{File: "missing"}}},
		Policies:    []spec.TrustPolicy{{Match: "//"}, {Match: "docker.io/x/*", AnyOf: []string{"nobody"}}},
	}
	_, err := trust.Load(s, files(nil))
	for _, want := range []string{"authority a: neither", "authority b: key: open missing", "match: ", `no authority is called "nobody"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

// TestDigest holds what the digest of a policy depends on, and what not.
func TestDigest(t *testing.T) {
	key, another := trusttest.NewKey(t, trusttest.P256), trusttest.NewKey(t, trusttest.P256)
	world, elsewhere := trusttest.NewSigstore(t), trusttest.NewSigstore(t)
	base := `
authorities:
  k: {key: {file: a/k.pub}}
  i: {keyless: {issuer: "https://example.com", identity: "x@example.com", trustedRoot: a/root.json}}
policies:
- {match: "linuxkit/*", anyOf: [k, i]}
- {match: "**", anyOf: [i], attestations: [{type: "https://a.example", anyOf: [k]}]}
exceptions: [{image: "busybox@` + string(index) + `", reason: "x"}]
deny: {digests: ["` + string(other) + `"]}
`
	digest := func(text string, key *trusttest.Key, world *trusttest.Sigstore, more ...spec.TrustDeny) spec.Digest {
		t.Helper()
		p, err := trust.Load(section(t, text), files(map[string][]byte{
			"a/k.pub": key.PublicPEM, "b/k.pub": key.PublicPEM, "a/root.json": world.TrustedRootJSON, "b/root.json": world.TrustedRootJSON,
		}), more...)
		if err != nil {
			t.Fatal(err)
		}
		return p.Digest()
	}
	want := digest(base, key, world)
	if _, err := spec.ParseDigest(string(want)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"other paths":                strings.ReplaceAll(base, "a/", "b/"),
		"comments":                   "# hello\n" + base,
		"the defaults in full":       "default: deny\n" + strings.Replace(base, "trustedRoot: a/root.json", "trustedRoot: a/root.json, require: {tlog: 1, sct: 1, timestamps: 1}", 1),
		"the order of authorities":   strings.Replace(base, "[k, i]", "[i, k]", 1),
		"the formats in full":        strings.Replace(base, "anyOf: [k, i]", "anyOf: [k, i], formats: [bundle]", 1),
		"the pattern as it is meant": strings.Replace(base, "linuxkit/*", "docker.io/linuxkit/*", 1),
		"the order of policies": strings.Replace(strings.Replace(base, "- {match: \"linuxkit/*\", anyOf: [k, i]}\n", "", 1),
			"exceptions:", "- {match: \"linuxkit/*\", anyOf: [k, i]}\nexceptions:", 1),
	} {
		if got := digest(text, key, world); got != want {
			t.Errorf("%s: the digest is another", name)
		}
	}
	seen := map[spec.Digest]string{want: "the section"}
	differs := func(name string, got spec.Digest) {
		if before, there := seen[got]; there {
			t.Errorf("%s: the digest is that of %s", name, before)
		}
		seen[got] = name
	}
	differs("another key", digest(base, another, world))
	differs("another root", digest(base, key, elsewhere))
	differs("more denied", digest(base, key, world, spec.TrustDeny{Identities: []string{"y"}}))
	for name, change := range map[string][2]string{
		"default":     {"\nauthorities", "\ndefault: allow\nauthorities"},
		"identity":    {"x@example.com", "y@example.com"},
		"issuer":      {"https://example.com", "https://example.org"},
		"require":     {"trustedRoot: a/root.json", "trustedRoot: a/root.json, require: {sct: 0}"},
		"pattern":     {"linuxkit/*", "linuxkit/**"},
		"anyOf":       {"[k, i]", "[k]"},
		"formats":     {"anyOf: [k, i]", "anyOf: [k, i], formats: [legacy]"},
		"attestation": {"https://a.example", "https://b.example"},
		"exception":   {"busybox", "alpine"},
		"deny":        {string(other), string(manifest)},
	} {
		differs(name, digest(strings.Replace(base, change[0], change[1], 1), key, world))
	}
	if got := digest("default: deny", key, world); got != "" {
		t.Errorf("nothing has the digest %s", got)
	}
	if p, err := trust.Load(nil, files(nil)); err != nil || p.Digest() != "" {
		t.Errorf("no section: %v", err)
	}
}

// TestAlsoDeny has a site's own section, and what the manifest's denies besides.
func TestAlsoDeny(t *testing.T) {
	w := newWorld(t)
	p := w.policy(t, ownerSigns, spec.TrustDeny{Digests: []string{string(index)}})
	if _, err := p.Verify(subject(t, "linuxkit/init"), byOwner(w)); !errors.As(err, new(*trust.DeniedError)) {
		t.Errorf("%v", err)
	}
	p, err := trust.Load(nil, files(nil), spec.TrustDeny{Digests: []string{string(index)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Verify(subject(t, "linuxkit/init"), nil); !errors.As(err, new(*trust.DeniedError)) {
		t.Errorf("without a section: %v", err)
	}
}

// TestRefusalIsShort has more reasons than an error shows, and texts that would do
// something to a terminal.
func TestRefusalIsShort(t *testing.T) {
	w := newWorld(t)
	p := w.policy(t, ownerSigns)
	var found []spec.Signature
	for i := range 8 {
		found = append(found, trusttest.Attest(t, w.owner, index, fmt.Sprintf("https://example.com/\x1b[31m%d\n%s", i, strings.Repeat("x", 1000)), nil))
	}
	_, err := p.Verify(subject(t, "linuxkit/init"), found)
	if err == nil {
		t.Fatal("taken")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 6 || lines[5] != "  …and 4 more" {
		t.Errorf("%d lines:\n%s", len(lines), err)
	}
	for _, l := range lines {
		if len(l) > 400 || strings.ContainsAny(l, "\x1b\r") {
			t.Errorf("a line is not for a terminal: %q", l)
		}
	}
	var refused *trust.RefusedError
	if !errors.As(err, &refused) || len(refused.Reasons) != 8 || refused.Policy.Match != "docker.io/linuxkit/*" || refused.Wanted != "a signature of owner" {
		t.Errorf("%+v", refused)
	}
}
