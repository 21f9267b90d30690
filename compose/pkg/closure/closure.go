// Package closure finds what the programs of an image need and the image does not
// have: the ELF interpreter and the libraries of every executable and shared
// object, where the dynamic linker would look for them (ld.so(8)), and the
// interpreter of every script.
//
// What a program opens by name while it runs (plugins, name service modules,
// locales) cannot be seen in it and is not judged; plugins that are there are, as
// every shared object is.
//
//	for _, err := range closure.Check(entries, closure.Options{Arch: "amd64"}) {
//		fmt.Fprintln(os.Stderr, err) // usr/sbin/nginx needs libpcre2-8.so.0 (DT_NEEDED), which is not in the image: …
//	}
//
// Files are trusted with nothing: what is read of one is bounded, and nonsense is
// an error that names it.
package closure

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// Options say what the image is.
type Options struct {
	Arch  string   // "amd64" or "arm64"
	Known []string // what others bring: interpreters by path ("bin/sh"), libraries by name ("libc.so.6")
}

// Fault is something that a file needs and cannot have.
type Fault struct {
	Path  string // of the file
	Needs string // what it names: a library, a path
	Why   string // how it names it, and what is wrong
}

// Error says who needs what.
func (f *Fault) Error() string { return fmt.Sprintf("%s needs %s %s", f.Path, f.Needs, f.Why) }

const (
	absent = ", which is not in the image: add the package that has it, or its files to include"
	other  = ", which the image has for another machine only"
)

// Check judges the entries of an image, which are in path order, and returns what
// is missing in that order: a [*Fault] each, or an error that names a file that
// cannot be read or is damaged.
//
// Not judged are relocatable objects and kernel modules, and what is below
// usr/lib/modules, usr/lib/firmware, usr/lib/debug and usr/share/doc: programs for
// other machines and examples.
func Check(entries []*rootfs.Entry, o Options) []error {
	target, ok := targets[o.Arch]
	if !ok {
		return []error{fmt.Errorf("architecture %q: not amd64 or arm64", o.Arch)}
	}
	c := &check{target: target, byPath: make(map[string]*rootfs.Entry, len(entries)), known: map[string]bool{}}
	c.objects, c.scripts = map[*rootfs.Entry]*object{}, map[*rootfs.Entry]string{}
	for _, e := range entries {
		c.byPath[e.Path] = e
	}
	for _, k := range o.Known {
		c.known[strings.TrimPrefix(k, "/")] = true
	}
	c.configured = c.configuredDirs()
	for _, e := range entries {
		c.look(e)
	}
	for _, e := range entries {
		c.judge(e)
	}
	slices.SortStableFunc(c.faults, func(a, b found) int { return rootfs.Compare(a.path, b.path) })
	var faults []error
	for _, f := range c.faults {
		faults = append(faults, f.err)
	}
	return faults
}

// found is a fault, and the path of the file that has it.
type found struct {
	path string
	err  error
}

// check is the state of one Check.
type check struct {
	target     target
	byPath     map[string]*rootfs.Entry
	known      map[string]bool
	objects    map[*rootfs.Entry]*object // programs and libraries; nil for what was read and is none
	scripts    map[*rootfs.Entry]string  // first lines
	configured []string                  // the directories of ld.so.conf
	ranAlong   []string                  // the directories that objects of the image name
	loaders    []string                  // the base names of interpreters that the image has
	faults     []found
}

// at tells what is at a path.
func (c *check) at(p string) *rootfs.Entry { return c.byPath[p] }

// file returns the file that a path leads to, nil if there is none.
func (c *check) file(p string) *rootfs.Entry {
	for range 2 { // a further name of a hard-linked file
		target, err := rootfs.Follow(p, c.at)
		if err != nil {
			return nil
		}
		e := c.byPath[target]
		switch {
		case e == nil:
			return nil
		case e.Type == rootfs.File && e.First != "" && e.Body == nil:
			p = e.First
		case e.Type == rootfs.HardLink:
			p = e.Link
		case e.Type == rootfs.File:
			return e
		default:
			return nil
		}
	}
	return nil
}

