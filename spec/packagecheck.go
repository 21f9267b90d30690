package spec

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	suitePattern     = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	toolchainPattern = regexp.MustCompile(`^go1\.[0-9]+\.[0-9]+$`)
	// Debian policy 5.6.7, "Source", with {arch} in it and a limit behind it.
	debPattern = regexp.MustCompile(`^(?:[a-z0-9]|\{arch\})(?:[a-z0-9+.-]|\{arch\})+(?: \[(?:amd64|arm64)\])?$`)
	sumPattern = regexp.MustCompile(`^h1:[A-Za-z0-9+/]{43}=$`)
)

func checkRepository(s, _ string) error {
	for part := range strings.SplitSeq(s, "/") {
		if !partPattern.MatchString(part) || len(s) > maxRepository {
			return fmt.Errorf("%q is not the name of an image: want parts of lower-case letters, digits, _ . and -, with / between them", s)
		}
	}
	return nil
}

func checkToolchain(s, _ string) error {
	if !toolchainPattern.MatchString(s) {
		return fmt.Errorf("%q is not a release of Go: want such as go1.26.8", s)
	}
	return nil
}

func checkSuite(s, _ string) error {
	if !suitePattern.MatchString(s) {
		return fmt.Errorf("%q is not a code name of Debian: want such as trixie", s)
	}
	return nil
}

func checkDebName(s, _ string) error {
	if !debPattern.MatchString(s) {
		return fmt.Errorf(`%q is not the name of a Debian package: want such as nginx, linux-image-{arch}, or "intel-microcode [amd64]"`, s)
	}
	return nil
}

func checkLinkName(s, _ string) error {
	if s == "" || s == "." || s == ".." || strings.Contains(s, "/") {
		return fmt.Errorf("%q is not the name of a file in a directory", s)
	}
	return nil
}

// checkNode applies the rules over several keys.
func (p *Package) checkNode(d *decoder, n *yaml.Node) {
	p.Pos, p.node = d.pos(n), n
	if d.spoiled {
		return
	}
	if p.Arches != nil && len(p.Arches) == 0 {
		d.failAt(n, "arches", "the list is empty; want amd64 or arm64, or leave the key out for both")
	}
	if i := repeated(p.Arches); i >= 0 {
		d.failAt(n, "arches", "%q is there twice", p.Arches[i])
	}
	if p.Toolchain == "" && len(p.Go) > 0 {
		d.failAt(n, "go", `the key "toolchain" is missing: which release of Go builds this?`)
	}
	if p.Toolchain != "" && len(p.Go) == 0 {
		d.failAt(n, "toolchain", "there are no Go programs to build")
	}
	for i, f := range p.Files {
		if at := element(lookup(n, "files"), i); f.From != "" && len(p.Debs.Packages) == 0 {
			d.inEntry("files", i, at, func() { d.failAt(at, "from", "there are no Debian packages that %q could be from", f.From) })
		}
	}
	p.checkUsers(d, n)
}

// repeated returns the index of the first entry that was there before, or -1.
func repeated(list []string) int {
	for i, s := range list {
		if slices.Contains(list[:i], s) {
			return i
		}
	}
	return -1
}

// checkUsers notes names and numbers of users and groups that come twice.
func (p *Package) checkUsers(d *decoder, n *yaml.Node) {
	seen := accountsSeen{map[string]bool{}, map[uint32]string{}}
	for i, u := range p.Users {
		at := element(lookup(n, "users"), i)
		d.inEntry("users", i, at, func() {
			seen.note(d, at, "uid", u.Name, u.UID)
			if u.Name == rootUser && u.UID != 0 {
				d.failAt(at, "uid", "root has the number 0")
			}
		})
	}
	seen = accountsSeen{map[string]bool{}, map[uint32]string{}}
	for i, g := range p.Groups {
		at := element(lookup(n, "groups"), i)
		d.inEntry("groups", i, at, func() { seen.note(d, at, "gid", g.Name, g.GID) })
	}
}

// accountsSeen are the users, or the groups, that came before.
type accountsSeen struct {
	names   map[string]bool
	numbers map[uint32]string // names by number
}

func (s accountsSeen) note(d *decoder, n *yaml.Node, key, name string, number uint32) {
	d.once(n, "name", name, s.names)
	if other, taken := s.numbers[number]; taken {
		d.failAt(n, key, "%s has the number %d too", other, number)
	}
	s.numbers[number] = name
}

