package trust

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	trustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/composeos/compose/spec"
)

// The kinds of what a trusted root holds.
const (
	kindCA        = "certificate authority"
	kindCT        = "certificate transparency log"
	kindTlog      = "transparency log"
	kindTimestamp = "timestamp authority"
)

// anchor is one thing that a trusted root says is to be believed: what it is,
// where, and its key. What follows it may be said more than once of the same.
type anchor struct {
	above []string // the chain above the key of an authority, as text
	spans []string // when it was in use
}

func (a *anchor) span() string  { return strings.Join(a.spans, " and ") }
func (a *anchor) chain() string { return strings.Join(a.above, " and ") }

// Describe puts what a trusted root holds into words, a line for each authority
// and log: what it is, its subject, URL and the fingerprint of its key, and when
// it was in use. The lines are sorted.
func Describe(data []byte) ([]string, error) {
	all, err := readAnchors(data)
	if err != nil {
		return nil, err
	}
	var lines []string
	for name, a := range all {
		lines = append(lines, name+", "+a.span())
	}
	slices.Sort(lines)
	return lines, nil
}

// Diff puts what a trusted root has that an older one had not, and the reverse,
// into words as [Describe] does, sorted; nothing where only the writing differs.
func Diff(older, newer []byte) ([]string, error) {
	before, err := readAnchors(older)
	if err != nil {
		return nil, fmt.Errorf("the older one: %w", err)
	}
	after, err := readAnchors(newer)
	if err != nil {
		return nil, fmt.Errorf("the newer one: %w", err)
	}
	var lines []string
	for name, now := range after {
		was, known := before[name]
		switch {
		case !known:
			lines = append(lines, fmt.Sprintf("added: %s, %s", name, now.span()))
		case was.span() != now.span():
			lines = append(lines, fmt.Sprintf("changed: %s, %s; before %s", name, now.span(), was.span()))
		}
		if known && was.chain() != now.chain() {
			lines = append(lines, fmt.Sprintf("changed: %s: it is under %s; before under %s", name, now.chain(), was.chain()))
		}
	}
	for name, was := range before {
		if _, known := after[name]; !known {
			lines = append(lines, fmt.Sprintf("removed: %s, %s", name, was.span()))
		}
	}
	slices.Sort(lines)
	return lines, nil
}

// readAnchors returns what the file of a trusted root holds, by name.
func readAnchors(data []byte) (anchors, error) {
	var r trustroot.TrustedRoot
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("no trusted root: %w", err)
	}
	all := anchors{}
	for kind, list := range map[string][]*trustroot.CertificateAuthority{
		kindCA: r.GetCertificateAuthorities(), kindTimestamp: r.GetTimestampAuthorities(),
	} {
		for _, ca := range list {
			if err := all.addAuthority(kind, ca); err != nil {
				return nil, err
			}
		}
	}
	for kind, list := range map[string][]*trustroot.TransparencyLogInstance{kindCT: r.GetCtlogs(), kindTlog: r.GetTlogs()} {
		for _, l := range list {
			key := l.GetPublicKey()
			name := fmt.Sprintf("%s %s, key %s", kind, firstText(l.GetBaseUrl(), "without a URL"), spec.DigestOf(key.GetRawBytes()))
			all.add(name, "", spanText(key.GetValidFor()))
		}
	}
	return all, nil
}

// anchors is what a trusted root holds, by name.
type anchors map[string]*anchor

// add adds what is said of name to what was said of it before.
func (all anchors) add(name, above, span string) {
	a := all[name]
	if a == nil {
		a = &anchor{}
		all[name] = a
	}
	a.above, a.spans = withText(a.above, above), withText(a.spans, span)
}

// withText returns a sorted list with one more text, each once.
func withText(list []string, text string) []string {
	i, found := slices.BinarySearch(list, text)
	if found {
		return list
	}
	return slices.Insert(list, i, text)
}

// addAuthority adds an authority: the first certificate of its chain has the key
// that signs, the last is what is believed.
func (all anchors) addAuthority(kind string, ca *trustroot.CertificateAuthority) error {
	var texts []string
	for _, c := range ca.GetCertChain().GetCertificates() {
		cert, err := x509.ParseCertificate(c.GetRawBytes())
		if err != nil {
			return fmt.Errorf("%s %s: %w", kind, ca.GetUri(), err)
		}
		texts = append(texts, fmt.Sprintf("%s, key %s", firstText(cert.Subject.String(), "without a name"), spec.DigestOf(cert.RawSubjectPublicKeyInfo)))
	}
	if len(texts) == 0 {
		return fmt.Errorf("%s %s has no certificate", kind, ca.GetUri())
	}
	name := strings.Join([]string{kind, firstText(ca.GetUri(), "without a URL") + ",", texts[0]}, " ")
	all.add(name, firstText(strings.Join(texts[1:], ", under "), "no other"), spanText(ca.GetValidFor()))
	return nil
}

// spanText puts the time in which something was in use into words.
func spanText(r *common.TimeRange) string {
	const second = "2006-01-02T15:04:05Z"
	switch {
	case r.GetStart() == nil && r.GetEnd() == nil:
		return "in use at any time"
	case r.GetEnd() == nil:
		return "in use since " + r.GetStart().AsTime().Format(second)
	case r.GetStart() == nil:
		return "in use until " + r.GetEnd().AsTime().Format(second)
	}
	return fmt.Sprintf("in use from %s to %s", r.GetStart().AsTime().Format(second), r.GetEnd().AsTime().Format(second))
}

func firstText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