// skipped are the directories of what is not for the machine's own processor.
var skipped = []string{
	"usr/lib/modules", "lib/modules", "usr/lib/firmware", "lib/firmware", "usr/lib/debug", "usr/share/doc", "boot",
}

// otherwise are the ends of names of ELF files that no linker of the system loads:
// objects, kernel modules, and the modules of boot loaders.
var otherwise = []string{".o", ".ko", ".c32", ".mod"}

// judged tells whether a file is one that Check judges.
func judged(e *rootfs.Entry) bool {
	if e.Type != rootfs.File || e.Body == nil || e.Size < 4 {
		return false
	}
	for _, dir := range skipped {
		if rootfs.Below(e.Path, dir) {
			return false
		}
	}
	for _, end := range otherwise {
		if strings.HasSuffix(e.Path, end) {
			return false
		}
	}
	return true
}

// look reads the beginning of a file, and notes what it is.
func (c *check) look(e *rootfs.Entry) {
	if !judged(e) {
		return
	}
	var first [maxScript]byte
	n := 4
	if e.Mode&0o111 != 0 {
		n = len(first) // it may be a script
	}
	if err := readFull(e, first[:n], 0); err != nil {
		c.fault(e, err)
		return
	}
	switch {
	case string(first[:4]) == elfMagic:
		if _, err := c.object(e); err != nil {
			c.fault(e, err)
		}
	case n > 4 && string(first[:2]) == "#!":
		line, _, _ := strings.Cut(string(first[:min(n, int(min(e.Size, maxScript)))]), "\n")
		c.scripts[e] = line
	}
}

// fault notes that a file cannot be judged.
func (c *check) fault(e *rootfs.Entry, err error) {
	c.faults = append(c.faults, found{e.Path, fmt.Errorf("%s: %w", e.Path, err)})
}

// miss notes that a file lacks something.
func (c *check) miss(e *rootfs.Entry, needs, why string) {
	c.faults = append(c.faults, found{e.Path, &Fault{Path: e.Path, Needs: needs, Why: why}})
}

// judge notes what a file lacks.
func (c *check) judge(e *rootfs.Entry) {
	if line, ok := c.scripts[e]; ok {
		c.judgeScript(e, line)
	}
	o := c.objects[e]
	if o == nil || !judged(e) {
		return
	}
	if o.machine != c.target.machine || o.class != c.target.class {
		c.fault(e, fmt.Errorf("an ELF file for %s, not for %s", machineName(o), c.target.name))
		return
	}
	if o.interp != "" && !c.known[strings.TrimPrefix(o.interp, "/")] {
		switch there := c.file(strings.TrimPrefix(o.interp, "/")); {
		case there == nil:
			c.miss(e, o.interp, "(PT_INTERP)"+absent)
		case !c.fits(there):
			c.miss(e, o.interp, "(PT_INTERP)"+other)
		}
	}
	dirs := c.dirs(e, o)
	for _, name := range o.needed {
		if strings.Contains(name, "/") {
			name = c.expand(e, name)
		}
		if why := c.library(name, dirs, o); why != "" {
			c.miss(e, name, "(DT_NEEDED)"+why)
		}
	}
}

// library tells what is wrong with a library that o names: nothing, or why it
// would not be found.
func (c *check) library(name string, dirs []string, o *object) (why string) {
	if c.known[name] || slices.Contains(c.loaders, name) { // the interpreter is loaded before any library
		return ""
	}
	if strings.Contains(name, "/") {
		dirs, name = []string{path.Dir(name)}, path.Base(name)
	} else if o.interp == "" {
		dirs = append(slices.Clip(dirs), c.ranAlong...)
	}
	why = absent
	for _, dir := range dirs {
		there := c.file(rootfs.Join(strings.Trim(dir, "/"), name))
		if there == nil {
			continue
		}
		if c.fits(there) {
			return ""
		}
		why = other
	}
	return why
}

// fits tells whether a file is an ELF object for the image's machine.
func (c *check) fits(e *rootfs.Entry) bool {
	o, err := c.object(e)
	return err == nil && o != nil && o.machine == c.target.machine && o.class == c.target.class
}
