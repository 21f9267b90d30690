package spec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// section is a trust section with everything in it.
const section = `default: deny
authorities:
  key: {key: {file: keys/k.pub}}
  ci:
    keyless:
      issuer: https://token.actions.githubusercontent.com
      identity: https://github.com/acme/pkgs/.github/workflows/release.yml@refs/heads/main
      trustedRoot: /etc/root.json
      require: {tlog: 0, sct: 0, timestamps: 1}
policies:
  - {match: "linuxkit/*", anyOf: [key], formats: [legacy]}
  - match: "ghcr.io/**"
    attestations: [{type: "https://slsa.dev/provenance/v1", anyOf: [ci]}]
exceptions:
  - image: busybox:1.36@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    reason: none signs it
  - image: oci:images@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    reason: ours
deny:
  identities: [old@example.org]
`

// TestParseTrust reads one section from a manifest and from both forms of a file.
func TestParseTrust(t *testing.T) {
	below := "trust:\n  " + strings.ReplaceAll(strings.TrimSuffix(section, "\n"), "\n", "\n  ") + "\n"
	m, err := Parse("dir/a.yml", []byte("init: [a]\n"+below))
	if err != nil {
		t.Fatal(err)
	}
	top, err := ParseTrust("dir/trust.yml", []byte(section))
	if err != nil {
		t.Fatal(err)
	}
	nested, err := ParseTrust("dir/trust.yml", []byte(below))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]*Trust{"at the top": top, "below trust": nested} {
		if diff := cmp.Diff(m.Trust, got, cmpopts.IgnoreTypes(Pos{})); diff != "" {
			t.Errorf("%s: -manifest +file:\n%s", name, diff)
		}
	}
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"position of the file", top.Pos, Pos{"dir/trust.yml", 1, 1}},
		{"position below trust", nested.Pos, Pos{"dir/trust.yml", 2, 3}},
		{"position in a manifest", m.Trust.Pos, Pos{"dir/a.yml", 3, 3}},
		{"position of a policy", top.Policies[1].Pos, Pos{"dir/trust.yml", 12, 5}},
		{"position of an authority", top.Authorities["ci"].Pos, Pos{"dir/trust.yml", 5, 5}},
		{"position of an exception", top.Exceptions[1].Pos, Pos{"dir/trust.yml", 17, 5}},
		{"file", top.Path(top.Authorities["key"].Key.File), "dir/keys/k.pub"},
		{"absolute file", top.Path(top.Authorities["ci"].Keyless.TrustedRoot), "/etc/root.json"},
		{"no file", top.Path(""), ""},
		{"file of standard input", (&Trust{Pos: Pos{File: "-"}}).Path("k"), "k"},
		{"file above", (&Trust{Pos: Pos{File: "a/b/m.yml"}}).Path("../k"), "a/k"},
		{"exception", top.Exceptions[0].Image.Name, "docker.io/library/busybox"},
		{"base of a local exception", top.Exceptions[1].Image.Base, "dir"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

// TestTrustMetadata holds that a merged manifest keeps its trust section, as it was
// written and without its positions.
func TestTrustMetadata(t *testing.T) {
	var parts []*Manifest
	for name, text := range map[string]string{"a.yml": "init: [a]\n", "b.yml": "trust:\n  " + strings.ReplaceAll(section, "\n", "\n  ")} {
		m, err := Parse(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, m)
	}
	m, err := Merge(parts...)
	if err != nil {
		t.Fatal(err)
	}
	checkMetadata(t, m)
	asJSON, _ := metadata(t, m)
	for _, want := range []string{`"file": "keys/k.pub"`, `"match": "linuxkit/*"`, `"sct": 0`, `"image": "docker.io/library/busybox:1.36@sha256:`} {
		if !strings.Contains(string(asJSON), want) {
			t.Errorf("%s is not in %s", want, asJSON)
		}
	}
	if strings.Contains(string(asJSON), "Pos") {
		t.Errorf("positions are in %s", asJSON)
	}
}

func FuzzParseTrust(f *testing.F) {
	f.Add([]byte(section))
	f.Add([]byte("trust: {default: allow, deny: {identities: [a]}}"))
	f.Add([]byte(`{"policies": [{"match": "**", "anyOf": ["a"]}], "authorities": {"a": {"key": {"file": "k"}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		trust, err := ParseTrust("trust.yml", data)
		if err != nil {
			return
		}
		text, err := MarshalCanonical(trust)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) == "{}\n" {
			return // nothing was given but what is empty
		}
		again, err := ParseTrust("trust.yml", text)
		if err != nil {
			t.Fatalf("does not read back: %v\n%s", err, text)
		}
		if diff := cmp.Diff(trust, again, cmpopts.IgnoreTypes(Pos{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("reads back as another policy:\n%s", diff)
		}
		for _, p := range again.Policies {
			if _, err := ParsePattern(p.Match); err != nil {
				t.Fatalf("the pattern %q was taken: %v", p.Match, err)
			}
		}
	})
}
