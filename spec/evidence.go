package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// The formats of signatures.
const (
	FormatBundle = "bundle" // a sigstore bundle, attached as a referrer
	FormatLegacy = "legacy" // cosign's simple signing, under the tag sha256-….sig
)

// SignatureType is the predicate type of the statement that says "this image is
// signed", and nothing else about it.
const SignatureType = "https://sigstore.dev/cosign/sign/v1"

// EvidenceVersion is the version of the evidence file's schema.
const EvidenceVersion = 1

// MaxSignature is the most that one signature may hold in all its texts, in bytes.
const MaxSignature = 1 << 20

// Evidence is the signatures that a lock names, so that a build verifies them
// again without asking anybody. It is written as canonical JSON, beside the lock
// as NAME.evidence.json. A nil Evidence may be read, and has no signatures.
type Evidence struct {
	Version    int                  `json:"version"`    // EvidenceVersion
	Signatures map[Digest]Signature `json:"signatures"` // by Signature.Digest
}

// Signature is one signature as it was found, with all that is needed to check it.
// Nothing in it has been checked.
type Signature struct {
	Format      string `json:"format" check:"enum=bundle|legacy"`
	Bundle      string `json:"bundle,omitempty"`      // bundle: the JSON of a sigstore bundle
	Payload     string `json:"payload,omitempty"`     // legacy: what is signed, in base64
	Signature   string `json:"signature,omitempty"`   // legacy: in base64
	Certificate string `json:"certificate,omitempty"` // legacy, keyless: in PEM
	Chain       string `json:"chain,omitempty"`       // legacy, keyless: the certificates above it, in PEM
	Rekor       string `json:"rekor,omitempty"`       // legacy, keyless: the log's promise, JSON
	Timestamp   string `json:"timestamp,omitempty"`   // legacy: an RFC 3161 timestamp, JSON
}

// Digest returns the digest of the signature's canonical JSON; "" where it holds
// text that is not UTF-8.
func (s Signature) Digest() Digest {
	data, err := MarshalCanonical(s)
	if err != nil {
		return ""
	}
	return DigestOf(data)
}

// Add adds a signature and returns its digest. One that no evidence file can hold is
// not added, and has the digest "": it is larger than [MaxSignature], is not UTF-8,
// or lacks what its format has.
func (e *Evidence) Add(s Signature) Digest {
	if s.fault() != "" {
		return ""
	}
	digest := s.Digest()
	if e.Signatures == nil {
		e.Signatures = map[Digest]Signature{}
	}
	e.Signatures[digest] = s
	return digest
}

// Of returns the signatures that the lock names for an image and that are there, in
// the order in which it names them, each once.
func (e *Evidence) Of(image *LockedImage) []Signature {
	if e == nil || image == nil {
		return nil
	}
	var found []Signature
	seen := map[Digest]bool{}
	for _, v := range image.Verified {
		if s, ok := e.Signatures[v.Evidence]; ok && !seen[v.Evidence] {
			found = append(found, s)
		}
		seen[v.Evidence] = true
	}
	return found
}

// Only returns evidence of those signatures alone that the lock names. It does not
// change e, and is never nil.
func (e *Evidence) Only(l *Lock) *Evidence {
	out := &Evidence{Version: EvidenceVersion, Signatures: map[Digest]Signature{}}
	if e == nil || l == nil {
		return out
	}
	for _, image := range l.Images {
		for _, v := range image.Verified {
			if s, ok := e.Signatures[v.Evidence]; ok {
				out.Signatures[v.Evidence] = s
			}
		}
	}
	return out
}

// Marshal returns the evidence's file: canonical JSON, of this release's version.
func (e *Evidence) Marshal() ([]byte, error) {
	out := Evidence{Version: EvidenceVersion}
	if e != nil {
		out.Signatures = e.Signatures
	}
	data, err := MarshalCanonical(out)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return data, nil
}

// ParseEvidence reads what [Evidence.Marshal] writes, as strictly as [ParseLock] a
// lock: also a signature whose digest is not the one that it stands under is a
// fault. name is the file for errors.
func ParseEvidence(name string, data []byte) (*Evidence, error) {
	n, err := readLock(name, data, "evidence file", "compose lock")
	if err != nil {
		return nil, err
	}
	d := &decoder{file: name}
	if at := lookup(n, "version"); at != nil && at.Tag == tagInt && at.Value != fmt.Sprint(EvidenceVersion) {
		d.failAt(n, "version", "the evidence file has version %s, and this release reads version %d: take the release that wrote it, or remove the file and run \"compose lock\"", at.Value, EvidenceVersion)
		return nil, d.faults.err()
	}
	e := new(Evidence)
	d.value(n, valueOf(e), "")
	e.check(d, lookup(n, "signatures"))
	if err := d.faults.err(); err != nil {
		return nil, err
	}
	return e, nil
}

// check holds every signature against its name and its format.
func (e *Evidence) check(d *decoder, n *yaml.Node) {
	if d.faults.count() > 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(e.Signatures)) {
		s := e.Signatures[name]
		d.in(step{text: "signatures"}, func() {
			if what := s.fault(); what != "" {
				d.failAt(n, string(name), "%s", what)
			} else if digest := s.Digest(); digest != name {
				d.failAt(n, string(name), "the signature has been changed: its digest is %s; remove the file and run \"compose lock\"", digest)
			}
		})
	}
}

// fault says what keeps the signature out of an evidence file; "" for nothing. Its
// format has what it has, and nothing of the other.
func (s Signature) fault() string {
	texts := []string{s.Format, s.Bundle, s.Payload, s.Signature, s.Certificate, s.Chain, s.Rekor, s.Timestamp}
	size := 0
	for _, text := range texts {
		size += len(text)
		if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			return "the signature holds what is no text"
		}
	}
	switch {
	case size > MaxSignature:
		return fmt.Sprintf("the signature has %d bytes; at most %d can be", size, MaxSignature)
	case s.Format == FormatBundle && s.Bundle == "":
		return "the bundle is missing"
	case s.Format == FormatBundle && s != (Signature{Format: FormatBundle, Bundle: s.Bundle}):
		return "a bundle holds all that belongs to it: there can be no key besides"
	case s.Format == FormatLegacy && (s.Payload == "" || s.Signature == ""):
		return "the payload or the signature is missing"
	case s.Format == FormatLegacy && s.Bundle != "":
		return "a legacy signature is in no bundle"
	case s.Format != FormatBundle && s.Format != FormatLegacy:
		return fmt.Sprintf("the format %q is unknown", s.Format)
	}
	return ""
}
