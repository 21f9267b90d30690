package flatten

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/composeos/compose/compose/rootfs"
)

// applier lays one layer, upper, over what the layers below it left, lower. Of
// what lower has, the directories are there too.
type applier struct {
	lower, upper []*rootfs.Entry
	inodes       uint32 // the highest inode number in use
}

func (a *applier) apply() ([]*rootfs.Entry, error) {
	written := a.upper
	if err := a.resolveParents(); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(a.upper, func(e *rootfs.Entry) bool { return e.Type == rootfs.HardLink }) {
		l := linker{a, written}
		if err := l.linkAll(); err != nil {
			return nil, err
		}
	}
	return a.merge()
}

// resolveParents moves the layer's entries to where symbolic links lead.
func (a *applier) resolveParents() error {
	for range rootfs.MaxRounds {
		upper, done, err := rootfs.ResolveParents(a.upper, a.links(), a.at)
		if done || err != nil {
			return err
		}
		a.upper = upper
	}
	return fmt.Errorf("links that lie where links lead: %w", rootfs.ErrLoop)
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

// merge walks both runs in path order. What the layer replaces or hides of the
// lower run lies at or right behind the place of the entry that does it.
func (a *applier) merge() ([]*rootfs.Entry, error) {
	merged := run{entries: make([]*rootfs.Entry, 0, len(a.lower)+len(a.upper))}
	lower, gone := a.lower, hidden{}
	keep := func(e *rootfs.Entry) {
		if !gone.hides(e) {
			merged.add(e)
		}
	}
	for _, u := range a.upper {
		for len(lower) > 0 && rootfs.Compare(lower[0].Path, u.Path) < 0 {
			keep(lower[0])
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
		merged.add(u)
	}
	for _, e := range lower {
		keep(e)
	}
	return merged.entries, merged.err
}

// run is entries that are being written in path order.
type run struct {
	entries []*rootfs.Entry
	dir     string // a directory that is there, with all those that it lies in
	err     error
}

// add adds an entry, behind the directories that no layer names. They are as
// good as others from here on: they stay when what is in them goes.
func (r *run) add(e *rootfs.Entry) {
	for r.dir != "" && !rootfs.Below(e.Path, r.dir) {
		r.dir = rootfs.Parent(r.dir)
	}
	r.makeParents(rootfs.Parent(e.Path))
	r.entries = append(r.entries, e)
	if e.Type == rootfs.Dir {
		r.dir = e.Path
	}
}

func (r *run) makeParents(dir string) {
	if dir == r.dir {
		return
	}
	if n := len(r.entries); n > 0 && r.entries[n-1].Path == dir {
		r.err = cmp.Or(r.err, fmt.Errorf("%s is a %s, and something lies below it: %w", dir, r.entries[n-1].Type, rootfs.ErrNotDir))
		return
	}
	r.makeParents(rootfs.Parent(dir))
	r.entries, r.dir = append(r.entries, rootfs.MadeDir(dir, 0o755)), dir
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

func (h *hidden) hides(e *rootfs.Entry) bool {
	return h.some && (rootfs.Below(e.Path, h.path) || h.whole && e.Path == h.path)
}
