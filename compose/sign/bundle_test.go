package sign_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore/pkg/signature"
	sigdsse "github.com/sigstore/sigstore/pkg/signature/dsse"

	"github.com/composeos/compose/compose/sign"
	"github.com/composeos/compose/spec"
)

// digestOf is a digest of nothing in particular.
func digestOf(letter string) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(letter, 64)}
}

// subject is an index that is signed.
func subject() v1.Descriptor {
	return v1.Descriptor{MediaType: types.OCIImageIndex, Digest: digestOf("a"), Size: 42}
}

func statementOf(t *testing.T, predicate string) []byte {
	t.Helper()
	s, err := sign.Statement(digestOf("a"), spec.SignatureType, []byte(predicate))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bundleOf(t *testing.T, k *sign.Key) []byte {
	t.Helper()
	b, err := sign.Bundle(k, statementOf(t, "{}"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStatement(t *testing.T) {
	var got any
	if err := json.Unmarshal(statementOf(t, `{"b": 1.50, "a": [9007199254740993]}`), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"_type":         "https://in-toto.io/Statement/v1",
		"subject":       []any{map[string]any{"digest": map[string]any{"sha256": strings.Repeat("a", 64)}}},
		"predicateType": "https://sigstore.dev/cosign/sign/v1",
		"predicate":     map[string]any{"a": []any{9007199254740993.0}, "b": 1.5},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statement (-want +got):\n%s", diff)
	}
	if text := string(statementOf(t, `{"a": [9007199254740993]}`)); !strings.Contains(text, "9007199254740993") {
		t.Errorf("a number lost digits:\n%s", text)
	}
	signed, err := sign.Statement(digestOf("a"), spec.SignatureType, nil)
	if err != nil || string(signed) != string(statementOf(t, "{}")) {
		t.Errorf("no predicate is not {}:\n%s%v", signed, err)
	}
}

func TestStatementRefuses(t *testing.T) {
	for _, c := range []struct{ kind, predicate, want string }{
		{"https://example.com/p", "", "not a JSON object"},
		{"https://example.com/p", "[]", "not a JSON object"},
		{"https://example.com/p", "null", "not a JSON object"},
		{"https://example.com/p", `{"a": 1} {}`, "not a JSON object"},
		{"https://example.com/p", `{"a": 1, "a": 2}`, "twice"},
		{"provenance", "{}", "not a URI"},
		{"", "{}", "not a URI"},
	} {
		if s, err := sign.Statement(digestOf("a"), c.kind, []byte(c.predicate)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q of type %q: %v, want %q\n%s", c.predicate, c.kind, err, c.want, s)
		}
	}
}

// TestBundle holds bundles against sigstore's reader and its DSSE verifier.
func TestBundle(t *testing.T) {
	for name, private := range keys(t) {
		if name == "P-384" || name == "P-521" {
			continue // the verifier of that package knows SHA-256 alone; TestSign has them
		}
		t.Run(name, func(t *testing.T) {
			k := load(t, encode(t, "PRIVATE KEY", private))
			text := bundleOf(t, k)
			var b bundle.Bundle
			if err := b.UnmarshalJSON(text); err != nil {
				t.Fatalf("sigstore does not read it: %v\n%s", err, text)
			}
			if !b.MinVersion("v0.3") {
				t.Errorf("its version is not 0.3")
			}
			content, err := b.VerificationContent()
			if err != nil {
				t.Fatal(err)
			}
			fingerprint, err := k.Fingerprint()
			if err != nil {
				t.Fatal(err)
			}
			raw, err := hex.DecodeString(strings.TrimPrefix(string(fingerprint), "sha256:"))
			if hint := content.PublicKey().Hint(); err != nil || hint != base64.StdEncoding.EncodeToString(raw) {
				t.Errorf("the hint is %q, which is not %s", hint, fingerprint)
			}
			checkEnvelope(t, k, text)
		})
	}
}

// checkEnvelope verifies a bundle's envelope by its key.
func checkEnvelope(t *testing.T, k *sign.Key, text []byte) {
	t.Helper()
	var b struct {
		Envelope dsse.Envelope `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	v, err := signature.LoadDefaultVerifier(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	adapter := &sigdsse.VerifierAdapter{SignatureVerifier: v, Pub: k.Public()}
	envelopes, err := dsse.NewEnvelopeVerifier(adapter)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := envelopes.Verify(context.WithoutCancel(t.Context()), &b.Envelope); err != nil {
		t.Errorf("the envelope does not verify: %v", err)
	}
	b.Envelope.Payload = base64.StdEncoding.EncodeToString([]byte("{}"))
	if _, err := envelopes.Verify(t.Context(), &b.Envelope); err == nil {
		t.Error("it is a signature of another payload too")
	}
}

func TestBundleTwice(t *testing.T) {
	first, second := bundleOf(t, newKey(t)), bundleOf(t, newKey(t))
	if string(first) != string(second) {
		t.Errorf("two bundles of one key and statement differ:\n%s%s", first, second)
	}
}

func TestReferrer(t *testing.T) {
	text := bundleOf(t, newKey(t))
	a, err := sign.Referrer(subject(), text, spec.SignatureType)
	if err != nil {
		t.Fatal(err)
	}
	m, err := v1.ParseManifest(strings.NewReader(string(a.Manifest)))
	if err != nil {
		t.Fatal(err)
	}
	annotations := map[string]string{
		"dev.sigstore.bundle.content":       "dsse-envelope",
		"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
		"org.opencontainers.image.created":  "1970-01-01T00:00:00Z",
	}
	empty := v1.Hash{Algorithm: "sha256", Hex: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}
	digest, size, err := v1.SHA256(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	s := subject()
	want := &v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  spec.BundleType,
		Config:        v1.Descriptor{MediaType: "application/vnd.oci.empty.v1+json", Size: 2, Digest: empty},
		Layers:        []v1.Descriptor{{MediaType: spec.BundleType, Size: size, Digest: digest}},
		Subject:       &s,
		Annotations:   annotations,
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	digest, size, err = v1.SHA256(strings.NewReader(string(a.Manifest)))
	if err != nil {
		t.Fatal(err)
	}
	listed := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: size, ArtifactType: spec.BundleType, Annotations: annotations}
	if diff := cmp.Diff(listed, a.Descriptor()); diff != "" {
		t.Errorf("descriptor (-want +got):\n%s", diff)
	}
}
