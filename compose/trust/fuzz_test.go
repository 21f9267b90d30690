package trust_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

// FuzzBundle holds that no bundle ends the program, and that none is taken but with the
// payloads that were signed.
func FuzzBundle(f *testing.F) {
	p, kept := loadKept(f)
	f.Add(kept.Signed["bundle by a key"].Bundle)
	f.Add(kept.Signed["bundle by an identity"].Bundle)
	for _, text := range []string{
		"", "{}", "[]", "null", `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`,
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":""}},"dsseEnvelope":{}}`,
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{},{}]}}`,
		`{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1","verificationMaterial":{"x509CertificateChain":{"certificates":[{}]}},"messageSignature":{}}`,
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{},"tlogEntries":[{"logIndex":"0","logId":{"keyId":"AA=="},"kindVersion":{},"canonicalizedBody":"e30="}]},"messageSignature":{"messageDigest":{},"signature":""}}`,
	} {
		f.Add(text)
	}
	s := subject(f, "linuxkit/init")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := p.Verify(s, []spec.Signature{{Format: spec.FormatBundle, Bundle: text}})
		if err == nil {
			checkTaken(t, v, payloadOf(t, text), kept.Payload[spec.FormatBundle])
		}
		_, _ = p.VerifyArtifact("k", text, []byte("x"))
		_, _ = p.VerifyArtifact("i", text, []byte("x"))
	})
}

// FuzzLegacy holds the same of the older format.
func FuzzLegacy(f *testing.F) {
	p, kept := loadKept(f)
	for _, s := range []spec.Signature{
		kept.Signed["legacy by a key"], kept.Signed["legacy by an identity"],
		{Payload: "e30=", Signature: "AA==", Certificate: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"},
		{Payload: "bnVsbA==", Signature: "AA=="},
	} {
		f.Add(s.Payload, s.Signature, s.Certificate, s.Rekor, s.Timestamp)
		f.Add(s.Payload, s.Signature, s.Certificate, `{"Payload":null}`, `{"SignedRFC3161Timestamp":"AA=="}`)
		f.Add(s.Payload, s.Signature, s.Certificate, `{"SignedEntryTimestamp":"AA==","Payload":{"body":"e30=","integratedTime":-1,"logIndex":-1,"logID":"00"}}`, "")
	}
	s := subject(f, "linuxkit/init")
	f.Fuzz(func(t *testing.T, text, signature, certificate, rekor, timestamp string) {
		v, err := p.Verify(s, []spec.Signature{{
			Format: spec.FormatLegacy, Payload: text, Signature: signature, Certificate: certificate, Rekor: rekor, Timestamp: timestamp,
		}})
		if err != nil {
			return
		}
		got, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		checkTaken(t, v, got, kept.Payload[spec.FormatLegacy])
	})
}

// FuzzRoot holds that no file ends the program that reads it as a root or as a key.
func FuzzRoot(f *testing.F) {
	world := trusttest.NewSigstore(f)
	public, err := os.ReadFile("testdata/trusted-root-public-good.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, data := range [][]byte{world.TrustedRootJSON, public, trusttest.NewKey(f, trusttest.RSA).PublicPEM, []byte("{}")} {
		f.Add(data)
	}
	s := section(f, `authorities: {i: {keyless: {issuer: "https://example.com", identity: "x", trustedRoot: r}}}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := trust.Load(s, files(map[string][]byte{"r": data}))
		if (p == nil) == (err == nil) {
			t.Errorf("%v, %v", p, err)
		}
		if key, err := trust.ParsePublicKey(data); err == nil {
			if _, err := trust.Fingerprint(key); err != nil {
				t.Error(err)
			}
		}
	})
}

// checkTaken holds that a signature that was taken is of the bytes that were signed.
func checkTaken(t *testing.T, v trust.Verdict, got, signed []byte) {
	t.Helper()
	if !bytes.Equal(got, signed) {
		t.Errorf("%+v: taken with another payload: %q", v.Verified, got)
	}
	if len(v.Verified) != 1 || v.Verified[0].Subject != index {
		t.Errorf("taken for another image: %+v", v.Verified)
	}
}

// payloadOf is what a bundle's envelope holds.
func payloadOf(t *testing.T, text string) []byte {
	t.Helper()
	var bundle struct {
		Envelope struct {
			Payload string `json:"payload"`
		} `json:"dsseEnvelope"`
		Snake struct {
			Payload string `json:"payload"`
		} `json:"dsse_envelope"`
	}
	if err := json.Unmarshal([]byte(text), &bundle); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(bundle.Envelope.Payload + bundle.Snake.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// TestEveryByteOfABundle changes each byte of a signature: it is then refused, or was a
// part that says nothing.
func TestEveryByteOfABundle(t *testing.T) {
	p, kept := loadKept(t)
	s := subject(t, "linuxkit/init")
	for _, name := range []string{"bundle by a key", "bundle by an identity"} {
		t.Run(name, func(t *testing.T) {
			sig := kept.Signed[name]
			var taken int
			step := max(1, len(sig.Bundle)/700)
			for i := 0; i < len(sig.Bundle); i += step {
				changed := []byte(sig.Bundle)
				changed[i] ^= 1
				v, err := p.Verify(s, []spec.Signature{{Format: spec.FormatBundle, Bundle: string(changed)}})
				if err == nil {
					taken++
					checkTaken(t, v, payloadOf(t, string(changed)), kept.Payload[spec.FormatBundle])
				}
			}
			if taken > len(sig.Bundle)/step/3 {
				t.Errorf("%d changes did not matter", taken)
			}
		})
	}
}
