package spdx

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// document is the JSON form of an SPDX document, as far as it is used here.
type document struct {
	SPDXVersion   string         `json:"spdxVersion"`
	DataLicense   string         `json:"dataLicense"`
	SPDXID        string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace,omitempty"`
	CreationInfo  creationInfo   `json:"creationInfo"`
	Packages      []pkg          `json:"packages"`
	Relationships []relationship `json:"relationships"`
}

type creationInfo struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

// pkg is a package (SPDX 2.3, clause 7).
type pkg struct {
	SPDXID        string        `json:"SPDXID"`
	Name          string        `json:"name"`
	Version       string        `json:"versionInfo,omitempty"`
	FileName      string        `json:"packageFileName,omitempty"`
	Supplier      string        `json:"supplier,omitempty"`
	Location      string        `json:"downloadLocation"`
	FilesAnalyzed bool          `json:"filesAnalyzed"`
	Checksums     []checksum    `json:"checksums,omitempty"`
	SourceInfo    string        `json:"sourceInfo,omitempty"`
	Concluded     string        `json:"licenseConcluded"`
	Declared      string        `json:"licenseDeclared"`
	Copyright     string        `json:"copyrightText"`
	Comment       string        `json:"comment,omitempty"`
	Purpose       string        `json:"primaryPackagePurpose,omitempty"`
	Refs          []externalRef `json:"externalRefs,omitempty"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type externalRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

// add adds a package; what nobody has said of it, it says so.
func (d *document) add(p pkg) {
	p.Location, p.Concluded, p.Declared, p.Copyright = none, none, none, none
	d.Packages = append(d.Packages, p)
}

// relate adds a relationship (SPDX 2.3, clause 11).
func (d *document) relate(from, kind, to string) {
	d.Relationships = append(d.Relationships, relationship{From: from, Type: kind, To: to})
}

// sort brings the lists into their order, each thing once. Of packages with one
// name, version and identifier that differ in what is said of them, the one that
// says most in byte order stays.
func (d *document) sort() {
	slices.SortFunc(d.Packages, func(a, b pkg) int {
		return cmp.Or(strings.Compare(a.SPDXID, b.SPDXID), strings.Compare(fmt.Sprint(b), fmt.Sprint(a)))
	})
	d.Packages = slices.CompactFunc(d.Packages, func(a, b pkg) bool { return a.SPDXID == b.SPDXID })
	slices.SortFunc(d.Relationships, func(a, b relationship) int {
		return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.Type, b.Type), strings.Compare(a.To, b.To))
	})
	d.Relationships = slices.Compact(d.Relationships)
}

// id is an identifier: SPDXRef- and letters, digits, '.' and '-' (SPDX 2.3, 7.2).
// Part of a hash keeps apart what is equal in those.
func id(parts ...string) string {
	words := strings.Join(parts, "-")
	readable := strings.Map(func(r rune) rune {
		if strings.ContainsRune(unreserved, r) && r != '_' && r != '~' {
			return r
		}
		return '-'
	}, words)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "SPDXRef-" + readable + "-" + hex.EncodeToString(sum[:4])
}

// unreserved are the characters that a package URL does not escape.
const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_~"

// escape writes text in a package URL (purl-spec, "Character encoding"); ':' stays
// as it is.
func escape(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if strings.IndexByte(unreserved, c) >= 0 || c == ':' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// purl is a package's URL as a reference of it.
func purl(url string) []externalRef {
	return []externalRef{{Category: "PACKAGE-MANAGER", Type: "purl", Locator: url}}
}

// sha256sum is a checksum, or none.
func sha256sum(hexadecimal string) []checksum {
	if hexadecimal == "" {
		return nil
	}
	return []checksum{{Algorithm: "SHA256", Value: strings.ToLower(hexadecimal)}}
}

// supplier writes a maintainer, "Name <address>", as SPDX does: "Organization:
// Name (address)" (SPDX 2.3, 7.5). A maintainer is more often a team than a person.
func supplier(maintainer string) string {
	name, address, ok := strings.Cut(strings.TrimSpace(maintainer), "<")
	name = strings.Trim(strings.TrimSpace(name), `"`)
	switch {
	case name == "":
		return none
	case !ok:
		return "Organization: " + name
	}
	return "Organization: " + name + " (" + strings.TrimSuffix(strings.TrimSpace(address), ">") + ")"
}
