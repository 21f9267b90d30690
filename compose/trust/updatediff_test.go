package trust_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	trustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/compose/trust/trusttest"
)

// changedRoot returns the file of a trusted root after a change.
func changedRoot(t *testing.T, data []byte, change func(*trustroot.TrustedRoot)) []byte {
	t.Helper()
	var r trustroot.TrustedRoot
	if err := protojson.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	change(&r)
	out, err := protojson.Marshal(&r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// beginnings returns of each line what stands before its first comma.
func beginnings(lines []string) []string {
	var out []string
	for _, l := range lines {
		l, _, _ = strings.Cut(l, ",")
		out = append(out, l)
	}
	return out
}

func TestDescribe(t *testing.T) {
	lines, err := trust.Describe(trusttest.NewSigstore(t).TrustedRootJSON)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"certificate authority https://ca.example.com",
		"certificate transparency log https://log.example.com",
		"timestamp authority https://time.example.com",
		"transparency log https://log.example.com",
	}
	if diff := cmp.Diff(want, beginnings(lines)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, l := range lines {
		if strings.Count(l, "key sha256:") != 1 || !strings.Contains(l, ", in use from 20") {
			t.Errorf("no key or no time in %q", l)
		}
	}
}

func TestDiff(t *testing.T) {
	base := trusttest.NewSigstore(t).TrustedRootJSON
	other := trusttest.NewSigstore(t).TrustedRootJSON
	var from trustroot.TrustedRoot
	if err := protojson.Unmarshal(other, &from); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*trustroot.TrustedRoot)
		want   []string // beginnings
		has    string   // in one of the lines
	}{
		{"nothing", func(*trustroot.TrustedRoot) {}, nil, ""},
		{"an order", func(r *trustroot.TrustedRoot) { slices.Reverse(r.Tlogs); slices.Reverse(r.CertificateAuthorities) }, nil, ""},
		{
			"a log more", func(r *trustroot.TrustedRoot) { r.Tlogs = append(r.Tlogs, from.GetTlogs()...) },
			[]string{"added: transparency log https://log.example.com"},
			"key sha256:",
		},
		{
			"a log less", func(r *trustroot.TrustedRoot) { r.Ctlogs = nil },
			[]string{"removed: certificate transparency log https://log.example.com"},
			"key sha256:",
		},
		{
			"a log that has ended", func(r *trustroot.TrustedRoot) {
				r.Tlogs[0].PublicKey.ValidFor.End = timestamppb.New(trusttest.Day)
			},
			[]string{"changed: transparency log https://log.example.com"},
			"to 2026-02-03T04:05:06Z; before in use from ",
		},
		{
			"a log without an end", func(r *trustroot.TrustedRoot) { r.Tlogs[0].PublicKey.ValidFor.End = nil },
			[]string{"changed: transparency log https://log.example.com"},
			"in use since ",
		},
		{
			"another authority", func(r *trustroot.TrustedRoot) { r.CertificateAuthorities = from.CertificateAuthorities },
			[]string{"added: certificate authority https://ca.example.com", "removed: certificate authority https://ca.example.com"},
			"CN=",
		},
		{
			"an authority under another root", func(r *trustroot.TrustedRoot) {
				chain := r.GetCertificateAuthorities()[0].GetCertChain().GetCertificates()
				above := from.GetCertificateAuthorities()[0].GetCertChain().GetCertificates()
				chain[len(chain)-1] = above[len(above)-1]
			},
			[]string{"changed: certificate authority https://ca.example.com"},
			"before under ",
		},
		{
			"no time authority", func(r *trustroot.TrustedRoot) { r.TimestampAuthorities = nil },
			[]string{"removed: timestamp authority https://time.example.com"},
			"CN=",
		},
		{
			"a log that is in use twice", func(r *trustroot.TrustedRoot) {
				again := from.GetTlogs()[0]
				again.PublicKey.RawBytes = r.GetTlogs()[0].GetPublicKey().GetRawBytes()
				again.PublicKey.ValidFor.Start = timestamppb.New(trusttest.Day)
				r.Tlogs = append(r.Tlogs, again)
			},
			[]string{"changed: transparency log https://log.example.com"},
			" and in use from 2026-02-03T04:05:06Z",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changed := changedRoot(t, base, tt.change)
			lines, err := trust.Diff(base, changed)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, beginnings(lines)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !strings.Contains(strings.Join(lines, "\n"), tt.has) {
				t.Errorf("no %q in\n%s", tt.has, strings.Join(lines, "\n"))
			}
			back, err := trust.Diff(changed, base)
			if err != nil || len(back) != len(lines) {
				t.Errorf("the reverse has %d lines, not %d: %v", len(back), len(lines), err)
			}
		})
	}
}

func TestDiffRefuses(t *testing.T) {
	good := trusttest.NewSigstore(t).TrustedRootJSON
	tests := []struct {
		name string
		data []byte
	}{
		{"no JSON", []byte("<html>")},
		{"nothing", nil},
		{"a list", []byte("[]")},
		{"an authority without a certificate", changedRoot(t, good, func(r *trustroot.TrustedRoot) { r.CertificateAuthorities[0].CertChain = nil })},
		{"a certificate that is none", changedRoot(t, good, func(r *trustroot.TrustedRoot) {
			r.TimestampAuthorities[0].CertChain.Certificates[0].RawBytes = []byte("x")
		})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if lines, err := trust.Diff(good, tt.data); err == nil {
				t.Errorf("Diff = %q", lines)
			}
			if lines, err := trust.Diff(tt.data, good); err == nil {
				t.Errorf("Diff = %q", lines)
			}
		})
	}
}