// checkNode refuses what would be more than a field of etc/passwd.
func (u *User) checkNode(d *decoder, n *yaml.Node) {
	if d.spoiled {
		return
	}
	for _, field := range []struct{ key, value string }{{"home", u.Home}, {"shell", u.Shell}} {
		if strings.ContainsFunc(field.value, func(r rune) bool { return r == ':' || r < ' ' }) {
			d.failAt(n, field.key, "%q cannot stand in etc/passwd: it has a colon or a control character", field.value)
		}
	}
}

func (b *Debs) checkNode(d *decoder, n *yaml.Node) {
	switch {
	case d.spoiled:
		return
	case b.Suite == "":
		d.fail(n, `the key "suite" is missing`)
	case len(b.Packages) == 0:
		d.fail(n, `the key "packages" is missing`)
	}
	if i := repeated(b.Packages); i >= 0 {
		d.failAt(n, "packages", "%q is there twice", b.Packages[i])
	}
	for _, name := range b.Follow {
		if !slices.Contains(b.Packages, name) {
			d.failAt(n, "follow", "%q is not among packages", name)
		}
	}
	checkPatterns(d, n, "include", b.Include)
	checkPatterns(d, n, "exclude", b.Exclude)
}

// checkPatterns refuses those patterns in a list that no path matches.
func checkPatterns(d *decoder, n *yaml.Node, key string, patterns []string) {
	for i, p := range patterns {
		if err := checkPattern(p); err != nil {
			d.in(step{text: key}, func() { d.in(d.index(i), func() { d.fail(element(lookup(n, key), i), "%s", err) }) })
		}
	}
}

// checkPattern refuses what no path matches.
func checkPattern(p string) error {
	switch {
	case p == "":
		return errors.New("a pattern is empty")
	case strings.HasPrefix(p, "/"):
		return fmt.Errorf("%q: patterns have no / in front", p)
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." {
			return fmt.Errorf("%q: a name in the pattern is empty", p)
		}
		if part != "**" && strings.Contains(part, "**") {
			return fmt.Errorf("%q: ** stands for whole names, alone between slashes", p)
		}
		if _, err := path.Match(part, ""); err != nil {
			return fmt.Errorf("%q: a bracket is open, or a backslash is the last", p)
		}
	}
	return nil
}

func (g *GoProgram) checkNode(d *decoder, n *yaml.Node) {
	_, version, found := strings.Cut(g.Module, "@")
	switch {
	case d.spoiled:
	case (g.Main == "") == (g.Module == ""):
		d.fail(n, "want one of main (a folder) and module (PATH@VERSION)")
	case g.Main != "" && (g.Package != "" || g.Sum != ""):
		d.fail(n, "package and sum go with module, not with main")
	case g.Module != "" && (!found || !strings.HasPrefix(version, "v")):
		d.failAt(n, "module", "%q has no version: want PATH@VERSION, such as example.org/tool@v1.2.3", g.Module)
	case g.Module != "" && !sumPattern.MatchString(g.Sum):
		d.failAt(n, "sum", "want the checksum of the module as go.sum has it, h1: and 44 letters")
	}
}

func (f *PackageFile) checkNode(d *decoder, n *yaml.Node) {
	f.Pos = d.pos(n)
	if d.spoiled {
		return
	}
	given := 0
	for _, is := range []bool{f.Contents != nil, f.Source != "", f.From != "", f.Symlink != "", f.Directory} {
		if is {
			given++
		}
	}
	if given != 1 {
		d.fail(n, "want one of contents, source, from, symlink and directory, not %d of them", given)
	}
	if strings.HasPrefix(f.Source, "/") {
		d.failAt(n, "source", "%q is absolute: want a file or a folder beside %s", f.Source, BuildFile)
	}
}

func (l *PackageLinks) checkNode(d *decoder, n *yaml.Node) {
	if !d.spoiled && len(l.Names) == 0 {
		d.fail(n, `the key "names" is missing`)
	}
}

func (s *Step) checkNode(d *decoder, n *yaml.Node) {
	s.Pos = d.pos(n)
	if d.spoiled {
		return
	}
	given := 0
	for _, is := range []bool{s.Concat != nil, s.Kernel != nil, s.Microcode != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		d.fail(n, "want one of concat, kernel and microcode in a step, not %d of them", given)
	}
}

func (c *Concat) checkNode(d *decoder, n *yaml.Node) {
	if d.spoiled {
		return
	}
	if len(c.Of) == 0 {
		d.fail(n, `the key "of" is missing`)
	}
	checkPatterns(d, n, "of", c.Of)
}

func (k *KernelStep) checkNode(d *decoder, n *yaml.Node) {
	if !d.spoiled {
		checkPatterns(d, n, "firmware", k.Firmware)
	}
}
