package registry

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

// world is who signs in a test: an owner who may, and a stranger; with keys, and with
// identities of a sigstore, where there is another one too.
type world struct {
	owner, stranger *trusttest.Key
	here, elsewhere *trusttest.Sigstore
}

func newWorld(t *testing.T, l *lab) *world {
	t.Helper()
	w := &world{
		trusttest.NewKey(t, trusttest.P256), trusttest.NewKey(t, trusttest.P256),
		trusttest.NewSigstore(t), trusttest.NewSigstore(t),
	}
	l.write(t, "owner.pub", string(w.owner.PublicPEM))
	l.write(t, "root.json", string(w.here.TrustedRootJSON))
	return w
}

// by is the owner's identity with something else about it.
func by(change func(*trusttest.By)) trusttest.By {
	b := ci()
	change(&b)
	return b
}

// refusal is a signature that is not enough.
type refusal struct {
	name    string
	trust   string
	sign    func(t *testing.T, w *world, i *pushed) spec.Signature
	reasons []string
}

// unknownType is like that of a signature.
const unknownType = "https://sigstore.dev/cosign/sign/v2"

// refusals of signatures by keys.
func keyRefusals() []refusal {
	attest := func(predicate string) func(*testing.T, *world, *pushed) spec.Signature {
		return func(t *testing.T, w *world, i *pushed) spec.Signature {
			return trusttest.Attest(t, w.owner, i.digest(), predicate, json.RawMessage(provenance))
		}
	}
	another := spec.DigestOf([]byte("another image"))
	return []refusal{
		{"another key", byKey("owner.pub"), func(t *testing.T, w *world, i *pushed) spec.Signature {
			return trusttest.SignBundle(t, w.stranger, i.digest())
		}, []string{"signed by another key: sha256:"}},
		{"another key, legacy", byKey("owner.pub", "legacy"), func(t *testing.T, w *world, i *pushed) spec.Signature {
			return trusttest.SignLegacy(t, w.stranger, i.repo, i.digest())
		}, []string{"signed by another key, or changed since"}},
		{"another digest", byKey("owner.pub"), func(t *testing.T, w *world, _ *pushed) spec.Signature {
			return trusttest.SignBundle(t, w.owner, another)
		}, []string{"signs another image: " + string(another)}},
		{"another digest, legacy", byKey("owner.pub", "legacy"), func(t *testing.T, w *world, i *pushed) spec.Signature {
			return trusttest.SignLegacy(t, w.owner, i.repo, another)
		}, []string{"signs another image: " + string(another)}},
		{"an attestation in place of a signature", byKey("owner.pub"), attest(provenanceType), []string{"an attestation (predicate type " + provenanceType + ") is no signature"}},
		{"a signature of an unknown type", byKey("owner.pub"), attest(unknownType), []string{"an attestation (predicate type " + unknownType + ") is no signature"}},
		{"a bundle where only legacy counts", byKey("owner.pub", "legacy"), func(t *testing.T, w *world, i *pushed) spec.Signature {
			return trusttest.SignBundle(t, w.owner, i.digest())
		}, []string{"the format bundle is not taken"}},
		{"legacy where only a bundle counts", byKey("owner.pub"), func(t *testing.T, w *world, i *pushed) spec.Signature {
			return trusttest.SignLegacy(t, w.owner, i.repo, i.digest())
		}, []string{"the format legacy is not taken"}},
	}
}

