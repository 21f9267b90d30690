package flatten

import (
	"fmt"
	"slices"

	"github.com/composeos/compose/compose/rootfs"
)

// applier lays one layer, upper, over what the layers below it left, lower.
type applier struct {
	lower, upper []*rootfs.Entry
	inodes       uint32 // the highest inode number in use
}

func (a *applier) apply() ([]*rootfs.Entry, error) {
	upper, err := rootfs.ResolveParents(a.upper, a.links(), a.at)
	if err != nil {
		return nil, err
	}
	a.upper = upper
	if slices.ContainsFunc(upper, func(e *rootfs.Entry) bool { return e.Type == rootfs.HardLink }) {
		if err := a.linkLower(); err != nil {
			return nil, err
		}
	}
	return a.merge(), nil
}

// links is every path at which either run has a symbolic link.
func (a *applier) links() map[string]bool {
	links := map[string]bool{}
	for _, run := range [][]*rootfs.Entry{a.lower, a.upper} {
		for _, e := range run {
			if e.Type == rootfs.Symlink {
				links[e.Path] = true
			}
		}
	}
	return links
}

// at is what is at a path once the layer has been applied.
func (a *applier) at(path string) *rootfs.Entry {
	marks := a.marks(path)
	if n := len(marks); n > 0 && !hides(marks[n-1]) {
		return marks[n-1]
	}
	for _, e := range marks {
		if e.Type == rootfs.Whiteout {
			return nil
		}
	}
	for dir := path; dir != ""; {
		dir = rootfs.Parent(dir)
		for _, e := range a.marks(dir) {
			if e.Type != rootfs.Dir {
				return nil
			}
		}
	}
	return rootfs.Find(a.lower, path)
}

func hides(e *rootfs.Entry) bool { return e.Type == rootfs.Whiteout || e.Type == rootfs.Opaque }

// marks returns all that the layer says of a path: whiteouts first, then its own entry.
func (a *applier) marks(path string) []*rootfs.Entry {
	i, _ := search(a.upper, path)
	j := i
	for j < len(a.upper) && a.upper[j].Path == path {
		j++
	}
	return a.upper[i:j]
}

func search(run []*rootfs.Entry, path string) (int, bool) {
	return slices.BinarySearchFunc(run, path, func(e *rootfs.Entry, p string) int { return rootfs.Compare(e.Path, p) })
}

// linkLower makes of each hard link to a lower layer one more name of the file
// there. The link is made before whiteouts hide its target: so a file that a
// layer moved is still that file.
func (a *applier) linkLower() error {
	a.lower, a.upper = slices.Clone(a.lower), slices.Clone(a.upper)
	for i, e := range a.upper {
		if e.Type != rootfs.HardLink {
			continue
		}
		target, err := a.target(e)
		if err != nil {
			return err
		}
		c := *target
		c.Path = e.Path
		a.upper[i] = &c
	}
	return nil
}

// target returns the file of a lower layer that a hard link names, with an
// inode number that the two names can share.
func (a *applier) target(link *rootfs.Entry) (*rootfs.Entry, error) {
	path, err := rootfs.FollowDirs(link.Link, func(p string) *rootfs.Entry { return rootfs.Find(a.lower, p) })
	if err != nil {
		return nil, fmt.Errorf("%s: hard link to %s: %w", link.Path, link.Link, err)
	}
	i, found := search(a.lower, path)
	if !found || a.lower[i].Type == rootfs.Dir {
		return nil, fmt.Errorf("%s: hard link to %s, which is not a file of a lower layer", link.Path, link.Link)
	}
	if a.lower[i].Type == rootfs.File && a.lower[i].Inode == 0 {
		a.inodes++
		c := *a.lower[i]
		c.Inode = a.inodes
		a.lower[i] = &c
	}
	return a.lower[i], nil
}

// merge walks both runs in path order. What the layer replaces or hides of the
// lower run lies at or right behind the place of the entry that does it.
func (a *applier) merge() []*rootfs.Entry {
	merged := make([]*rootfs.Entry, 0, len(a.lower)+len(a.upper))
	lower, gone := a.lower, hidden{}
	for _, u := range a.upper {
		for len(lower) > 0 && rootfs.Compare(lower[0].Path, u.Path) < 0 {
			merged = gone.keep(merged, lower[0])
			lower = lower[1:]
		}
		if u.Type != rootfs.Dir {
			gone.add(u)
		}
		if hides(u) {
			continue
		}
		if len(lower) > 0 && lower[0].Path == u.Path {
			lower = lower[1:]
		}
		merged = append(merged, u)
	}
	for _, e := range lower {
		merged = gone.keep(merged, e)
	}
	return merged
}

// hidden is the part of the lower run that is not seen at the moment: all that
// lies below path, and with whole the path itself.
type hidden struct {
	path        string
	some, whole bool
}

// add hides what u hides, unless it is hidden already.
func (h *hidden) add(u *rootfs.Entry) {
	if h.some && rootfs.Below(u.Path, h.path) {
		return
	}
	whole := u.Type == rootfs.Whiteout || h.some && h.path == u.Path && h.whole
	*h = hidden{path: u.Path, some: true, whole: whole}
}

func (h *hidden) keep(merged []*rootfs.Entry, e *rootfs.Entry) []*rootfs.Entry {
	if h.some && (rootfs.Below(e.Path, h.path) || h.whole && e.Path == h.path) {
		return merged
	}
	return append(merged, e)
}
