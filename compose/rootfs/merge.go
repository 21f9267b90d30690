package rootfs

import (
	"fmt"
	"slices"
)

// merger is the k-way merge of segments into a tree.
type merger struct {
	segments  []Segment
	tree      *Tree
	cursors   []cursor // those that are not at their end, by path and then by segment
	parents   []string // the directories that are open, outermost first
	conflicts []Conflict
	blocker   *Entry // the last that others were found below, though it is no directory
	errs      []error
}

// cursor is a place in a segment.
type cursor struct {
	segment int32
	rest    []*Entry
}

func (c cursor) compare(d cursor) int {
	if n := Compare(c.rest[0].Path, d.rest[0].Path); n != 0 {
		return n
	}
	return int(c.segment - d.segment)
}

// candidate is an entry and the segment that brings it.
type candidate struct {
	*Entry
	segment int32
}

func (m *merger) merge() {
	for i, s := range m.segments {
		if len(s.Entries) > 0 {
			m.insert(cursor{int32(i), s.Entries})
		}
	}
	for len(m.cursors) > 0 {
		winner := m.next()
		for len(m.cursors) > 0 && m.cursors[0].rest[0].Path == winner.Path {
			winner = m.decide(winner, m.next())
		}
		if winner.Path != "" {
			m.emit(winner)
		}
	}
}

// next takes the lowest entry. Segments are mostly runs of their own, so the
// cursor that was lowest mostly stays it: one comparison an entry.
func (m *merger) next() candidate {
	c := m.cursors[0]
	taken := candidate{c.rest[0], c.segment}
	c.rest = c.rest[1:]
	switch {
	case len(c.rest) == 0:
		m.cursors = slices.Delete(m.cursors, 0, 1)
	case len(m.cursors) == 1 || c.compare(m.cursors[1]) < 0:
		m.cursors[0] = c
	default:
		m.cursors = slices.Delete(m.cursors, 0, 1)
		m.insert(c)
	}
	return taken
}

func (m *merger) insert(c cursor) {
	i, _ := slices.BinarySearchFunc(m.cursors, c, cursor.compare)
	m.cursors = slices.Insert(m.cursors, i, c)
}

// decide says which of two entries of one path stays; later is of a later segment.
func (m *merger) decide(earlier, later candidate) candidate {
	switch {
	case earlier.Type == Dir && later.Type == Dir:
		if later.Made && !earlier.Made && !m.segments[later.segment].Files {
			return earlier
		}
		return later
	case earlier.Type == Dir || later.Type == Dir:
		m.errs = append(m.errs, fmt.Errorf("%s: %s brings a %s where %s has a %s",
			later.Path, m.name(later), later.Type, m.name(earlier), earlier.Type))
		return earlier
	}
	if !m.segments[later.segment].Files && !sameFile(earlier.Entry, later.Entry) {
		m.conflicts = append(m.conflicts, Conflict{later.Path, m.name(earlier), m.name(later)})
	}
	return later
}

func (m *merger) name(c candidate) string { return m.segments[c.segment].Name }

// sameFile tells whether two packages brought the same thing, times aside.
func sameFile(a, b *Entry) bool {
	return a.Type == b.Type && a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.Link == b.Link &&
		a.Major == b.Major && a.Minor == b.Minor && a.Size == b.Size && a.Digest == b.Digest && slices.Equal(a.Xattrs, b.Xattrs)
}

// emit adds an entry to the tree, behind the parents that nobody named.
func (m *merger) emit(c candidate) {
	for len(m.parents) > 0 && !Below(c.Path, m.parents[len(m.parents)-1]) {
		m.parents = m.parents[:len(m.parents)-1]
	}
	if n := len(m.tree.entries); n > 0 && m.tree.entries[n-1].Type != Dir && Below(c.Path, m.tree.entries[n-1].Path) {
		e := m.tree.entries[n-1]
		if e == m.blocker {
			return // said once, and not for each of a million files
		}
		m.blocker = e
		m.errs = append(m.errs, fmt.Errorf("%s: %s brings it below a %s that %s has", c.Path, m.name(c), e.Type, e.Origin))
		return
	}
	m.makeParents(Parent(c.Path))
	m.add(c)
}

func (m *merger) add(c candidate) {
	if c.Origin == "" && c.segment >= 0 {
		c.Origin = m.name(c)
	}
	m.tree.entries = append(m.tree.entries, c.Entry)
	m.tree.segments = append(m.tree.segments, c.segment)
	if c.Type == Dir {
		m.parents = append(m.parents, c.Path)
	}
}

// makeParents adds the directories on the way to dir that are not open yet.
func (m *merger) makeParents(dir string) {
	if dir == "" || len(m.parents) > 0 && m.parents[len(m.parents)-1] == dir {
		return
	}
	m.makeParents(Parent(dir))
	if n := len(m.tree.entries); n > 0 && m.tree.entries[n-1].Path == dir {
		return
	}
	m.add(candidate{&Entry{Path: dir, Type: Dir, Mode: 0o755, Made: true, Origin: "made as a parent directory"}, -1})
}
