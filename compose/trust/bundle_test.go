package trust_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

// swapPayload puts a statement about another digest into a bundle, under its signature.
func swapPayload(tb testing.TB, sig spec.Signature, digest spec.Digest) spec.Signature {
	tb.Helper()
	return edit(tb, sig, func(bundle map[string]any) {
		statement := trusttest.Statement(tb, trusttest.StatementV1, spec.SignatureType, map[string]int{"swapped": 1}, digest)
		bundle["dsseEnvelope"].(map[string]any)["payload"] = statement
	})
}

// edit changes the JSON of a bundle.
func edit(tb testing.TB, sig spec.Signature, change func(bundle map[string]any)) spec.Signature {
	tb.Helper()
	var bundle map[string]any
	if err := json.Unmarshal([]byte(sig.Bundle), &bundle); err != nil {
		tb.Fatal(err)
	}
	change(bundle)
	data, err := json.Marshal(bundle)
	if err != nil {
		tb.Fatal(err)
	}
	sig.Bundle = string(data)
	return sig
}

// TestHugeKeys has keys of a size that takes minutes, in each place where somebody who
// has no key of ours can put one: nothing is computed with them.
func TestHugeKeys(t *testing.T) {
	p, kept := loadKept(t)
	n := new(big.Int).Lsh(big.NewInt(1), 1_500_000)
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 1<<31 - 1})
	if err != nil {
		t.Fatal(err)
	}
	huge := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	entry := func(body any) func(bundle map[string]any) {
		return func(bundle map[string]any) {
			data, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			bundle["verificationMaterial"].(map[string]any)["tlogEntries"].([]any)[0].(map[string]any)["canonicalizedBody"] = data
		}
	}
	hash := map[string]string{"algorithm": "sha256", "value": strings.Repeat("0", 64)}
	for name, change := range map[string]func(bundle map[string]any){
		"hashedrekord": entry(map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
			"data": map[string]any{"hash": hash}, "signature": map[string]any{"content": "AAAA", "publicKey": map[string]any{"content": huge}},
		}}),
		"dsse": entry(map[string]any{"apiVersion": "0.0.1", "kind": "dsse", "spec": map[string]any{
			"envelopeHash": hash, "payloadHash": hash, "signatures": []any{map[string]any{"signature": "AAAA", "verifier": huge}},
		}}),
		"many entries": func(bundle map[string]any) {
			m := bundle["verificationMaterial"].(map[string]any)
			m["tlogEntries"] = slices.Repeat(m["tlogEntries"].([]any), 17)
		},
		"many timestamps": func(bundle map[string]any) {
			m := bundle["verificationMaterial"].(map[string]any)["timestampVerificationData"].(map[string]any)
			m["rfc3161Timestamps"] = slices.Repeat(m["rfc3161Timestamps"].([]any), 17)
		},
		"a long timestamp": func(bundle map[string]any) {
			m := bundle["verificationMaterial"].(map[string]any)["timestampVerificationData"].(map[string]any)
			m["rfc3161Timestamps"] = []any{map[string]any{"signedTimestamp": make([]byte, 1<<15)}}
		},
	} {
		sig := edit(t, kept.Signed["bundle by an identity"], change)
		_, err := p.Verify(subject(t, "linuxkit/init"), []spec.Signature{sig})
		if err == nil || !strings.Contains(err.Error(), "is not taken; want 2048 to 8192") &&
			!strings.Contains(err.Error(), "at most 16384 can be") && !strings.Contains(err.Error(), "more than 16 log entries or timestamps") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
