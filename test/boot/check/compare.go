package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/test/boot/list"
)

// compare returns what is different between the paths that have to be there and
// those that are, a sentence each; and how many names of hard-linked files are as
// they should be.
func compare(want *list.List, found map[string]*node) (differences []string, links int) {
	c := comparison{found: found, names: map[string]uint64{}, files: map[uint64]string{}}
	wanted := map[string]bool{}
	for _, w := range want.Paths {
		wanted[w.Name] = true
		c.names[cmp.Or(w.First, w.Name)]++
	}
	for _, w := range want.Paths {
		if n := found[w.Name]; n != nil {
			c.attributes(w, n)
			c.linked(w, n)
		}
	}
	for _, name := range want.Beside {
		wanted[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if found[name] == nil {
			c.add("%q is missing", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !wanted[name] {
			c.add("%q should not be there", name)
		}
	}
	return c.differences, c.links
}

// comparison gathers differences.
type comparison struct {
	found       map[string]*node
	names       map[string]uint64 // how many names a file should have, by the first
	files       map[uint64]string // the first name of the file that has an inode number
	links       int
	differences []string
}

func (c *comparison) add(format string, args ...any) {
	c.differences = append(c.differences, fmt.Sprintf(format, args...))
}

// attributes compares what a path has by itself.
func (c *comparison) attributes(w list.Path, n *node) {
	if kind := n.Mode & unix.S_IFMT; kind != w.Type {
		c.add("%q is of type %#o, want %#o", w.Name, kind, w.Type)
		return
	}
	if mode := n.Mode &^ unix.S_IFMT; mode != w.Mode {
		c.add("%q has mode %04o, want %04o", w.Name, mode, w.Mode)
	}
	if n.Uid != w.UID || n.Gid != w.GID {
		c.add("%q belongs to %d:%d, want %d:%d", w.Name, n.Uid, n.Gid, w.UID, w.GID)
	}
	if n.Mtim.Sec != w.MTime || n.Mtim.Nsec != 0 {
		c.add("%q has time %d.%09d, want %d", w.Name, n.Mtim.Sec, n.Mtim.Nsec, w.MTime)
	}
	switch major, minor := unix.Major(n.Rdev), unix.Minor(n.Rdev); {
	case w.Type == unix.S_IFREG && n.Size != w.Size:
		c.add("%q has %d bytes, want %d", w.Name, n.Size, w.Size)
	case w.Type == unix.S_IFLNK && n.link != w.Link:
		c.add("%q leads to %q, want %q", w.Name, n.link, w.Link)
	case (w.Type == unix.S_IFCHR || w.Type == unix.S_IFBLK) && (major != w.Major || minor != w.Minor):
		c.add("%q is device %d,%d, want %d,%d", w.Name, major, minor, w.Major, w.Minor)
	}
}

// linked compares of which file a path is a name, and of how many.
func (c *comparison) linked(w list.Path, n *node) {
	if w.Type != unix.S_IFREG {
		return
	}
	first := cmp.Or(w.First, w.Name)
	other, seen := c.files[n.Ino]
	c.files[n.Ino] = cmp.Or(other, first)
	f := c.found[first]
	switch {
	case seen && other != first:
		c.add("%q is a name of %q", w.Name, other)
	case f != nil && f.Ino != n.Ino:
		c.add("%q is no name of %q", w.Name, first)
	case n.Nlink != c.names[first]:
		c.add("%q is a file of %d names, want %d", w.Name, n.Nlink, c.names[first])
	case n.Nlink > 1:
		c.links++
	}
}
