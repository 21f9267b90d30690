package trust_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

const provenance = "https://slsa.dev/provenance/v1"

// world is who signs in the table.
type world struct {
	testing.TB
	owner, second, stranger *trusttest.Key
	sigstore, another       *trusttest.Sigstore
	by                      trusttest.By
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{
		TB:    t,
		owner: trusttest.NewKey(t, trusttest.Ed25519), second: trusttest.NewKey(t, trusttest.P256), stranger: trusttest.NewKey(t, trusttest.Ed25519),
		sigstore: trusttest.NewSigstore(t), another: trusttest.NewSigstore(t),
		by: trusttest.By{Identity: identity, Issuer: issuer},
	}
}

// authorities are those of every section in the table; OWNER and SECOND are
// fingerprints, INDEX and such digests.
const authorities = `
authorities:
  owner: {key: {file: keys/owner.pub}}
  second: {key: {file: keys/second.pub}}
  ci: {keyless: {issuer: "` + issuer + `", identity: "` + identity + `", trustedRoot: root.json}}
  ci-no-log: {keyless: {issuer: "` + issuer + `", identity: "` + identity + `", trustedRoot: root.json, require: {tlog: 0}}}
  ci-no-sct: {keyless: {issuer: "` + issuer + `", identity: "` + identity + `", trustedRoot: root.json, require: {sct: 0}}}
  ci-two-times: {keyless: {issuer: "` + issuer + `", identity: "` + identity + `", trustedRoot: root.json, require: {timestamps: 2}}}
  ci-two-logs: {keyless: {issuer: "` + issuer + `", identity: "` + identity + `", trustedRoot: root.json, require: {tlog: 2}}}
  ci-two-scts: {keyless: {issuer: "` + issuer + `", identity: "` + identity + `", trustedRoot: root.json, require: {sct: 2}}}
`

