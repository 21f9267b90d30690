package registry

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

// editing is what somebody does to the files of a stand, with another image at hand.
type editing struct {
	*stand
	other *pushed // not signed
	lock  *spec.Lock
	proof *spec.Evidence
}

// pinned is the only image of the lock.
func (e *editing) pinned() *spec.LockedImage { return &e.lock.Images[0] }

// platform changes what the lock says of the image for amd64.
func (e *editing) platform(change func(*spec.LockedPlatform)) {
	p := e.pinned().Platforms["linux/amd64"]
	change(&p)
	e.pinned().Platforms["linux/amd64"] = p
}

// vouched puts another signature into the place of the one that the lock names.
func (e *editing) vouched(by spec.Signature) {
	e.proof = &spec.Evidence{}
	e.pinned().Verified[0].Evidence = e.proof.Add(by)
}

// What is changed in the lock, the evidence or the manifest is found out before
// anything is unpacked.
func TestEdited(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		edit    func(t *testing.T, e *editing)
		reasons []string
	}{
		{"evidence: a signature that is damaged", func(t *testing.T, e *editing) {
			for d, s := range e.proof.Signatures {
				s.Bundle = string(flipped([]byte(s.Bundle)))
				e.proof.Signatures[d] = s
			}
		}, []string{"the signature has been changed", "compose lock"}},
		{"evidence: none", func(t *testing.T, e *editing) { e.proof = nil }, []string{"owner", "no signature was found", "compose lock"}},
		{"evidence: by another key", func(t *testing.T, e *editing) {
			e.vouched(trusttest.SignBundle(t, trusttest.NewKey(t, trusttest.Ed25519), e.image.digest()))
		}, []string{"owner", "signed by another key"}},
		{"evidence: of another image", func(t *testing.T, e *editing) {
			e.vouched(trusttest.SignBundle(t, e.key, e.other.digest()))
		}, []string{"owner", "signs another image"}},
		{"evidence: of something else than that it is signed", func(t *testing.T, e *editing) {
			e.vouched(trusttest.Attest(t, e.key, e.image.digest(), provenanceType, json.RawMessage(provenance)))
		}, []string{"owner", "an attestation (predicate type " + provenanceType + ") is no signature"}},
		{"lock: another index", func(t *testing.T, e *editing) { e.pinned().Digest = e.other.digest() }, []string{"owner", "signs another image", "compose lock"}},
		{"lock: another manifest", func(t *testing.T, e *editing) {
			e.platform(func(p *spec.LockedPlatform) { p.Manifest = spec.Digest(e.other.manifest.String()) })
		}, []string{"the lock pins manifest"}},
		{"lock: another index and manifest", func(t *testing.T, e *editing) {
			e.pinned().Digest = e.other.digest()
			e.platform(func(p *spec.LockedPlatform) { p.Manifest = spec.Digest(e.other.manifest.String()) })
		}, []string{"signs another image", "compose lock"}},
		{"lock: all of another image", func(t *testing.T, e *editing) {
			e.pinned().Digest = e.other.digest()
			e.platform(func(p *spec.LockedPlatform) { *p = e.other.locked() })
		}, []string{"owner", "signs another image", "compose lock"}},
		{"lock: another config", func(t *testing.T, e *editing) {
			e.platform(func(p *spec.LockedPlatform) { p.Config = spec.Digest(e.other.config.String()) })
		}, []string{"the lock pins config"}},
		{"lock: another layer", func(t *testing.T, e *editing) {
			e.platform(func(p *spec.LockedPlatform) { p.Layers[0] = e.other.locked().Layers[0] })
		}, []string{"the lock pins other layers"}},
		{"lock: another diffID", func(t *testing.T, e *editing) {
			e.platform(func(p *spec.LockedPlatform) { p.Layers[0].DiffID = spec.Digest(e.other.diffIDs[0].String()) })
		}, []string{"the lock pins other layers"}},
		{"lock: one layer less", func(t *testing.T, e *editing) {
			e.platform(func(p *spec.LockedPlatform) { p.Layers = p.Layers[:1] })
		}, []string{"the lock pins other layers"}},
		{"lock: another size", func(t *testing.T, e *editing) {
			e.platform(func(p *spec.LockedPlatform) { p.Layers[0].Size++ })
		}, []string{"the lock pins other layers"}},
		{"lock: other grants", func(t *testing.T, e *editing) {
			e.platform(func(p *spec.LockedPlatform) { p.Grants = &spec.Grants{Capabilities: []string{"CAP_MKNOD"}} })
		}, []string{"grants something else", "compose lock -update"}},
		{"lock: accepted unsigned", func(t *testing.T, e *editing) { e.unsigned(spec.Accepted) }, []string{"owner", "no signature was found"}},
		{"lock: an exception that is none", func(t *testing.T, e *editing) { e.unsigned(spec.Excepted) }, []string{"owner"}},
		{"lock: allowed by default", func(t *testing.T, e *editing) { e.unsigned(spec.Allowed) }, []string{"owner"}},
		{"lock: vouched for by nobody", func(t *testing.T, e *editing) { e.pinned().Verified = nil }, []string{"no signature was found"}},
		{"manifest: another key", func(t *testing.T, e *editing) {
			e.write(t, "owner.pub", string(trusttest.NewKey(t, trusttest.Ed25519).PublicPEM))
		}, []string{"owner"}},
		{"manifest: the key is denied", func(t *testing.T, e *editing) {
			e.append(t, `  deny: {keys: ["`+string(e.key.Fingerprint)+`"]}`)
		}, []string{"denied", "key sha256:"}},
		{"manifest: the index is denied", func(t *testing.T, e *editing) {
			e.append(t, `  deny: {digests: ["`+e.image.index.String()+`"]}`)
		}, []string{"denied"}},
		{"manifest: a layer is denied", func(t *testing.T, e *editing) {
			e.append(t, `  deny: {digests: ["`+e.image.layers[1].String()+`"]}`)
		}, []string{"denied"}},
		{"manifest: an attestation is demanded", func(t *testing.T, e *editing) {
			text := strings.Replace(e.read(t, "system.yml"), "anyOf: [owner],",
				`anyOf: [owner], attestations: [{type: "`+provenanceType+`", anyOf: [owner]}],`, 1)
			e.write(t, "system.yml", text)
		}, []string{provenanceType, "compose lock"}},
		{"manifest: no policy", func(t *testing.T, e *editing) {
			e.write(t, "system.yml", manifest("", e.image))
		}, []string{"no policy covers"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := &editing{stand: newStand(t)}
			e.other = push(t, e.front.host, "signed/init", "tools")
			e.lock, e.proof = e.locked(t), &spec.Evidence{Signatures: e.evidence(t)}
			tt.edit(t, e)
			e.save(t)
			for _, cache := range []string{"cache", "fresh"} {
				l := e.caching(cache)
				l.forget(t, "layers", "archives", "members", "notes/outputs")
				seen := l.watch(t)
				l.refuses(t, tt.reasons, "build", "-format", "tar", "-dir", "out", "system.yml")
				if names := seen(); len(names) > 0 {
					t.Errorf("layers were unpacked: %q", names)
				}
				if names := files(t, l.path("out")); len(names) > 0 {
					t.Errorf("there are outputs: %q", names)
				}
			}
		})
	}
}

// unsigned has the lock take the image without a signature.
func (e *editing) unsigned(word string) {
	e.pinned().Unsigned, e.pinned().Verified = word, nil
}

// append adds to the manifest's trust section, which is its last.
func (e *editing) append(t *testing.T, line string) {
	t.Helper()
	e.write(t, "system.yml", e.read(t, "system.yml")+line+"\n")
}

// save writes the lock and the evidence.
func (e *editing) save(t *testing.T) {
	t.Helper()
	lock, err := e.lock.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	e.write(t, "system.lock.json", string(lock))
	if e.proof == nil {
		if err := os.Remove(e.path("system.evidence.json")); err != nil {
			t.Fatal(err)
		}
		return
	}
	proof, err := e.proof.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	e.write(t, "system.evidence.json", string(proof))
}
