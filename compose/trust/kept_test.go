package trust_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

var update = flag.Bool("update", false, "make the signatures in testdata/kept.json anew")

// kept is signatures that were made once, by keys that nobody has any more: what a lock
// and its evidence are after years.
type kept struct {
	Key     string // in PEM
	Root    json.RawMessage
	Payload map[string][]byte // what is signed, by format
	Signed  map[string]spec.Signature
}

func loadKept(tb testing.TB) (*trust.Policy, kept) {
	tb.Helper()
	var k kept
	data, err := os.ReadFile(filepath.Join("testdata", "kept.json"))
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(data, &k); err != nil {
		tb.Fatal(err)
	}
	p, err := trust.Load(section(tb, `
authorities:
  k: {key: {file: k.pub}}
  i: {keyless: {issuer: "`+issuer+`", identity: "`+identity+`", trustedRoot: root.json}}
policies: [{match: "**", anyOf: [k, i], formats: [bundle, legacy]}]
`), files(map[string][]byte{"k.pub": []byte(k.Key), "root.json": k.Root}))
	if err != nil {
		tb.Fatal(err)
	}
	return p, k
}

func TestKept(t *testing.T) {
	if *update {
		makeKept(t)
	}
	p, k := loadKept(t)
	for name, sig := range k.Signed {
		v, err := p.Verify(subject(t, "linuxkit/init"), []spec.Signature{sig})
		if err != nil || len(v.Verified) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(k.Signed) != 4 {
		t.Errorf("%d signatures", len(k.Signed))
	}
}

func makeKept(t *testing.T) {
	t.Helper()
	key, world := trusttest.NewKey(t, trusttest.P256), trusttest.NewSigstore(t)
	by := trusttest.By{Identity: identity, Issuer: issuer}
	data, err := json.MarshalIndent(kept{
		Key: string(key.PublicPEM), Root: world.TrustedRootJSON,
		Payload: map[string][]byte{
			spec.FormatBundle: trusttest.Statement(t, trusttest.StatementV1, spec.SignatureType, struct{}{}, index),
			spec.FormatLegacy: trusttest.SimpleSigning(t, "x", index),
		},
		Signed: map[string]spec.Signature{
			"bundle by a key": trusttest.SignBundle(t, key, index), "bundle by an identity": world.SignBundle(t, by, index),
			"legacy by a key": trusttest.SignLegacy(t, key, "x", index), "legacy by an identity": world.SignLegacy(t, by, "x", index),
		},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", "kept.json"), append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