func (w *world) policy(t *testing.T, text string, more ...spec.TrustDeny) *trust.Policy {
	t.Helper()
	p, err := trust.Load(section(t, authorities+w.expand(text)), files(w.files()), more...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) files() map[string][]byte {
	return map[string][]byte{
		"keys/owner.pub": w.owner.PublicPEM, "keys/second.pub": w.second.PublicPEM, "root.json": w.sigstore.TrustedRootJSON,
	}
}

func (w *world) expand(text string) string {
	return strings.NewReplacer(
		"OWNER", string(w.owner.Fingerprint), "SECOND", string(w.second.Fingerprint),
		"INDEX", string(index), "MANIFEST", string(manifest), "OTHER", string(other), "LAYER", string(layer), "IDENTITY", identity,
	).Replace(text)
}

var layer = spec.DigestOf([]byte("layer"))

// one returns a way to sign that gives one signature.
func one(f func(w *world) spec.Signature) func(w *world) []spec.Signature {
	return func(w *world) []spec.Signature { return []spec.Signature{f(w)} }
}

var (
	byOwner  = one(func(w *world) spec.Signature { return trusttest.SignBundle(w, w.owner, index) })
	bySecond = one(func(w *world) spec.Signature { return trusttest.SignBundle(w, w.second, index) })
	byCI     = one(func(w *world) spec.Signature { return w.sigstore.SignBundle(w, w.by, index) })
	legacyCI = one(func(w *world) spec.Signature { return w.sigstore.SignLegacy(w, w.by, "x", index) })
	nobody   = func(*world) []spec.Signature { return nil }
)

// with is a signature of ci with something amiss.
func with(f func(by *trusttest.By)) func(w *world) []spec.Signature {
	return one(func(w *world) spec.Signature {
		by := w.by
		f(&by)
		return w.sigstore.SignBundle(w, by, index)
	})
}

// legacyWith is the same in the older format.
func legacyWith(f func(by *trusttest.By)) func(w *world) []spec.Signature {
	return one(func(w *world) spec.Signature {
		by := w.by
		f(&by)
		return w.sigstore.SignLegacy(w, by, "x", index)
	})
}

// both puts what two ways give together.
func both(ways ...func(w *world) []spec.Signature) func(w *world) []spec.Signature {
	return func(w *world) []spec.Signature {
		var all []spec.Signature
		for _, f := range ways {
			all = append(all, f(w)...)
		}
		return all
	}
}

// attested is a statement about the index by a key.
func attested(key func(w *world) *trusttest.Key, kind string, digest spec.Digest) func(w *world) []spec.Signature {
	return one(func(w *world) spec.Signature {
		return trusttest.Attest(w, key(w), digest, kind, map[string]int{"a": 1})
	})
}

func owner(w *world) *trusttest.Key  { return w.owner }
func second(w *world) *trusttest.Key { return w.second }

const (
	ownerSigns = `policies: [{match: "docker.io/linuxkit/*", anyOf: [owner]}]`
	anyFormat  = `policies: [{match: "docker.io/linuxkit/*", anyOf: [owner, ci], formats: [bundle, legacy]}]`
	ciSigns    = `policies: [{match: "docker.io/linuxkit/*", anyOf: [ci]}]`
	ownerSLSA  = `policies: [{match: "docker.io/linuxkit/*", anyOf: [owner], attestations: [{type: "` + provenance + `", anyOf: [second, ci]}]}]`
)

// ciWith is a policy of one of the authorities that want other numbers of witnesses.
func ciWith(name string) string {
	return `policies: [{match: "**", anyOf: [` + name + `], formats: [bundle, legacy]}]`
}

// policyCases are images before policies. image is linuxkit/init:v1 where nothing is
// said, and its index is INDEX, the platform's manifest MANIFEST, and a layer LAYER.
//
// want is what came of it: "signed by" and the authorities; a word of spec for an image
// that is taken unsigned; "package" for one that no policy is for; or the kind of the
// error, a colon, and what is in its text.
var policyCases = []struct {
	name, trust, image string
	found              func(w *world) []spec.Signature
	want               string
}{
	// Which policy.
	{"the one policy that matches", ownerSigns, "", byOwner, "signed by owner"},
	{"no section", ``, "", byOwner, "uncovered: docker.io/linuxkit/init:v1: no policy covers the image"},
	{"no policy matches", ownerSigns, "alpine:3", byOwner, "uncovered: docker.io/library/alpine:3"},
	{"a * is one part", ownerSigns, "linuxkit/a/b", byOwner, "uncovered:"},
	{"a ** is many parts", `policies: [{match: "docker.io/**", anyOf: [owner]}]`, "linuxkit/a/b", byOwner, "signed by owner"},
	{"the host of Docker Hub is meant", `policies: [{match: "linuxkit/*", anyOf: [owner]}]`, "", byOwner, "signed by owner"},
	{"another host is another image", ownerSigns, "ghcr.io/linuxkit/init", byOwner, "uncovered:"},
	{"plain text before *", `policies: [{match: "docker.io/linuxkit/*", anyOf: [second]}, {match: "docker.io/linuxkit/init", anyOf: [owner]}]`, "", byOwner, "signed by owner"},
	{"the order does not matter", `policies: [{match: "docker.io/linuxkit/init", anyOf: [owner]}, {match: "docker.io/linuxkit/*", anyOf: [second]}]`, "", byOwner, "signed by owner"},
	{"* before **", `policies: [{match: "docker.io/**", anyOf: [second]}, {match: "docker.io/linuxkit/*", anyOf: [owner]}]`, "", byOwner, "signed by owner"},
	{"more letters before fewer", `policies: [{match: "docker.io/linuxkit/i*", anyOf: [second]}, {match: "docker.io/linuxkit/ini*", anyOf: [owner]}]`, "", byOwner, "signed by owner"},
	{"a tag before none", `policies: [{match: "docker.io/linuxkit/init", anyOf: [second]}, {match: "docker.io/linuxkit/init:v1", anyOf: [owner]}]`, "", byOwner, "signed by owner"},
	{"another tag", `policies: [{match: "docker.io/linuxkit/init", anyOf: [second]}, {match: "docker.io/linuxkit/init:v2", anyOf: [owner]}]`, "", byOwner, "refused:"},
	{"a digest before none", `policies: [{match: "docker.io/linuxkit/init", anyOf: [second]}, {match: "docker.io/linuxkit/init@INDEX", anyOf: [owner]}]`, "linuxkit/init@INDEX", byOwner, "signed by owner"},
	{"the most specific alone counts", `policies: [{match: "**", anyOf: [owner]}, {match: "docker.io/linuxkit/*", anyOf: [second]}]`, "", byOwner, `refused: the policy "docker.io/linuxkit/*"`},
	{"a tie", `policies: [{match: "docker.io/linuxkit/in*", anyOf: [owner]}, {match: "docker.io/linuxkit/*it", anyOf: [owner]}]`, "", byOwner, `tie: "docker.io/linuxkit/in*"`},
	{"a tie has both positions", "policies:\n- {match: 'docker.io/linuxkit/in*', anyOf: [owner]}\n- {match: 'docker.io/linuxkit/*it', anyOf: [owner]}\n", "", byOwner, `tie: "docker.io/linuxkit/*it" (trust.yml:`},
	{"a tie that a third settles", `policies: [{match: "docker.io/linuxkit/in*", anyOf: [second]}, {match: "docker.io/linuxkit/*it", anyOf: [second]}, {match: "docker.io/linuxkit/init", anyOf: [owner]}]`, "", byOwner, "signed by owner"},
	{"a tie of others", `policies: [{match: "docker.io/a/in*", anyOf: [owner]}, {match: "docker.io/a/*it", anyOf: [owner]}, {match: "docker.io/linuxkit/*", anyOf: [owner]}]`, "", byOwner, "signed by owner"},
	{"the manifest's name, not a mirror's", `policies: [{match: "mirror.example.com/**", anyOf: [second]}, {match: "docker.io/**", anyOf: [owner]}]`, "", byOwner, "signed by owner"},
	{"a mirror's own name is an image too", `policies: [{match: "mirror.example.com/**", anyOf: [second]}, {match: "docker.io/**", anyOf: [owner]}]`, "mirror.example.com/linuxkit/init", byOwner, "refused:"},
	{"a layout by its path", `policies: [{match: "oci:images/*", anyOf: [owner]}]`, "oci:images/init", byOwner, "signed by owner"},
	{"a layout that is not covered", `policies: [{match: "**", anyOf: [owner]}]`, "oci:images/init", byOwner, "uncovered: oci:images/init"},
	{"an archive by its path", `policies: [{match: "docker-archive:images/*", anyOf: [owner]}]`, "docker-archive:images/init.tar", nobody, "refused: no signature was found"},
	{"an archive that is not covered", ownerSigns, "docker-archive:images/init.tar", nobody, "uncovered:"},
	{"a package source needs none", `policies: [{match: "**", anyOf: [owner]}]`, "pkg:pkgs/init", nobody, "package"},

	// Default and exceptions.
	{"default allow", `default: allow`, "", nobody, spec.Allowed},
	{"default deny in full", `default: deny`, "", nobody, "uncovered:"},
	{"default allow is not for what is covered", "default: allow\n" + ownerSigns, "", nobody, "refused: no signature was found"},
	{"an exception by the index", ownerSigns + "\nexceptions: [{image: 'linuxkit/init@INDEX', reason: x}]", "", nobody, spec.Excepted},
	{"an exception by the manifest", ownerSigns + "\nexceptions: [{image: 'linuxkit/init@MANIFEST', reason: x}]", "", nobody, spec.Excepted},
	{"an exception's tag does not matter", ownerSigns + "\nexceptions: [{image: 'linuxkit/init:v9@INDEX', reason: x}]", "", nobody, spec.Excepted},
	{"an exception of another digest", ownerSigns + "\nexceptions: [{image: 'linuxkit/init@OTHER', reason: x}]", "", nobody, "refused:"},
	{"an exception of another image", ownerSigns + "\nexceptions: [{image: 'linuxkit/runc@INDEX', reason: x}]", "", nobody, "refused:"},
	{"an exception of a layer's digest", ownerSigns + "\nexceptions: [{image: 'linuxkit/init@LAYER', reason: x}]", "", nobody, "refused:"},
	{"an exception without a policy", `exceptions: [{image: 'linuxkit/init@INDEX', reason: x}]`, "", nobody, spec.Excepted},
	{"an exception of a layout", `exceptions: [{image: 'oci:images/init@INDEX', reason: x}]`, "oci:images/init", nobody, spec.Excepted},

	// What is denied.
	{"a denied index", ownerSigns + "\ndeny: {digests: [INDEX]}", "", byOwner, "denied: the image's digest sha256:"},
	{"a denied manifest", ownerSigns + "\ndeny: {digests: [MANIFEST]}", "", byOwner, "denied: the image's digest sha256:"},
	{"a denied layer", ownerSigns + "\ndeny: {digests: [LAYER]}", "", byOwner, "denied: in the image sha256:"},
	{"another denied digest", ownerSigns + "\ndeny: {digests: [OTHER]}", "", byOwner, "signed by owner"},
	{"denied over an exception", "exceptions: [{image: 'linuxkit/init@INDEX', reason: x}]\ndeny: {digests: [INDEX]}", "", nobody, "denied:"},
	{"denied over default allow", "default: allow\ndeny: {digests: [LAYER]}", "", nobody, "denied:"},
	{"denied over not covered", "deny: {digests: [INDEX]}", "", nobody, "denied:"},
	{"denied in a package", "deny: {digests: [LAYER]}", "pkg:pkgs/init", nobody, "denied:"},
	{"a denied key over its signature", ownerSigns + "\ndeny: {keys: [OWNER]}", "", byOwner, "denied: the key sha256:"},
	{"a denied key over a legacy signature", anyFormat + "\ndeny: {keys: [OWNER]}", "", one(func(w *world) spec.Signature { return trusttest.SignLegacy(w, w.owner, "x", index) }), "denied: the key"},
	{"a denied key beside a good one", `policies: [{match: "**", anyOf: [owner, second]}]` + "\ndeny: {keys: [OWNER]}", "", both(byOwner, bySecond), "signed by second"},
	{"a denied key that did not sign", ownerSigns + "\ndeny: {keys: [SECOND]}", "", byOwner, "signed by owner"},
	{"a denied key and no signature", ownerSigns + "\ndeny: {keys: [OWNER]}", "", nobody, "refused: no signature was found"},
	{"a denied identity over its signature", ciSigns + "\ndeny: {identities: ['IDENTITY']}", "", byCI, "denied: the identity https://github.com/acme"},
	{"a denied identity over a legacy signature", anyFormat + "\ndeny: {identities: ['IDENTITY']}", "", legacyCI, "denied: the identity"},
	{"another denied identity", ciSigns + "\ndeny: {identities: ['IDENTITY2']}", "", byCI, "signed by ci"},
	{"a denied key over an attestation", ownerSLSA + "\ndeny: {keys: [SECOND]}", "", both(byOwner, attested(second, provenance, index)), "denied: the key"},

	// Signatures by keys.
	{"a signature of the manifest", ownerSigns, "", one(func(w *world) spec.Signature { return trusttest.SignBundle(w, w.owner, manifest) }), "signed by owner"},
	{"no signature", ownerSigns, "", nobody, "refused: demands a signature of owner"},
	{"another key", ownerSigns, "", one(func(w *world) spec.Signature { return trusttest.SignBundle(w, w.stranger, index) }), "refused: is not of owner: signed by another key: sha256:"},
	{"another authority's key", ownerSigns, "", bySecond, "refused: signed by another key"},
	{"an identity where a key is wanted", ownerSigns, "", byCI, "refused: signed by an identity (https://github.com/acme"},
	{"the second of two authorities", `policies: [{match: "**", anyOf: [owner, second]}]`, "", bySecond, "signed by second"},
	{"the first of two that both signed", `policies: [{match: "**", anyOf: [second, owner]}]`, "", both(byOwner, bySecond), "signed by second"},
	{"an identity as the second authority", `policies: [{match: "**", anyOf: [owner, ci]}]`, "", byCI, "signed by ci"},
	{"a good one among bad ones", ownerSigns, "", both(bySecond, byCI, attested(owner, provenance, index), byOwner), "signed by owner"},
	{"the same one many times", ownerSigns, "", both(byOwner, byOwner, byOwner), "signed by owner"},
	{"another image's signature", ownerSigns, "", one(func(w *world) spec.Signature { return trusttest.SignBundle(w, w.owner, other) }), "refused: signs another image"},
	{"a layer's signature", ownerSigns, "", one(func(w *world) spec.Signature { return trusttest.SignBundle(w, w.owner, layer) }), "refused: signs another image"},
	{"one statement of many images", ownerSigns, "", one(func(w *world) spec.Signature {
		return trusttest.SignStatement(w, w.owner, trusttest.Statement(w, trusttest.StatementV1, spec.SignatureType, nil, other, manifest))
	}), "signed by owner"},
	{"a statement of version 0.1", ownerSigns, "", one(func(w *world) spec.Signature {
		return trusttest.SignStatement(w, w.owner, trusttest.Statement(w, trusttest.StatementV01, spec.SignatureType, nil, index))
	}), "signed by owner"},
	{"a statement of a version to come", ownerSigns, "", one(func(w *world) spec.Signature {
		return trusttest.SignStatement(w, w.owner, trusttest.Statement(w, "https://in-toto.io/Statement/v2", spec.SignatureType, nil, index))
	}), "refused: its statement is of the type https://in-toto.io/Statement/v2"},
	{"a payload that is no statement", ownerSigns, "", one(func(w *world) spec.Signature {
		return trusttest.SignPayload(w, w.owner, "text/plain", trusttest.Statement(w, trusttest.StatementV1, spec.SignatureType, nil, index))
	}), "refused: payload of the type text/plain"},
	{"a statement with a key twice", ownerSigns, "", one(func(w *world) spec.Signature {
		twice := strings.Replace(string(trusttest.Statement(w, trusttest.StatementV1, spec.SignatureType, nil, index)), "{", `{"PredicateType":"x",`, 1)
		return trusttest.SignStatement(w, w.owner, []byte(twice))
	}), "refused: its statement: "},
	{"a statement without subjects", ownerSigns, "", one(func(w *world) spec.Signature {
		return trusttest.SignStatement(w, w.owner, trusttest.Statement(w, trusttest.StatementV1, spec.SignatureType, nil))
	}), "refused: its statement has no subject"},
	{"bytes in place of a statement", ownerSigns, "", one(func(w *world) spec.Signature { return trusttest.SignArtifact(w, w.second, []byte("x")) }), "refused: it signs bytes"},
	{"an attestation in place of a signature", ownerSigns, "", attested(owner, provenance, index), "refused: an attestation (predicate type https://slsa.dev/provenance/v1) is no signature"},
	{"a changed payload", ownerSigns, "", one(func(w *world) spec.Signature { return swapPayload(w, byOwner(w)[0], index) }), "refused: changed since it was signed"},
	{"no bundle at all", ownerSigns, "", one(func(*world) spec.Signature { return spec.Signature{Format: spec.FormatBundle, Bundle: "{}"} }), "refused: it is not a sigstore bundle"},
	{"no JSON at all", ownerSigns, "", one(func(*world) spec.Signature { return spec.Signature{Format: spec.FormatBundle, Bundle: "\x1b[2J"} }), "refused: it is not JSON"},

	// Formats.
	{"the older format is not taken unasked", ownerSigns, "", one(func(w *world) spec.Signature { return trusttest.SignLegacy(w, w.owner, "x", index) }), "refused: the format legacy is not taken by the policy"},
	{"the older format where it is asked", anyFormat, "", one(func(w *world) spec.Signature { return trusttest.SignLegacy(w, w.owner, "x", index) }), "signed by owner"},
	{"the older format alone", `policies: [{match: "**", anyOf: [owner], formats: [legacy]}]`, "", byOwner, "refused: the format bundle is not taken"},
	{"the older format of the manifest", anyFormat, "", one(func(w *world) spec.Signature { return trusttest.SignLegacy(w, w.owner, "x", manifest) }), "signed by owner"},
	{"the older format, another key", anyFormat, "", one(func(w *world) spec.Signature { return trusttest.SignLegacy(w, w.stranger, "x", index) }), "refused: signed by another key, or changed since"},
	{"the older format, another image", anyFormat, "", one(func(w *world) spec.Signature { return trusttest.SignLegacy(w, w.owner, "x", other) }), "refused: signs another image"},
	{"the older format, another name in it", anyFormat, "", one(func(w *world) spec.Signature {
		return trusttest.SignLegacy(w, w.owner, "docker.io/somebody/else", index)
	}), "signed by owner"},
	{"the older format, another type", anyFormat, "", one(func(w *world) spec.Signature {
		return trusttest.SignLegacyPayload(w, w.owner, []byte(`{"critical":{"type":"atomic container signature","image":{"docker-manifest-digest":"`+string(index)+`"}}}`))
	}), `refused: its payload is of the type atomic container signature`},
	{"the older format by an identity", anyFormat, "", legacyCI, "signed by ci"},
	{"the older format by another identity", anyFormat, "", legacyWith(func(by *trusttest.By) { by.Identity = "https://example.com/x" }), "refused: identity is https://example.com/x, not https://github.com"},
	{"the older format, expired", anyFormat, "", legacyWith(func(by *trusttest.By) { by.Expired = true }), "refused: the certificate was not valid at the signed time"},
	{"the older format, not in the log", anyFormat, "", legacyWith(func(by *trusttest.By) { by.NoTlog = true }), "refused: 0 logs have it; the policy demands 1"},
	{"the older format, the log's time alone", anyFormat, "", legacyWith(func(by *trusttest.By) { by.NoTimestamp = true }), "signed by ci"},
	{"the older format, no SCT", anyFormat, "", legacyWith(func(by *trusttest.By) { by.NoSCT = true }), "refused: certificate logs (SCT)"},
	{"the older format with a certificate of a key", anyFormat, "", one(func(w *world) spec.Signature {
		s := trusttest.SignLegacy(w, w.owner, "x", index)
		s.Certificate = legacyCI(w)[0].Certificate
		return s
	}), "refused: is not of ci:"},

	// Identities.
	{"an identity", ciSigns, "", byCI, "signed by ci"},
	{"another identity", ciSigns, "", with(func(by *trusttest.By) { by.Identity = "mallory@example.com" }), "refused: identity is mallory@example.com, not https://github.com/acme"},
	{"the identity with more behind it", ciSigns, "", with(func(by *trusttest.By) { by.Identity += "2" }), "refused: identity is"},
	{"another issuer", ciSigns, "", with(func(by *trusttest.By) { by.Issuer = "https://example.com" }), "refused: issuer is https://example.com, not https://token.actions"},
	{"another root", ciSigns, "", one(func(w *world) spec.Signature { return w.another.SignBundle(w, w.by, index) }), "refused: the log entry is of a log that the pinned root does not have"},
	{"another root, no log asked", ciWith("ci-no-log"), "", one(func(w *world) spec.Signature { return w.another.SignBundle(w, w.by, index) }), "refused: fewer signed times are good"},
	{"signed after the certificate was valid", ciSigns, "", with(func(by *trusttest.By) { by.Expired = true }), "refused: the certificate was not valid at the signed time"},
	{"signed when the root was not yet", ciSigns, "", with(func(by *trusttest.By) { by.At = trusttest.Day.AddDate(-20, 0, 0) }), "refused: "},
	{"an attestation by an identity", ciSigns, "", one(func(w *world) spec.Signature { return w.sigstore.Attest(w, w.by, index, provenance, nil) }), "refused: an attestation (predicate type"},
	{"another image's by an identity", ciSigns, "", one(func(w *world) spec.Signature { return w.sigstore.SignBundle(w, w.by, other) }), "refused: signs another image"},
	{"a key where an identity is wanted", ciSigns, "", byOwner, "refused: signed by a key, not by an identity"},
	{"a changed payload of an identity", ciSigns, "", one(func(w *world) spec.Signature {
		return swapPayload(w, w.sigstore.SignBundle(w, w.by, other), index)
	}), "refused: the signature is not by the certificate's key"},
	{"a certificate on P-384", ciSigns, "", with(func(by *trusttest.By) { by.Kind = trusttest.P384 }), "signed by ci"},

	// Witnesses.
	{"not in a log", ciSigns, "", with(func(by *trusttest.By) { by.NoTlog = true }), "refused: 0 logs have it; the policy demands 1"},
	{"not in a log, none asked", ciWith("ci-no-log"), "", with(func(by *trusttest.By) { by.NoTlog = true }), "signed by ci-no-log"},
	{"the log's time does not count where no log is asked", ciWith("ci-no-log"), "", with(func(by *trusttest.By) { by.NoTimestamp = true }), "refused: fewer signed times"},
	{"the log's time counts", ciSigns, "", with(func(by *trusttest.By) { by.NoTimestamp = true }), "signed by ci"},
	{"no signed time", ciSigns, "", with(func(by *trusttest.By) { by.NoTimestamp, by.NoPromise = true, true }), "refused: fewer signed times"},
	{"two times asked, two there", ciWith("ci-two-times"), "", byCI, "signed by ci-two-times"},
	{"two times asked, one there", ciWith("ci-two-times"), "", with(func(by *trusttest.By) { by.NoTimestamp = true }), "refused: fewer signed times"},
	{"two logs asked", ciWith("ci-two-logs"), "", byCI, "refused: 1 logs have it; the policy demands 2"},
	{"no SCT", ciSigns, "", with(func(by *trusttest.By) { by.NoSCT = true }), "refused: fewer promises of certificate logs (SCT)"},
	{"no SCT, none asked", ciWith("ci-no-sct"), "", with(func(by *trusttest.By) { by.NoSCT = true }), "signed by ci-no-sct"},
	{"two SCTs asked", ciWith("ci-two-scts"), "", byCI, "refused: fewer promises of certificate logs (SCT)"},

	// Attestations.
	{"a signature and the attestation", ownerSLSA, "", both(byOwner, attested(second, provenance, index)), "signed by owner, second"},
	{"the attestation by the second authority", ownerSLSA, "", both(byOwner, one(func(w *world) spec.Signature { return w.sigstore.Attest(w, w.by, index, provenance, nil) })), "signed by ci, owner"},
	{"the attestation is missing", ownerSLSA, "", byOwner, "refused: demands an attestation (https://slsa.dev/provenance/v1) of second or ci"},
	{"the signature is missing", ownerSLSA, "", attested(second, provenance, index), "refused: demands a signature of owner"},
	{"the attestation by another authority", ownerSLSA, "", both(byOwner, attested(owner, provenance, index)), "refused: is not of second: signed by another key"},
	{"an attestation of another type", ownerSLSA, "", both(byOwner, attested(second, "https://spdx.dev/Document", index)), "refused: its predicate type is https://spdx.dev/Document"},
	{"an attestation of another image", ownerSLSA, "", both(byOwner, attested(second, provenance, other)), "refused: signs another image"},
	{"an attestation of the manifest", ownerSLSA, "", both(byOwner, attested(second, provenance, manifest)), "signed by owner, second"},
	{"attestations alone", `policies: [{match: "**", attestations: [{type: "` + provenance + `", anyOf: [owner]}]}]`, "", attested(owner, provenance, index), "signed by owner"},
	{
		"an attestation where signatures are of the older format", `policies: [{match: "**", anyOf: [owner], formats: [legacy], attestations: [{type: "` + provenance + `", anyOf: [owner]}]}]`, "",
		both(one(func(w *world) spec.Signature { return trusttest.SignLegacy(w, w.owner, "x", index) }), attested(owner, provenance, index)), "signed by owner, owner",
	},
}

// TestPolicies holds each image of the table before its policy, and then what the
// verdict names before it again: that is what a rebuild does.
func TestPolicies(t *testing.T) {
	w := newWorld(t)
	if len(policyCases) < 60 {
		t.Errorf("only %d cases", len(policyCases))
	}
	for _, c := range policyCases {
		t.Run(c.name, func(t *testing.T) {
			p := w.policy(t, c.trust)
			image := w.expand(c.image)
			if image == "" {
				image = "linuxkit/init:v1"
			}
			s := subject(t, image)
			s.Contents = []spec.Digest{layer}
			found := c.found(w)
			verdict, err := p.Verify(s, found)
			kind, text, _ := strings.Cut(c.want+" ", ": ")
			kind, text = strings.TrimSpace(kind), strings.TrimSpace(text)
			if got := outcome(verdict, err); got != kind || err != nil && !strings.Contains(err.Error(), w.expand(text)) {
				t.Errorf("got %s (%v), want %s", got, err, c.want)
			}
			// An image is denied for itself, or for who signed it: that has to be looked for.
			looked := len(verdict.Verified) > 0 || kind == "refused" || strings.HasPrefix(text, "the key") || strings.HasPrefix(text, "the identity")
			if needs := p.Needs(s); needs != looked {
				t.Errorf("Needs says %v", needs)
			}
			var evidence []spec.Signature
			for digest, sig := range verdict.Evidence {
				if sig.Digest() != digest {
					t.Errorf("evidence %s is under %s", sig.Digest(), digest)
				}
				evidence = append(evidence, sig)
			}
			if again, err := p.Verify(s, evidence); len(evidence) > 0 && (err != nil || !cmp.Equal(again, verdict)) {
				t.Errorf("again, by the evidence: %v\n%s", err, cmp.Diff(verdict, again))
			}
			slices.Reverse(found)
			if again, againErr := p.Verify(s, found); !cmp.Equal(again, verdict) || fmt.Sprint(againErr) != fmt.Sprint(err) {
				t.Errorf("in another order: %v, not %v\n%s", againErr, err, cmp.Diff(verdict, again))
			}
		})
	}
}

// outcome is what came of an image, in the words of the table.
func outcome(v trust.Verdict, err error) string {
	switch {
	case errors.As(err, new(*trust.TieError)):
		return "tie"
	case errors.As(err, new(*trust.UncoveredError)):
		return "uncovered"
	case errors.As(err, new(*trust.RefusedError)):
		return "refused"
	case errors.As(err, new(*trust.DeniedError)):
		return "denied"
	case err != nil:
		return err.Error()
	case v.Unsigned != "":
		return v.Unsigned
	case len(v.Verified) == 0:
		return "package"
	}
	var names []string
	for _, one := range v.Verified {
		names = append(names, one.Authority)
	}
	slices.Sort(names)
	return "signed by " + strings.Join(names, ", ")
}
