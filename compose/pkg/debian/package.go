package debian

import (
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// Pin is one package file, as a lock records it.
type Pin struct {
	Name    string
	Version string
	Arch    string    // amd64, arm64 or all
	Suite   string    // as asked for: trixie, trixie-updates or trixie-security
	Path    string    // below the mirror's base: pool/main/n/nginx/nginx_1.26.3-3_amd64.deb
	SHA256  string    // 64 hexadecimal digits
	Size    int64     // bytes of the file
	Date    time.Time // of the suite's InRelease; only a snapshot service needs it
}

// String returns name, version and architecture: "nginx 1.26.3-3 (amd64)".
func (p Pin) String() string { return fmt.Sprintf("%s %s (%s)", p.Name, p.Version, p.Arch) }

// Package is a package of an archive's index.
type Package struct {
	Pin
	Source        string // the source package that it was built from, often its own name
	SourceVersion string
	PreDepends    string // as it stands there; see ParseDependencies
	Depends       string
}

// readPackages calls each with every package of a Packages file. Suite and date are not set.
func readPackages(r io.Reader, each func(Package)) error {
	return ReadParagraphs(r, func(p Paragraph) error {
		pkg := Package{
			Pin:        Pin{Name: p.Get("Package"), Version: p.Get("Version"), Arch: p.Get("Architecture"), Path: p.Get("Filename"), SHA256: p.Get("SHA256")},
			PreDepends: p.Get("Pre-Depends"), Depends: p.Get("Depends"),
		}
		size, err := strconv.ParseInt(p.Get("Size"), 10, 64)
		if err != nil || size <= 0 || pkg.Name == "" || pkg.Version == "" || !isSum(pkg.SHA256) || !fs.ValidPath(pkg.Path) {
			return fmt.Errorf("line %d: package %q: name, version, path, size or SHA-256 is missing or wrong", p.Line(), clip(pkg.Name))
		}
		pkg.Size = size
		pkg.Source, pkg.SourceVersion = source822(p.Get("Source"), pkg.Name, pkg.Version)
		each(pkg.detached())
		return nil
	})
}

// detached copies the strings, so that the paragraph that they are part of can be freed.
func (p Package) detached() Package {
	for _, s := range []*string{
		&p.Name, &p.Version, &p.Arch, &p.Path, &p.SHA256, &p.PreDepends, &p.Depends, &p.Source, &p.SourceVersion,
	} {
		*s = strings.Clone(*s)
	}
	return p
}

// source822 reads the field Source, "name" or "name (version)"; what it does not say is
// the package's own (Policy 5.6.1).
func source822(field, name, version string) (string, string) {
	src, rest, ok := strings.Cut(field, "(")
	if src = strings.TrimSpace(src); src == "" {
		src = name
	}
	if ok {
		version = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), ")"))
	}
	return src, version
}

// SourceOf returns name and version of the source package of a binary package's control
// paragraph.
func SourceOf(control Paragraph) (name, version string) {
	return source822(control.Get("Source"), control.Get("Package"), control.Get("Version"))
}

// Dependency is one package that is depended on.
type Dependency struct {
	Name     string
	Relation string // "<<", "<=", "=", ">=", ">>", or "" for any version
	Version  string
}

// holds says that a version is one that the dependency allows.
func (d Dependency) holds(version string) bool {
	c := CompareVersions(version, d.Version)
	switch d.Relation {
	case "<<":
		return c < 0
	case "<=", "<":
		return c <= 0
	case "=":
		return c == 0
	case ">=", ">":
		return c >= 0
	case ">>":
		return c > 0
	}
	return true
}

// ParseDependencies reads a field such as Depends (Policy 7.1): one group for each comma,
// in it the alternatives. Qualifiers of architecture are dropped.
func ParseDependencies(field string) [][]Dependency {
	var groups [][]Dependency
	for group := range strings.SplitSeq(field, ",") {
		var alternatives []Dependency
		for text := range strings.SplitSeq(group, "|") {
			text, _, _ = strings.Cut(text, "[")
			name, relation, versioned := strings.Cut(text, "(")
			name, _, _ = strings.Cut(strings.TrimSpace(name), ":")
			if name == "" {
				continue
			}
			d := Dependency{Name: name}
			if versioned {
				relation, _, _ = strings.Cut(relation, ")")
				relation = strings.TrimSpace(relation)
				d.Version = strings.TrimSpace(strings.TrimLeft(relation, "<>="))
				d.Relation = relation[:len(relation)-len(strings.TrimLeft(relation, "<>="))]
			}
			alternatives = append(alternatives, d)
		}
		if len(alternatives) > 0 {
			groups = append(groups, alternatives)
		}
	}
	return groups
}
