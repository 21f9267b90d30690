package spec

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxLock is the largest lock that is read, in bytes.
const maxLock = 64 << 20

// ParseLock reads a lock. name is its file for errors. It is as strict as
// [Parse], and holds every fault of the file as an [Error].
func ParseLock(name string, data []byte) (*Lock, error) {
	n, err := readLock(name, data, "lock", "compose lock")
	if err != nil {
		return nil, err
	}
	if err := checkLevel(name, n); err != nil {
		return nil, err
	}
	d := &decoder{file: name}
	l := new(Lock)
	d.value(n, valueOf(l), "")
	l.checkEntries(d, n)
	if err := d.faults.err(); err != nil {
		return nil, err
	}
	return l, nil
}

// readLock reads the JSON of a lock, or of what else noun says; remake is the command
// that writes it anew.
func readLock(name string, data []byte, noun, remake string) (*yaml.Node, error) {
	at := Pos{File: name}
	if len(data) > maxLock {
		return nil, Error{Pos: at, What: fmt.Sprintf("the %s has %d bytes; at most %d can be", noun, len(data), maxLock)}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, Error{Pos: at, What: fmt.Sprintf("the %s is empty; remove it and run %q", noun, remake)}
	}
	if line := conflictLine(data); line > 0 {
		at.Line = line
		return nil, Error{Pos: at, What: fmt.Sprintf("a merge conflict is left in the %s: keep one side of it, then run %q", noun, remake)}
	}
	n, err := readJSON(data, true)
	if err != nil {
		return nil, inFile(name, err)
	}
	return n, nil
}

// inFile names the file of an error of the JSON reader.
func inFile(name string, err error) error {
	var e Error
	if !errors.As(err, &e) {
		return err
	}
	e.Pos.File = name
	return e
}

// conflictLine returns the line of the first mark that version control leaves
// where two changes meet, 0 where there is none.
func conflictLine(data []byte) int {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		for _, mark := range []string{"<<<<<<< ", "||||||| ", ">>>>>>> "} {
			if bytes.HasPrefix(line, []byte(mark)) {
				return number
			}
		}
	}
	return 0
}

// checkLevel refuses a lock of another version or another compat level before
// anything else is said about it: its keys may be others.
func checkLevel(name string, n *yaml.Node) error {
	for _, level := range []struct {
		key  string
		want uint64
		what string
	}{
		{"version", LockVersion, "the lock has version %d, and this release reads version %d: take the release that wrote it, or remove the lock and make a new one"},
		{"compat", Compat, "the lock has compat level %d, and this release builds level %d: build the image with the release of compose that has the lock's level, or remove the lock and make a new one, which may change the image"},
	} {
		at := lookup(n, level.key)
		if at == nil {
			continue
		}
		_, got, err := parseWhole(at, 0, math.MaxInt32)
		if err == nil && got != level.want {
			return Error{Pos: Pos{name, at.Line, at.Column}, Where: level.key, What: fmt.Sprintf(level.what, got, level.want)}
		}
	}
	return nil
}

// checkEntries applies the rules over several entries of the lock.
func (l *Lock) checkEntries(d *decoder, n *yaml.Node) {
	l.checkIDs(d, lookup(n, "ids"))
	images := map[string]bool{}
	for i, image := range l.Images {
		at := element(lookup(n, "images"), i)
		d.inEntry("images", i, at, func() {
			d.once(at, "name", image.Name, images)
			image.check(d, at)
		})
	}
	sources := map[string]bool{}
	for i, f := range l.Files {
		at := element(lookup(n, "files"), i)
		d.inEntry("files", i, at, func() {
			d.once(at, "source", f.Source, sources)
			if f.Absent != (f.Digest == "") {
				d.fail(at, "a file has a digest, or is absent")
			}
		})
	}
}

// inEntry runs f inside an entry of a list at the top.
func (d *decoder) inEntry(key string, i int, n *yaml.Node, f func()) {
	d.in(step{text: key}, func() { d.in(d.entry(i, n), f) })
}

// once notes a second entry of the same name.
func (d *decoder) once(n *yaml.Node, key, name string, seen map[string]bool) {
	if seen[name] {
		d.failAt(n, key, "%q is there twice", name)
	}
	seen[name] = true
}

func (l *Lock) checkIDs(d *decoder, n *yaml.Node) {
	owner := map[uint32]string{}
	for _, name := range slices.Sorted(maps.Keys(l.IDs)) {
		number := l.IDs[name]
		d.in(step{text: "ids"}, func() {
			if err := checkName(name); err != nil {
				d.failAt(n, name, "%s", err)
			}
			if number < firstID || number == noUser {
				d.failAt(n, name, "%d is no number of a container: they begin at %d", number, firstID)
			}
			if other, taken := owner[number]; taken {
				d.failAt(n, name, "%s has the number %d too", other, number)
			}
		})
		owner[number] = name
	}
}

func (i LockedImage) check(d *decoder, n *yaml.Node) {
	if ref, err := ParseRef(i.Name, ""); i.Name != "" && err != nil {
		d.failAt(n, "name", "%s", err)
	} else if i.Name != "" && ref.String() != i.Name {
		d.failAt(n, "name", "%q is not the canonical spelling: want %q", i.Name, ref)
	}
	i.checkVerified(d, n)
	platforms := lookup(n, "platforms")
	if platforms != nil && platforms.Kind == yaml.MappingNode && len(platforms.Content) == 0 {
		d.failAt(n, "platforms", "an image has at least one platform")
	}
	for _, name := range slices.Sorted(maps.Keys(i.Platforms)) {
		p, err := ParsePlatform(name)
		switch {
		case err != nil:
			d.in(step{text: "platforms"}, func() { d.failAt(platforms, name, "%s", err) })
		case p.String() != name || strings.ToLower(name) != name:
			d.in(step{text: "platforms"}, func() { d.failAt(platforms, name, "%q is not the canonical spelling", name) })
		}
	}
}

// checkVerified sees that the image was taken for one reason, and none is there twice.
func (i LockedImage) checkVerified(d *decoder, n *yaml.Node) {
	if i.Unsigned != "" && len(i.Verified) > 0 {
		d.failAt(n, "unsigned", "an image is verified, or is taken without a signature")
	}
	seen := map[Verified]bool{}
	for k, v := range i.Verified {
		if seen[v] {
			d.in(step{text: "verified"}, func() {
				d.in(d.index(k), func() { d.fail(element(lookup(n, "verified"), k), "the same is there twice") })
			})
		}
		seen[v] = true
	}
}
