package rootfs

import (
	"slices"
	"sort"
)

// Segment is what one part of a manifest contributes to a tree.
type Segment struct {
	Name    string   // "services[2] nginx docker.io/library/nginx:1", for messages
	Entries []*Entry // in path order, each path once; parents need not be there
	Files   bool     // from the files section, which is meant to replace what packages brought
}

// Find returns the entry of that path in entries, which are in path order, or nil.
func Find(entries []*Entry, path string) *Entry {
	i := sort.Search(len(entries), func(i int) bool { return Compare(entries[i].Path, path) >= 0 })
	if i < len(entries) && entries[i].Path == path {
		return entries[i]
	}
	return nil
}

// Sort brings entries into path order. Of entries with one path and of one
// class (whiteouts are another class than files) the last stays.
func Sort(entries []*Entry) []*Entry {
	slices.SortStableFunc(entries, func(a, b *Entry) int {
		if c := Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return class(a) - class(b)
	})
	kept := entries[:0]
	for i, e := range entries {
		if i+1 < len(entries) && entries[i+1].Path == e.Path && class(entries[i+1]) == class(e) {
			continue
		}
		kept = append(kept, e)
	}
	clear(entries[len(kept):])
	return kept
}

// class orders the entries of one path: what hides lower layers comes first.
func class(e *Entry) int {
	switch e.Type {
	case Opaque:
		return 0
	case Whiteout:
		return 1
	}
	return 2
}

// Stack is segments seen as one: of a path in several, the last counts.
type Stack []Segment

// At implements [At].
func (s Stack) At(path string) *Entry {
	for _, segment := range slices.Backward(s) {
		if e := Find(segment.Entries, path); e != nil {
			return e
		}
	}
	return nil
}
