package spec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// randomEvidence has a few signatures of odd texts, and the lock that names them and
// one more.
func randomEvidence(random *rand.Rand) (*Evidence, *Lock) {
	e := &Evidence{Version: EvidenceVersion}
	l := &Lock{Images: []LockedImage{{}, {Verified: []Verified{{Evidence: digestB}}}}}
	texts := oddTexts()
	for i := range random.IntN(5) {
		text := func() string { return fmt.Sprint(i, texts[random.IntN(len(texts))]) }
		s := Signature{Format: FormatBundle, Bundle: text()}
		if random.IntN(2) > 0 {
			s = Signature{Format: FormatLegacy, Payload: text(), Signature: text(), Certificate: text(), Chain: text(), Rekor: text(), Timestamp: text()}
		}
		l.Images[0].Verified = append(l.Images[0].Verified, Verified{Evidence: e.Add(s)})
	}
	return e, l
}

func TestEvidenceRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for range 200 {
		e, _ := randomEvidence(random)
		data, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseEvidence("a.evidence.json", data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if diff := cmp.Diff(e, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	}
}

// TestEvidenceOnly holds that what the lock names stays, and nothing else.
func TestEvidenceOnly(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	for range 50 {
		e, l := randomEvidence(random)
		want := len(e.Signatures)
		if got := e.Of(&l.Images[0]); len(got) != want {
			t.Fatalf("%d signatures of the image, want %d", len(got), want)
		}
		extra := e.Add(Signature{Format: FormatBundle, Bundle: "extra"})
		only := e.Only(l)
		if _, there := only.Signatures[extra]; there || len(only.Signatures) != want || len(e.Signatures) != want+1 {
			t.Fatalf("%d signatures of %d, with the extra one: %v", len(only.Signatures), len(e.Signatures), there)
		}
	}
}

func TestEvidenceOf(t *testing.T) {
	e := new(Evidence)
	a := e.Add(Signature{Format: FormatBundle, Bundle: "a"})
	b := e.Add(Signature{Format: FormatBundle, Bundle: "b"})
	image := &LockedImage{Verified: []Verified{{Evidence: b}, {Evidence: digestA}, {Evidence: a}, {Evidence: b}}}
	got := ""
	for _, s := range e.Of(image) {
		got += s.Bundle
	}
	if got != "ba" {
		t.Errorf("%q, want b and a once", got)
	}
}

func TestNoEvidence(t *testing.T) {
	var e *Evidence
	if e.Of(&LockedImage{Verified: []Verified{{Evidence: digestA}}}) != nil || len(e.Only(sample()).Signatures) != 0 || len(new(Evidence).Only(nil).Signatures) != 0 {
		t.Error("there is evidence")
	}
	data, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	const want = "{\n  \"signatures\": {},\n  \"version\": 1\n}\n"
	if string(data) != want {
		t.Errorf("%s", data)
	}
	if _, err := ParseEvidence("a", data); err != nil {
		t.Error(err)
	}
}

func TestEvidenceAddRefuses(t *testing.T) {
	for name, s := range map[string]Signature{
		"large":         {Format: FormatBundle, Bundle: strings.Repeat("x", MaxSignature)},
		"not UTF-8":     {Format: FormatBundle, Bundle: "\xff"},
		"NUL":           {Format: FormatBundle, Bundle: "a\x00"},
		"no bundle":     {Format: FormatBundle},
		"both":          {Format: FormatBundle, Bundle: "a", Payload: "b"},
		"no signature":  {Format: FormatLegacy, Payload: "a"},
		"no format":     {Bundle: "a"},
		"of some other": {Format: "pgp", Signature: "a"},
	} {
		e := new(Evidence)
		if got := e.Add(s); got != "" || len(e.Signatures) > 0 {
			t.Errorf("%s: added as %s", name, got)
		}
	}
}

func TestEvidenceBounds(t *testing.T) {
	large := Signature{Format: FormatBundle, Bundle: strings.Repeat("x", MaxSignature-len(FormatBundle)+1)}
	data, err := (&Evidence{Signatures: map[Digest]Signature{large.Digest(): large}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		data       []byte
	}{
		{"signature", "the signature has 1048577 bytes; at most 1048576 can be", data},
		{"file", "the evidence file has 67108865 bytes; at most 67108864 can be", bytes.Repeat([]byte(" "), maxLock+1)},
	} {
		if _, err := ParseEvidence("a", tt.data); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	fits := Signature{Format: FormatBundle, Bundle: large.Bundle[1:]}
	if new(Evidence).Add(fits) == "" {
		t.Error("the largest that fits is not added")
	}
}

// TestSignatureDigest holds the name of a signature, which locks have.
func TestSignatureDigest(t *testing.T) {
	s := Signature{Format: FormatBundle, Bundle: "{}"}
	const want = "sha256:86576c4490121b6804bd1c8e0998905ca319f4fd3f3d22543f35719898070c63"
	if s.Digest() != want || DigestOf([]byte("{\n  \"bundle\": \"{}\",\n  \"format\": \"bundle\"\n}\n")) != want {
		t.Errorf("%s, want %s", s.Digest(), want)
	}
}

func FuzzParseEvidence(f *testing.F) {
	e, _ := randomEvidence(rand.New(rand.NewPCG(1, 5)))
	data, err := e.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version": 1, "signatures": {}}`))
	f.Add([]byte(`{"version": 2}`))
	f.Add([]byte(`{"version": 1, "signatures": {"sha256:86576c4490121b6804bd1c8e0998905ca319f4fd3f3d22543f35719898070c63": {"format": "bundle", "bundle": "{}"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseEvidence("a", data)
		if err != nil {
			return
		}
		first, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseEvidence("a", first)
		if err != nil {
			t.Fatalf("does not read back: %v\n%s", err, first)
		}
		copied := new(Evidence)
		for name, s := range again.Signatures {
			if got := copied.Add(s); got != name {
				t.Fatalf("%s is added as %s", name, got)
			}
		}
		if second, err := copied.Marshal(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("not the same again: %v\n%s\n%s", err, first, second)
		}
	})
}
