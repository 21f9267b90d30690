package golang

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Licence is a file that has to go with a program: the licence of something that is
// linked in, or a notice that belongs to it.
type Licence struct {
	Path string // slash-separated: "go1.26.8/LICENSE", "example.org/dep@v1.2.0/COPYING"; of a module that is a folder on disk "example.org/x/LICENSE"
	Text []byte
}

// licenceName is how files are called that hold licences, or what they want to be
// kept with them.
var licenceName = regexp.MustCompile(`(?i)^((un)?licen[cs]e|copying|notice|patents)`)

// licences returns those of the toolchain and of the modules that packages are of,
// in the order of their paths. One that has none adds nothing.
func (b *Build) licences(goroot string, packages []*listed) ([]Licence, error) {
	all, err := licencesIn(goroot, b.Toolchain.Version)
	if err != nil {
		return nil, err
	}
	for name, m := range modules(packages) {
		if m.Main && b.Module != "" { // go does not know its version: it was unpacked
			_, version, _ := strings.Cut(b.Module, "@")
			name += "@" + version
		}
		found, err := licencesIn(m.Dir, name)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(x, y Licence) int { return cmp.Compare(x.Path, y.Path) })
	return all, nil
}

// modules returns what packages are of, by path and version: of a folder on disk
// the path alone.
func modules(packages []*listed) map[string]*listedModule {
	found := map[string]*listedModule{}
	for _, p := range packages {
		if p.Standard || p.Module == nil {
			continue
		}
		found[p.Module.name()] = p.Module
	}
	return found
}

// name is "PATH@VERSION" of what is really taken for m.
func (m *listedModule) name() string {
	by := m
	if m.Replace != nil {
		by = m.Replace
	}
	if by.Version == "" { // a folder: its path is this machine's
		return m.Path
	}
	return by.Path + "@" + by.Version
}

// licencesIn returns the licences in a module's folder, not deeper, under its name.
func licencesIn(dir, name string) ([]Licence, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []Licence
	for _, e := range entries {
		if !licenceName.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err != nil {
			return nil, err
		} else if !info.Mode().IsRegular() {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		found = append(found, Licence{Path: name + "/" + e.Name(), Text: text})
	}
	return found, nil
}
