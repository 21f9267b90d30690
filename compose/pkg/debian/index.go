package debian

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Index knows the packages of a suite with its updates and security updates.
type Index struct {
	// Releases are the InRelease files that it was made from: the suite's own, that of
	// its updates, that of its security updates, so far as they were there.
	Releases []Release

	packages map[string]map[string]Package // by architecture and name: the highest version
}

// add takes packages in, each if none of its name has a version as high.
func (x *Index) add(arch string, packages []Package) {
	for _, p := range packages {
		have, ok := x.packages[arch][p.Name]
		if !ok || CompareVersions(have.Version, p.Version) < 0 {
			x.packages[arch][p.Name] = p
		}
	}
}

// Find returns the package of that name in the highest version. The error of a name that
// is not there is ErrUnknownPackage; it says which name may have been meant.
func (x *Index) Find(name, arch string) (Package, error) {
	if p, ok := x.packages[arch][name]; ok {
		return p, nil
	}
	suite := "the index"
	if len(x.Releases) > 0 {
		suite = x.Releases[0].Name
	}
	for _, other := range slices.Sorted(maps.Keys(x.packages)) {
		if _, ok := x.packages[other][name]; ok {
			return Package{}, fmt.Errorf("package %s: %w in %s for %s, only for %s", name, ErrUnknownPackage, suite, arch, other)
		}
	}
	if near := nearest(name, slices.Sorted(maps.Keys(x.packages[arch]))); near != "" {
		return Package{}, fmt.Errorf("package %s: %w in %s for %s; did you mean %s?", name, ErrUnknownPackage, suite, arch, near)
	}
	return Package{}, fmt.Errorf("package %s: %w in %s for %s", name, ErrUnknownPackage, suite, arch)
}

// Follow returns the packages that a package depends on directly, each once, in the order
// of its fields Pre-Depends and Depends: of alternatives the first that the index has in a
// version that is allowed.
func (x *Index) Follow(name, arch string) ([]Package, error) {
	p, err := x.Find(name, arch)
	if err != nil {
		return nil, err
	}
	var found []Package
	for _, group := range append(ParseDependencies(p.PreDepends), ParseDependencies(p.Depends)...) {
		i := slices.IndexFunc(group, func(d Dependency) bool {
			have, ok := x.packages[arch][d.Name]
			return ok && d.holds(have.Version)
		})
		if i < 0 {
			d := group[0]
			return nil, fmt.Errorf("%s depends on %s: %w in the version that it wants", p.Pin, d.text(), ErrUnknownPackage)
		}
		next := x.packages[arch][group[i].Name]
		if !slices.ContainsFunc(found, func(f Package) bool { return f.Name == next.Name }) {
			found = append(found, next)
		}
	}
	return found, nil
}

// text is the dependency as it is written.
func (d Dependency) text() string {
	if d.Relation == "" {
		return d.Name
	}
	return d.Name + " (" + d.Relation + " " + d.Version + ")"
}

// nearest returns the name with the least edits from the one given, if that is at most
// two, or else the first that begins with it.
func nearest(name string, names []string) string {
	best, least := "", 3
	for _, n := range names {
		if d := len(n) - len(name); d > 2 || d < -2 {
			continue
		}
		if d := edits(name, n); d < least {
			best, least = n, d
		}
	}
	if best == "" && len(name) > 2 {
		if i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, name) }); i >= 0 {
			return names[i]
		}
	}
	return best
}

// edits counts the bytes to insert, remove or replace to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
