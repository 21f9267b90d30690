package trust_test

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

// What sigstore's conformance cases are signed by where a case does not say otherwise.
const (
	beaconIdentity = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
	beaconIssuer   = "https://token.actions.githubusercontent.com"
)

// refusals says why each of sigstore's cases that are to fail does: what our reason
// has in it, and what the README of the case names. Where the two differ, a comment says
// why.
var refusals = map[string]struct{ ours, named string }{
	"bundle-empty-certificate-chain_fail":  {"chain of certificates is empty", "empty certificate chain"},
	"bundle-from-wrong-instance_fail":      {"a log that the pinned root does not have", "the trust roots are different"},
	"bundle-invalid-base64-signature_fail": {"invalid value for bytes field signature", "invalid base64"},
	"bundle-malformed-json_fail":           {"it is not JSON", "truncated/malformed JSON"},
	"bundle-negative-log-index_fail":       {"negative index", "negative log index"},
	"bundle-unknown-version_fail":          {"unsupported media type: application/vnd.dev.sigstore.bundle+json;version=99.9", "unknown/unsupported version"},
	"bundle-with-root-cert_fail":           {"chain of certificates holds a root", "contains a root certificate"},
	"checkpoint-bad-keyhint_fail":          {"checkpoint is not signed by the log", "signature does not match the transparency log"},
	"checkpoint-wrong-roothash_fail":       {"checkpoint is of another tree", "root hash is wrong"},
	"dsse-invalid-sig_fail":                {"the signature is not by the certificate's key", "signature in the dsse envelope is incorrect"},
	"dsse-mismatch-envelope_fail":          {"log entry is of another signature", "does not match the entry"},
	"dsse-mismatch-sig_fail":               {"log entry is of another signature", "signature does not match"},
	"inclusion-proof-corrupted-hash_fail":  {"proof that the log has the entry is not good", "Merkle proof is invalid"},
	// The key in the entry is another, and so the signature in the entry is not by it.
	"incorrect-public-key_fail":                       {"log entry is signed by another key than it names", "public key in the hashrekord entry has been modified"},
	"integrated-time-in-future_fail":                  {"not valid at the signed time", "not within signing certificate validity"},
	"intoto-expired-certificate_fail":                 {"not of an authority that the pinned root has for its time", "issued outside the validity window defined in trusted root"},
	"intoto-log-entry-mismatch_fail":                  {"envelope in the log entry is not as it was signed", "log entry does not match"},
	"intoto-missing-inclusion-proof_fail":             {"proof that the log has the entry is missing", "does not contain an inclusion proof"},
	"intoto-set-outside-signing-cert-validity_fail":   {"not valid at the signed time", "outside the validity window of the"},
	"intoto-tsa-timestamp-outside-cert-validity_fail": {"not valid at the signed time", "outside of the validity window of the signing certificate"},
	"invalid-checkpoint-signature_fail":               {"checkpoint is not signed by the log", "checkpoint signature is invalid"},
	"invalid-ct-key_fail":                             {"promises of certificate logs (SCT)", ""}, // has no README
	// The old proof is of a time when proofs had no checkpoint, without which none is taken.
	"invalid-inclusion-proof_fail": {"the proof that the log has the entry has no checkpoint", "inclusion proof is old"},
	"managed-key-no-key_fail":      {"signed by a key, not by an identity", "no key is provided"},
	// The case's key is no key: its point is not on the curve. TestPolicies has another key that is one.
	"managed-key-wrong-key_fail":                   {"not on curve", "wrong key"},
	"message-digest-mismatch_fail":                 {"signs other bytes", "does not match the artifact hash"},
	"rekor2-checkpoint-missing-log-signature_fail": {"checkpoint cannot be read", "log signature removed"},
	// What a line was taken out of is no longer what the log signed. That is looked at
	// before the lines are.
	"rekor2-checkpoint-missing-origin_fail":        {"checkpoint is not signed by the log", "origin line removed"},
	"rekor2-checkpoint-missing-root-hash_fail":     {"checkpoint is not signed by the log", "root hash removed"},
	"rekor2-checkpoint-missing-size_fail":          {"checkpoint is not signed by the log", "size removed"},
	"rekor2-checkpoint-no-matching-signature_fail": {"checkpoint is not signed by the log", "does not match the transparency log host"},
	"rekor2-dsse-invalid-sig_fail":                 {"the signature is not by the certificate's key", "signature does not verify under the bundle's certificate"},
	// Such a log has only the hash of an entry, which is made of the bundle: whatever
	// differs, the proof is of another hash.
	"rekor2-dsse-mismatch-envelope_fail":                        {"proof that the log has this signature is not good", "does not match the hashedrekord entry"},
	"rekor2-dsse-mismatch-sig_fail":                             {"proof that the log has this signature is not good", "does not match the signature"},
	"rekor2-no-inclusion-proof_fail":                            {"proof that the log has the entry is missing", "inclusion proof is removed"},
	"rekor2-no-timestamp_fail":                                  {"fewer signed times are good", "_no_ TSA timestamp"},
	"rekor2-timestamp-outside-trust-root-tsa-validity_fail":     {"timestamp is after the validity period end", "expiry date that precedes the time"},
	"rekor2-timestamp-outside-tsa-cert-validity_fail":           {"outside of certificate validity", "requested after expiry"},
	"rekor2-timestamp-payload-mismatch_fail":                    {"hashed messages don't match", "does **not** match the bundle signature"},
	"rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail":    {"does not match the provided TSA certificate", "not in the trusted root"},
	"rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail": {"No certificate for signer", "not in the trusted root"},
	// The timestamp's base64 has line breaks, which bundles may not have: it is refused
	// before the time is read. TestConformanceMended takes them out.
	"rekor2-timestamp-with-incorrect-time_fail":   {"invalid value for bytes field signedTimestamp", "outside the signing certificate lifetime"},
	"set-invalid-signature_fail":                  {"promise of the log is not signed by it", "signature is invalid"},
	"signature-mismatch_fail":                     {"the signature is not by the certificate's key", "signature in this bundle is incorrect"},
	"trust-root-tlog-missing-validity-start_fail": {"tlog missing public key validity period start", "missing its required start"},
	// The bundle is of the artifact; its log entry is of another one, with its own signature.
	"wrong-hashedrekord-artifact_fail":     {"log entry is of another signature", "artifact is incorrect"},
	"wrong-hashedrekord-cert-and-sig_fail": {"log entry is of another signature", "certificate (and signature) used for"},
	"wrong-hashedrekord-entry_fail":        {"log entry is of another signature", "for a different entry"},
	"wrong-material_fail":                  {"signs other bytes", "the artifact here is different"},
}

