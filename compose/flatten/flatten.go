// Package flatten makes one root filesystem of the layers of an image.
//
// [Layers] applies layers lowest first, by the rules of image-spec layer.md:
// whiteouts hide what is below them, directories merge, anything else replaces,
// a hard link may name a file of a lower layer, and an entry whose parent is a
// symbolic link lies where that link leads. [Rootfs] then makes it a root
// filesystem that a container or a system can run in, and [Below] lays it out
// at its place in the tree.
//
// Each layer is a run of entries in path order, so a layer is applied by
// merging two runs; payloads are never touched. Runs are read and not changed:
// layers are shared by all images that have them.
package flatten

import (
	"fmt"

	"github.com/composeos/compose/compose/rootfs"
)

// Layers returns what layers, lowest first, leave when they are applied over
// each other: entries in path order, each path once, no whiteouts, no
// [rootfs.HardLink]. Entries may be shared with the layers.
func Layers(layers [][]rootfs.Entry) ([]*rootfs.Entry, error) {
	var merged []*rootfs.Entry
	inodes := uint32(0)
	for i, l := range layers {
		run, last := renumber(l, inodes)
		a := applier{lower: merged, upper: run, inodes: last}
		next, err := a.apply()
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		merged, inodes = next, a.inodes
	}
	return merged, nil
}

// renumber returns pointers to a layer's entries with inode numbers behind
// those of the layers below. Only entries that have one are copied.
func renumber(layer []rootfs.Entry, inodes uint32) (run []*rootfs.Entry, last uint32) {
	run, last = make([]*rootfs.Entry, len(layer)), inodes
	for i := range layer {
		run[i] = &layer[i]
		if layer[i].Inode == 0 || inodes == 0 {
			last = max(last, layer[i].Inode)
			continue
		}
		c := layer[i]
		c.Inode += inodes
		run[i], last = &c, max(last, c.Inode)
	}
	return run, last
}

// Below returns a copy of entries laid out below prefix ("" is the root), each
// with that origin.
func Below(prefix, origin string, entries []*rootfs.Entry) []*rootfs.Entry {
	copies := make([]rootfs.Entry, len(entries))
	laid := make([]*rootfs.Entry, len(entries))
	for i, e := range entries {
		copies[i] = *e
		copies[i].Path = rootfs.Join(prefix, e.Path)
		copies[i].Origin = origin
		laid[i] = &copies[i]
	}
	return laid
}
