package outputs

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/composeos/compose/compose/rootfs"
)

// maxLayers is how many layers a container image has at most. Docker takes 125.
const maxLayers = 100

// layer is what one layer of a container image holds.
type layer struct {
	name    string          // for the image's history
	entries []*rootfs.Entry // in path order, with every directory on the way to each
	on      map[string]bool // directories that are in entries
	first   string          // path of the first entry that is its own
	parts   int             // how many packages it holds
}

// layers divides a tree into the layers of a container image: one for each
// package, in the order of the manifest, and last one with what compose itself
// wrote (configuration, files), which changes most often. No path but a
// directory is in two of them, so their order does not decide what is where.
// Each has the directories on the way to its files, as they are in the tree: who
// unpacks layers into folders of their own and lays those over each other would
// otherwise see directories that nobody described.
//
// Where there are more packages than layers, packages share them: each goes
// where a hash of its first path says, so that adding one moves few others.
func layers(t *rootfs.Tree) []*layer {
	names := t.Segments()
	bySegment := make([]*layer, len(names)+1) // and one for what is compose's own
	own := len(names)
	packages := packaged(t)
	i := 0
	for e := range t.Entries() {
		s := t.SegmentOf(i)
		i++
		if s < 0 || !packages[s] {
			s = own
		}
		if bySegment[s] == nil {
			bySegment[s] = &layer{first: e.Path, on: map[string]bool{}, parts: 1, name: "compose"}
			if s != own {
				bySegment[s].name = names[s]
			}
		}
		bySegment[s].add(t, e)
	}
	last := bySegment[own]
	all := slices.DeleteFunc(bySegment[:own], func(l *layer) bool { return l == nil })
	if len(all) > maxLayers-1 {
		all = shared(all)
	}
	if last != nil {
		all = append(all, last)
	}
	return all
}

// packaged tells of each segment whether it is a package's: whether anything of
// it is not written by compose.
func packaged(t *rootfs.Tree) []bool {
	packages := make([]bool, len(t.Segments()))
	i := 0
	for e := range t.Entries() {
		if s := t.SegmentOf(i); s >= 0 && !e.Made {
			packages[s] = true
		}
		i++
	}
	return packages
}

// add appends an entry behind the directories that lead to it.
func (l *layer) add(t *rootfs.Tree, e *rootfs.Entry) {
	var way []*rootfs.Entry
	for dir := rootfs.Parent(e.Path); dir != "" && !l.on[dir]; dir = rootfs.Parent(dir) {
		l.on[dir] = true
		way = append(way, t.At(dir))
	}
	slices.Reverse(way)
	l.entries = append(l.entries, way...)
	if e.Type == rootfs.Dir {
		if l.on[e.Path] {
			return
		}
		l.on[e.Path] = true
	}
	l.entries = append(l.entries, e)
}

// shared puts the layers of many packages into fewer.
func shared(all []*layer) []*layer {
	buckets := make([]*layer, maxLayers-1)
	for _, l := range all {
		sum := sha256.Sum256([]byte(l.first))
		n := binary.BigEndian.Uint64(sum[:]) % uint64(len(buckets))
		b := buckets[n]
		if b == nil {
			buckets[n] = l
			continue
		}
		b.parts += l.parts
		b.name = fmt.Sprintf("%d packages", b.parts)
		for _, e := range l.entries {
			if e.Type == rootfs.Dir {
				if b.on[e.Path] {
					continue
				}
				b.on[e.Path] = true
			}
			b.entries = append(b.entries, e)
		}
	}
	buckets = slices.DeleteFunc(buckets, func(l *layer) bool { return l == nil })
	for _, b := range buckets {
		b.entries = rootfs.Sort(b.entries)
	}
	return buckets
}