// TestConformance holds all of sigstore's cases for verifiers against an authority of a
// policy with the usual numbers of witnesses: one entry of a log, one SCT, one time.
func TestConformance(t *testing.T) {
	dir := conformanceDir(t)
	cases, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var good, bad int
	for _, c := range cases {
		if !c.IsDir() {
			continue
		}
		t.Run(c.Name(), func(t *testing.T) {
			err := verifyCase(t, filepath.Join(dir, c.Name()))
			if !strings.HasSuffix(c.Name(), "_fail") {
				good++
				if err != nil {
					t.Error(err)
				}
				return
			}
			bad++
			want, known := refusals[c.Name()]
			if !known {
				t.Fatalf("the case is not in the table of refusals: %v", err)
			}
			if err == nil || !strings.Contains(err.Error(), want.ours) {
				t.Errorf("got %v, want %q", err, want.ours)
			}
			readme, err := os.ReadFile(filepath.Join(dir, c.Name(), "README"))
			if err != nil && want.named != "" {
				t.Fatal(err)
			}
			if !strings.Contains(string(readme), want.named) {
				t.Errorf("the README does not say %q but:\n%s", want.named, readme)
			}
		})
	}
	if good < 19 || bad != len(refusals) {
		t.Errorf("%d cases are to be good and %d to be refused; want 19 or more, and %d", good, bad, len(refusals))
	}
}

// TestConformanceMended mends the form of a case that we refuse for its form, so that
// the fault that it is about shows.
func TestConformanceMended(t *testing.T) {
	from := filepath.Join(conformanceDir(t), "rekor2-timestamp-with-incorrect-time_fail")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "bundle.sigstore.json")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	artifact, err := os.ReadFile(filepath.Join(from, "..", "a.txt"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := regexp.MustCompile(`"signedTimestamp": *"[^"]*"`)
	data = stamp.ReplaceAllFunc(data, func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(`\n`), nil) })
	for file, data := range map[string][]byte{name: data, filepath.Join(dir, "artifact"): artifact} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := verifyCase(t, dir); err == nil || !strings.Contains(err.Error(), "not valid at the signed time") {
		t.Error(err)
	}
}

func conformanceDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "corpus", "sigstore-conformance", "bundle-verify")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("sigstore's conformance cases are not beside the repository: %v", err)
	}
	return dir
}

// verifyCase checks one case, with what is in its folder.
func verifyCase(t *testing.T, dir string) error {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return data
	}
	from := map[string][]byte{"key.pub": read("key.pub"), "root.json": read("trusted_root.json")}
	if from["root.json"] == nil {
		data, err := os.ReadFile(filepath.Join("testdata", "trusted-root-public-good.json"))
		if err != nil {
			t.Fatal(err)
		}
		from["root.json"] = data
	}
	authority := spec.Authority{Keyless: &spec.Keyless{
		Issuer:      cmp.Or(strings.TrimSpace(string(read("issuer"))), beaconIssuer),
		Identity:    cmp.Or(strings.TrimSpace(string(read("identity"))), beaconIdentity),
		TrustedRoot: "root.json",
	}}
	if from["key.pub"] != nil {
		authority = spec.Authority{Key: &spec.TrustKey{File: "key.pub"}}
	}
	artifact := read("artifact")
	if artifact == nil {
		artifact = read("../a.txt")
	}
	p, err := trust.Load(&spec.Trust{Authorities: map[string]spec.Authority{"signer": authority}}, files(from))
	if err != nil {
		return err
	}
	_, err = p.VerifyArtifact("signer", string(read("bundle.sigstore.json")), artifact)
	return err
}
