package trust_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

func TestRule(t *testing.T) {
	w := newWorld(t)
	p := w.policy(t, `policies: [{match: "docker.io/linuxkit/*", anyOf: [owner]}, {match: "docker.io/a/x*", anyOf: [owner]}, {match: "docker.io/a/*x", anyOf: [owner]}]`)
	rule, err := p.Rule(subject(t, "linuxkit/init").Ref)
	if err != nil || rule == nil || rule.Match != "docker.io/linuxkit/*" || rule.Pos.Line == 0 || !slices.Equal(rule.Formats, []string{spec.FormatBundle}) {
		t.Errorf("%+v, %v", rule, err)
	}
	if rule, err := p.Rule(subject(t, "ghcr.io/a/b").Ref); rule != nil || err != nil {
		t.Errorf("%+v, %v", rule, err)
	}
	if _, err := p.Rule(subject(t, "a/xx").Ref); !errors.As(err, new(*trust.TieError)) {
		t.Errorf("%v is no tie", err)
	}
}

func TestDemandsOf(t *testing.T) {
	w := newWorld(t)
	p := w.policy(t, `policies: [{match: "**", anyOf: [second, owner], formats: [legacy, bundle], attestations: [{type: "`+provenance+`", anyOf: [ci]}]}]`)
	rule, err := p.Rule(subject(t, "linuxkit/init").Ref)
	if err != nil {
		t.Fatal(err)
	}
	want := []trust.Demand{
		{Type: spec.SignatureType, AnyOf: []string{"second", "owner"}, Formats: []string{spec.FormatBundle, spec.FormatLegacy}},
		{Type: provenance, AnyOf: []string{"ci"}, Formats: []string{spec.FormatBundle}},
	}
	if diff := cmp.Diff(want, trust.DemandsOf(rule)); diff != "" {
		t.Error(diff)
	}
}

func TestException(t *testing.T) {
	w := newWorld(t)
	p := w.policy(t, `exceptions: [{image: "linuxkit/init@MANIFEST", reason: first}, {image: "linuxkit/init@OTHER", reason: second}]`)
	both := subject(t, "linuxkit/init")
	for _, c := range []struct {
		name    string
		subject trust.Subject
		want    string
	}{
		{"by the manifest", both, "first"},
		{"by the index", trust.Subject{Ref: both.Ref, Index: other, Manifest: index}, "second"},
		{"no digest is known", trust.Subject{Ref: both.Ref}, "first"},
		{"another digest", trust.Subject{Ref: both.Ref, Index: index}, ""},
		{"another name", trust.Subject{Ref: subject(t, "linuxkit/runc").Ref, Index: other}, ""},
	} {
		got := ""
		if e := p.Exception(c.subject); e != nil {
			got = e.Reason
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	var uncovered *trust.UncoveredError
	if _, err := p.Verify(trust.Subject{Ref: both.Ref}, nil); !errors.As(err, &uncovered) {
		t.Errorf("an image without a digest is taken by an exception of its name: %v", err)
	}
}

func TestAuthorities(t *testing.T) {
	w := newWorld(t)
	p := w.policy(t, "deny: {keys: [OWNER], identities: [IDENTITY]}")
	got := map[string]trust.Authority{}
	for _, a := range p.Authorities() {
		got[a.Name] = a
	}
	root := spec.DigestOf(w.sigstore.TrustedRootJSON)
	for _, want := range []trust.Authority{
		{Name: "owner", Key: w.owner.Fingerprint, Denied: true},
		{Name: "second", Key: w.second.Fingerprint},
		{Name: "ci", Issuer: issuer, Identity: identity, Root: root, Tlog: 1, SCT: 1, Timestamps: 1, Denied: true},
		{Name: "ci-no-log", Issuer: issuer, Identity: identity, Root: root, SCT: 1, Timestamps: 1, Denied: true},
		{Name: "ci-two-times", Issuer: issuer, Identity: identity, Root: root, Tlog: 1, SCT: 1, Timestamps: 2, Denied: true},
	} {
		if diff := cmp.Diff(want, got[want.Name]); diff != "" {
			t.Errorf("%s: %s", want.Name, diff)
		}
	}
}

// TestPolicyOfNoFile is refused by what is demanded, for there is nothing to look up.
func TestPolicyOfNoFile(t *testing.T) {
	w := newWorld(t)
	s := section(t, authorities+ownerSigns)
	s.Policies[0].Pos = spec.Pos{}
	p, err := trust.Load(s, files(w.files()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Verify(subject(t, "linuxkit/init"), nil)
	if err == nil || !strings.HasPrefix(err.Error(), "docker.io/linuxkit/init:latest: a signature of owner is demanded\n") {
		t.Errorf("%v", err)
	}
}
