package pkg

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/composeos/compose/compose/rootfs"
)

// contents is what an image will hold, by path.
type contents map[string]*rootfs.Entry

// put lays an entry over what is at its path.
func (c contents) put(e *rootfs.Entry) { c[e.Path] = e }

// at implements [rootfs.At].
func (c contents) at(path string) *rootfs.Entry { return c[path] }

// sorted returns the entries in path order.
func (c contents) sorted() []*rootfs.Entry {
	return slices.SortedFunc(maps.Values(c), func(a, b *rootfs.Entry) int { return rootfs.Compare(a.Path, b.Path) })
}

// matching returns the files whose paths match, in path order.
func (c contents) matching(p patterns) []*rootfs.Entry {
	return slices.DeleteFunc(c.sorted(), func(e *rootfs.Entry) bool { return e.Type != rootfs.File || !p.match(e.Path) })
}

// tree makes a root filesystem of the contents. Directories have one time: which
// packages have files in one says nothing about its age.
func (c contents) tree() (*rootfs.Tree, error) {
	newest := rootfs.DefaultModTime
	entries := c.sorted()
	for _, e := range entries {
		if e.Type == rootfs.Dir {
			e.Made = true
		} else if !e.Made {
			newest = max(newest, e.ModTime)
		}
	}
	tree, _, err := rootfs.NewTree([]rootfs.Segment{{Name: "contents", Entries: entries}}, rootfs.TreeOptions{Epoch: newest})
	return tree, err
}

// mergedUsr are the links of a system whose programs and libraries all lie in usr
// (file-hierarchy(7)).
func mergedUsr() []string { return []string{"bin", "lib", "lib64", "sbin"} }

// mergeUsr adds those links where usr has what they lead to.
func (c contents) mergeUsr() {
	for _, name := range mergedUsr() {
		below := "usr/" + name
		if c[name] != nil {
			continue
		}
		for path := range c {
			if path == below || rootfs.Below(path, below) {
				c.put(rootfs.MadeSymlink(name, below))
				break
			}
		}
	}
}

// join lays the entries of one Debian package beside those of others. A path in two
// of them must be the same: which is meant, the source has to say.
func (c contents) join(entries []*rootfs.Entry) error {
	for _, e := range entries {
		was := c[e.Path]
		switch {
		case was == nil:
			c.put(e)
		case was.Type == rootfs.Dir && e.Type == rootfs.Dir:
		case !sameFile(was, e):
			return fmt.Errorf("%s is in %s and, different, in %s: exclude it, and name the one that is wanted in files, with from: %s:%s",
				e.Path, was.Origin, e.Origin, e.Origin, e.Path)
		}
	}
	return nil
}

func sameFile(a, b *rootfs.Entry) bool {
	return cmp.Compare(a.Type, b.Type) == 0 && a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID &&
		a.Link == b.Link && a.Digest == b.Digest && slices.Equal(a.Xattrs, b.Xattrs)
}
