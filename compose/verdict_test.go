package compose_test

import (
	"errors"
	"testing"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

// TestVerdict has an image of two platforms, which need not be taken for one reason.
func TestVerdict(t *testing.T) {
	key := trusttest.NewKey(t, trusttest.Ed25519)
	name := func(text string) spec.Digest { return spec.DigestOf([]byte(text)) }
	index, amd, arm := name("index"), name("amd64"), name("arm64")
	const covered = "authorities: {us: {key: {file: k}}}\npolicies: [{match: '**', anyOf: [us]}]\n"
	except := "exceptions: [{image: 'web@" + string(amd) + "', reason: x}]\n"
	deny := "deny: {digests: ['" + string(name("layer")) + "']}\n"
	tests := []struct {
		name, trust, lock string // lock: what it says of signatures
		signed            []spec.Digest
		want              string // the word, or how many are verified
	}{
		{"the index is signed", covered, "", []spec.Digest{index}, "1 verified"},
		{"both are signed", covered, "", []spec.Digest{amd, arm}, "2 verified"},
		{"one is not signed", covered, "", []spec.Digest{amd}, "refused"},
		{"one is signed, one an exception", covered + except, "", []spec.Digest{arm}, "1 verified"},
		{"accepted does not help what is covered", covered, spec.Accepted, nil, "refused"},
		{"accepted", "default: deny", spec.Accepted, nil, spec.Accepted},
		{"one accepted, one an exception", except, spec.Accepted, nil, spec.Accepted},
		{"not accepted, one an exception", except, "", nil, "uncovered"},
		{"a word of the policy's is not believed", "default: deny", spec.Excepted, nil, "uncovered"},
		{"allowed", "default: allow", "", nil, spec.Allowed},
		{"denied for one", "default: allow\n" + deny, spec.Accepted, nil, "denied"},
	}
	ref, err := spec.ParseRef("web:1", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := policyOf(t, tt.trust, key)
			pinned := &spec.LockedImage{Digest: index, Unsigned: tt.lock, Platforms: map[string]spec.LockedPlatform{
				"linux/amd64": {Manifest: amd},
				"linux/arm64": {Manifest: arm, Layers: []spec.LockedLayer{{Digest: name("layer")}}},
			}}
			var there []spec.Signature
			for _, d := range tt.signed {
				there = append(there, trusttest.SignBundle(t, key, d))
			}
			v, err := compose.Verdict(p, ref, pinned, there)
			if got := verdictWord(v, err); got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
			if len(v.Evidence) != len(v.Verified) {
				t.Errorf("%d pieces of evidence for %d", len(v.Evidence), len(v.Verified))
			}
		})
	}
	if _, err := compose.Verdict(policyOf(t, covered, key), ref, &spec.LockedImage{Digest: index}, nil); verdictWord(trust.Verdict{}, err) != "refused" {
		t.Errorf("an image without a platform: %v", err)
	}
}

// policyOf is the policy of a section in which the file of every key is key.
func policyOf(t *testing.T, text string, key *trusttest.Key) *trust.Policy {
	t.Helper()
	section, err := spec.ParseTrust("trust.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := trust.Load(section, func(string) ([]byte, error) { return key.PublicPEM, nil })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// verdictWord is what came of an image, as one word.
func verdictWord(v trust.Verdict, err error) string {
	switch {
	case errors.As(err, new(*trust.RefusedError)):
		return "refused"
	case errors.As(err, new(*trust.UncoveredError)):
		return "uncovered"
	case errors.As(err, new(*trust.DeniedError)):
		return "denied"
	case err != nil:
		return err.Error()
	case v.Unsigned != "":
		return v.Unsigned
	case len(v.Verified) == 1:
		return "1 verified"
	case len(v.Verified) == 2:
		return "2 verified"
	}
	return "nothing"
}