// refusals of signatures by identities.
func keylessRefusals() []refusal {
	var all []refusal
	for _, format := range formats() {
		for _, r := range []struct {
			name    string
			by      trusttest.By
			reasons []string
		}{
			{"another identity", by(func(b *trusttest.By) { b.Identity += "-other" }), []string{"identity is " + ci().Identity + "-other, not " + ci().Identity}},
			{"another issuer", by(func(b *trusttest.By) { b.Issuer = "https://issuer.example.com" }), []string{"issuer is https://issuer.example.com, not " + ci().Issuer}},
			{"expired", by(func(b *trusttest.By) { b.Expired = true }), []string{"the certificate was not valid at the signed time"}},
			{"in no log of certificates", by(func(b *trusttest.By) { b.NoSCT = true }), []string{"SCT"}},
			{"in no log of signatures", by(func(b *trusttest.By) { b.NoTlog = true }), []string{"0 logs have it; the policy demands 1"}},
		} {
			all = append(all, refusal{r.name + ", " + format, byIdentity(ci(), format), func(t *testing.T, w *world, i *pushed) spec.Signature {
				return signedBy(t, w.here, r.by, format, i)
			}, r.reasons})
		}
		all = append(all, refusal{"another root, " + format, byIdentity(ci(), format), func(t *testing.T, w *world, i *pushed) spec.Signature {
			return signedBy(t, w.elsewhere, ci(), format, i)
		}, []string{"the pinned root does not have"}})
	}
	return all
}

// What is not signed as the policy demands is refused, with the reason, and nothing of
// it is unpacked.
func TestRefused(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		l := newLab(t)
		w := newWorld(t, l)
		for _, r := range append(keyRefusals(), keylessRefusals()...) {
			t.Run(r.name, func(t *testing.T) {
				image := push(t, p.host, "refused/"+strings.NewReplacer(", ", "/", " ", "-").Replace(strings.ToLower(r.name)), "init")
				image.attach(t, r.sign(t, w, image))
				l.write(t, "system.yml", manifest(r.trust, image))
				l.refusesToLock(t, append(r.reasons, image.tagged(), "owner"))
			})
		}
	})
}

// refusesToLock wants system.yml to be refused, also by a build that would make the
// lock, and nothing to be unpacked.
func (l *lab) refusesToLock(t *testing.T, reasons []string) {
	t.Helper()
	seen := l.watch(t)
	l.refuses(t, reasons, "lock", "system.yml")
	l.refuses(t, reasons, "build", "-format", "tar", "-dir", "out", "system.yml")
	if names := seen(); len(names) > 0 {
		t.Errorf("layers were unpacked: %q", names)
	}
	if l.there("system.lock.json") || l.there("system.evidence.json") || l.there("out") {
		t.Error("there is a lock or an output")
	}
}

// What is denied is refused, however well it is signed, and nobody's word for it helps.
func TestDenied(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	w := newWorld(t, l)
	image := push(t, inProcess(t).host, "denied", "init")
	image.attach(t, trusttest.SignBundle(t, w.owner, image.digest()), w.here.SignBundle(t, ci(), image.digest()))
	for _, tt := range []struct{ name, trust, deny, reason string }{
		{"key", byKey("owner.pub"), "keys: [" + string(w.owner.Fingerprint) + "]", string(w.owner.Fingerprint)},
		{"identity", byIdentity(ci(), "bundle"), `identities: ["` + ci().Identity + `"]`, ci().Identity},
		{"index", byKey("owner.pub"), "digests: [" + image.index.String() + "]", image.index.String()},
		{"manifest", byKey("owner.pub"), "digests: [" + image.manifest.String() + "]", image.manifest.String()},
		{"config", byKey("owner.pub"), "digests: [" + image.config.String() + "]", image.config.String()},
		{"layer", byKey("owner.pub"), "digests: [" + image.layers[1].String() + "]", image.layers[1].String()},
		{"diffID", byKey("owner.pub"), "digests: [" + image.diffIDs[1].String() + "]", image.diffIDs[1].String()},
		{"default allow", "trust:\n  default: allow\n", "digests: [" + image.index.String() + "]", image.index.String()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l.write(t, "system.yml", manifest(tt.trust, image))
			l.does(t, "lock", "-lock", tt.name+".lock.json", "system.yml")
			l.write(t, "system.yml", manifest(tt.trust+"  deny: {"+tt.deny+"}\n", image))
			l.refusesToLock(t, []string{image.tagged(), tt.reason, "denied"})
			l.refuses(t, []string{image.tagged(), tt.reason, "denied"}, "build", "-lock", tt.name+".lock.json", "-format", "tar", "-dir", "out", "system.yml")
			l.refuses(t, []string{image.tagged(), tt.reason, "denied"}, "lock", "-accept-unsigned", "**", "system.yml")
		})
	}
}
