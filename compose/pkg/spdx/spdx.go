// Package spdx writes what is in a package's image as an SPDX document: the Debian
// packages and the Go programs with their modules (SPDX specification 2.3, in
// JSON).
//
// The document is a function of its image: its time is given, its namespace is
// derived from its content, and every list is in an order of its own. So it can be
// made again, and the same image has the same document.
//
//	b, err := spdx.Marshal(spdx.Image{Name: "nginx", Version: tag, Arch: "amd64", Created: epoch, Tool: "compose", Distro: "debian-13", Debs: debs})
package spdx

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/composeos/compose/spec"
)

// Image is a package's image for one architecture.
type Image struct {
	Name, Version string // "nginx", and its tag
	Arch          string // "amd64"
	Created       int64  // seconds since 1970
	Tool          string // what made the document, without a version: "compose"
	Distro        string // that the debs are of: "debian-13"
	Debs          []Deb
	Binaries      []Binary
}

// Deb is a Debian package.
type Deb struct {
	Name, Version, Arch   string
	Source, SourceVersion string // of the source package; "" is the same as the package's
	SHA256                string // of the .deb, hexadecimal; "" if it is not known
	Supplier              string // "Name <address>", its maintainer; "" is not known
}

// Binary is a Go program.
type Binary struct {
	Path    string // in the image: "usr/bin/x"
	Package string // import path of its main package
	SHA256  string // of the file, hexadecimal; "" if it is not known
	Go      string // version of its toolchain: "go1.26.8"
	Main    Module // that the main package is of
	Modules []Module
}

// Module is a Go module.
type Module struct {
	Path, Version string // Version "" is a folder of the package's own sources
	Sum           string // as in go.sum, "h1:…", or ""
}

// none is what SPDX calls what nobody has said (SPDX 2.3, 7.13 and others).
const none = "NOASSERTION"

// Marshal returns the document of an image. Equal images have equal documents,
// whatever the order of their lists.
func Marshal(i Image) ([]byte, error) {
	d := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", Name: i.Name + "-" + i.Arch,
		CreationInfo: creationInfo{Created: time.Unix(i.Created, 0).UTC().Format("2006-01-02T15:04:05Z"), Creators: []string{"Tool: " + i.Tool}},
	}
	image := pkg{
		SPDXID: "SPDXRef-Image", Name: i.Name, Version: i.Version, Purpose: "CONTAINER",
		Refs: purl("pkg:oci/" + escape(strings.ToLower(i.Name)) + "?arch=" + escape(i.Arch) + "&tag=" + escape(i.Version)),
	}
	d.add(image)
	d.relate("SPDXRef-DOCUMENT", "DESCRIBES", image.SPDXID)
	for _, deb := range i.Debs {
		d.addDeb(image.SPDXID, i.Distro, deb)
	}
	for _, b := range i.Binaries {
		if err := d.addBinary(image.SPDXID, b); err != nil {
			return nil, fmt.Errorf("write the SPDX document of %s: %w", i.Name, err)
		}
	}
	d.sort()
	content, err := spec.MarshalCanonical(d)
	if err != nil {
		return nil, fmt.Errorf("write the SPDX document of %s: %w", i.Name, err)
	}
	sum := sha256.Sum256(content)
	d.Namespace = "https://spdx.org/spdxdocs/" + escape(d.Name) + "-" + hex.EncodeToString(sum[:])
	return spec.MarshalCanonical(d)
}

// addDeb adds a Debian package, and the source package that it is made of.
func (d *document) addDeb(image, distro string, deb Deb) {
	url := func(name, version, arch string) []externalRef {
		p := "pkg:deb/debian/" + escape(strings.ToLower(name)) + "@" + escape(version) + "?arch=" + escape(arch)
		if distro != "" {
			p += "&distro=" + escape(distro)
		}
		return purl(p)
	}
	p := pkg{
		SPDXID: id("Deb", deb.Name, deb.Version, deb.Arch), Name: deb.Name, Version: deb.Version, Supplier: supplier(deb.Supplier),
		Checksums: sha256sum(deb.SHA256), Refs: url(deb.Name, deb.Version, deb.Arch),
	}
	source := cmp.Or(deb.Source, deb.Name)
	version := cmp.Or(deb.SourceVersion, deb.Version)
	p.SourceInfo = "built from the source package " + source + " " + version
	d.add(p)
	d.relate(image, "CONTAINS", p.SPDXID)
	s := pkg{
		SPDXID: id("Source", source, version), Name: source, Version: version, Supplier: supplier(deb.Supplier), Purpose: "SOURCE",
		Refs: url(source, version, "source"),
	}
	d.add(s)
	d.relate(p.SPDXID, "GENERATED_FROM", s.SPDXID)
}

// addBinary adds a program, and the modules that are linked into it.
func (d *document) addBinary(image string, b Binary) error {
	p := pkg{
		SPDXID: id("Binary", b.Path), Name: b.Path, Version: b.Main.Version, FileName: "/" + b.Path, Purpose: "APPLICATION",
		Checksums: sha256sum(b.SHA256), SourceInfo: "built from " + b.Package + " by " + b.Go,
	}
	d.add(p)
	d.relate(image, "CONTAINS", p.SPDXID)
	toolchain := Module{Path: "stdlib", Version: strings.TrimPrefix(b.Go, "go")}
	for _, m := range slices.Concat([]Module{b.Main, toolchain}, b.Modules) {
		if m.Path == "" {
			continue
		}
		sum, err := moduleSum(m)
		if err != nil {
			return err
		}
		q := pkg{SPDXID: id("Go", m.Path, m.Version), Name: m.Path, Version: m.Version, Comment: sum, Purpose: "LIBRARY", Refs: purl(golangURL(m))}
		d.add(q)
		d.relate(p.SPDXID, "DEPENDS_ON", q.SPDXID)
	}
	return nil
}

// moduleSum says a module's sum in words: it is a hash of hashes, which no
// checksum of SPDX means.
func moduleSum(m Module) (string, error) {
	if m.Sum == "" {
		return "", nil
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
	if err != nil || len(raw) != sha256.Size || !strings.HasPrefix(m.Sum, "h1:") {
		return "", fmt.Errorf("module %s: sum %q: not of go.sum", m.Path, m.Sum)
	}
	return "go.sum " + m.Sum, nil
}

// golangURL is a module's package URL (purl-spec, types-doc, "golang").
func golangURL(m Module) string {
	var parts []string
	for part := range strings.SplitSeq(m.Path, "/") {
		parts = append(parts, escape(strings.ToLower(part)))
	}
	u := "pkg:golang/" + strings.Join(parts, "/")
	if m.Version != "" {
		u += "@" + escape(m.Version)
	}
	return u
}
