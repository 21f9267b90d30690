package store

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"github.com/composeos/compose/compose/rootfs"
)

// arrangement brings the records of a tar, which are a history, into what that
// history leaves: entries in path order.
//
// The numbers of records are times: record 5 is unpacked after record 4. A run
// is the records of one path and one class, in the order of time.
type arrangement struct {
	records []record
	plain   bool    // it is no layer: there is nothing below it to hide
	order   []int32 // record numbers by path, class and time
	cleared []int32 // for each place in order: when its path last stopped to be a directory, up to there; -1: never
	clears  bool    // whether that ever happens
	inodes  uint32
}

// arrange returns the numbers of the records that stay, in path order. Hard
// links to files of the same tar become files. With plain, no other target is
// allowed. Errors wrap [ErrInvalid].
func arrange(records []record, plain bool) ([]int32, error) {
	a := &arrangement{records: records, plain: plain, order: make([]int32, len(records))}
	for i := range a.order {
		a.order[i] = int32(i)
	}
	slices.SortFunc(a.order, a.compare)
	a.findClears()
	for i := range records {
		if records[i].typ != rootfs.HardLink {
			continue
		}
		if err := a.resolve(int32(i), plain); err != nil {
			return nil, err
		}
	}
	return a.sweep()
}

func (a *arrangement) compare(i, j int32) int {
	x, y := &a.records[i], &a.records[j]
	if c := rootfs.Compare(x.path, y.path); c != 0 {
		return c
	}
	if c := class(x.typ) - class(y.typ); c != 0 {
		return c
	}
	return cmp.Compare(i, j)
}

// class tells whiteouts from what is there: one path can have one of each.
func class(t rootfs.Type) int {
	switch t {
	case rootfs.Opaque:
		return 0
	case rootfs.Whiteout:
		return 1
	}
	return 2
}

func (a *arrangement) sameRun(i, j int32) bool {
	x, y := &a.records[i], &a.records[j]
	return x.path == y.path && class(x.typ) == class(y.typ)
}

// findClears finds where something else takes the place of a directory, which
// removes all that was in it. A directory need not be in the tar to be one: a
// file removes what came before it below its path. (A symbolic link does not:
// a lower layer may have it too, and then those names go through it.)
func (a *arrangement) findClears() {
	a.cleared = make([]int32, len(a.order))
	for p, i := range a.order {
		r := &a.records[i]
		first := p == 0 || !a.sameRun(a.order[p-1], i)
		a.cleared[p] = -1
		if !first {
			a.cleared[p] = a.cleared[p-1]
		}
		if r.typ == rootfs.Dir || class(r.typ) != 2 {
			continue
		}
		if !first && a.records[a.order[p-1]].typ == rootfs.Dir {
			a.cleared[p], a.clears = i, true
		} else if first && r.typ != rootfs.Symlink && r.typ != rootfs.HardLink {
			a.cleared[p] = i
			// Whether it has anything below is seen from its neighbour.
			a.clears = a.clears || a.hasBelow(p)
		}
	}
}

// hasBelow tells whether names below that of place p are in the tar.
func (a *arrangement) hasBelow(p int) bool {
	path := a.records[a.order[p]].path
	for p++; p < len(a.order); p++ {
		if next := a.records[a.order[p]].path; next != path {
			return rootfs.Below(next, path)
		}
	}
	return false
}

// before returns the place in order of the last record of path, whiteouts not
// counted, that is older than time; -1 if there is none.
func (a *arrangement) before(path string, time int32) int {
	p := sort.Search(len(a.order), func(p int) bool {
		i := a.order[p]
		r := &a.records[i]
		if c := rootfs.Compare(r.path, path); c != 0 {
			return c > 0
		}
		return class(r.typ) == 2 && i >= time
	}) - 1
	if p < 0 {
		return -1
	}
	if r := &a.records[a.order[p]]; r.path != path || class(r.typ) != 2 {
		return -1
	}
	return p
}

// at returns what is at path at that time, nil where nothing of this tar is.
func (a *arrangement) at(path string, time int32) *record {
	p := a.before(path, time)
	if p < 0 {
		return nil
	}
	since := a.order[p]
	for dir := rootfs.Parent(path); a.clears && dir != ""; dir = rootfs.Parent(dir) {
		if q := a.before(dir, time); q >= 0 && a.cleared[q] > since {
			return nil
		}
	}
	return &a.records[since]
}

// resolve makes a hard link what its target is. It is one file with it, under
// one number; the attributes are those of the target, since a file has one set.
func (a *arrangement) resolve(i int32, plain bool) error {
	r := &a.records[i]
	target := a.at(r.link, i)
	switch {
	case target == nil && plain:
		return fmt.Errorf("%w: hard link %q: its target %q is not in the archive before it", ErrInvalid, r.path, r.link)
	case target == nil:
		return nil
	case target.typ == rootfs.Dir:
		return fmt.Errorf("%w: hard link %q: its target %q is a directory", ErrInvalid, r.path, r.link)
	case target.typ == rootfs.File && target.inode == 0:
		a.inodes++
		target.inode = a.inodes
	}
	path, hidden := r.path, r.hidden
	*r = *target
	r.path, r.hidden = path, hidden
	return nil
}

// sweep walks the runs in path order and keeps of each the last record, unless
// a directory above it was replaced later. Before a directory that took the place
// of something else it keeps that as a whiteout: what lower layers had in a
// directory there went with it.
func (a *arrangement) sweep() ([]int32, error) {
	type dir struct {
		path    string
		typ     rootfs.Type
		cleared int32
	}
	var above []dir
	replaced := int32(-1) // in this run, the last that is no directory
	kept := a.order[:0]
	for p, i := range a.order {
		r := &a.records[i]
		if p == 0 || !a.sameRun(i, a.order[p-1]) {
			replaced = -1
		}
		if r.typ != rootfs.Dir && class(r.typ) == 2 && !a.plain {
			replaced = i
		}
		if p+1 < len(a.order) && a.sameRun(i, a.order[p+1]) {
			continue
		}
		for len(above) > 0 && !rootfs.Below(r.path, above[len(above)-1].path) {
			above = above[:len(above)-1]
		}
		gone, file := false, ""
		for _, d := range above {
			if d.cleared > i {
				gone = true
			} else if d.typ != rootfs.Dir && d.typ != rootfs.Symlink && d.typ != rootfs.HardLink {
				file = d.path
			}
		}
		if file != "" && class(r.typ) != 2 {
			gone = true // the file hides the same of lower layers, and more
		}
		if !gone && file != "" && !r.hidden {
			return nil, fmt.Errorf("%w: %q lies below %q, which is not a directory", ErrInvalid, r.path, file)
		}
		if class(r.typ) == 2 && (r.typ != rootfs.Dir || a.cleared[p] >= 0) && !gone {
			above = append(above, dir{r.path, r.typ, a.cleared[p]})
		}
		if r.typ == rootfs.Dir && replaced >= 0 && !gone && !r.hidden {
			kept = a.keepHidden(kept, replaced)
		}
		if !gone && !r.hidden {
			kept = append(kept, i)
		}
	}
	return kept, nil
}

// keepHidden makes a record a whiteout and keeps it, unless there is one.
func (a *arrangement) keepHidden(kept []int32, i int32) []int32 {
	r := &a.records[i]
	if n := len(kept); n > 0 && a.records[kept[n-1]].typ == rootfs.Whiteout && a.records[kept[n-1]].path == r.path {
		return kept
	}
	*r = record{path: r.path, typ: rootfs.Whiteout}
	return append(kept, i)
}
