package rootfs

import (
	"errors"
	"fmt"
	"slices"
)

// Tree is a whole root filesystem.
type Tree struct {
	TreeOptions // what it was made by
	entries     []*Entry
	segments    []int32 // of each entry, the segment that brought it; -1 for a made parent
	names       []string
}

// TreeOptions are what a tree is made by beside its segments.
type TreeOptions struct {
	Arch, Variant string   // such as "arm64" and "v8"
	Epoch         int64    // seconds since 1970; no packaged file is younger
	Fixed         bool     // every file has DefaultModTime
	Inputs        Digest   // names everything that the tree is a function of; zero where nobody says
	Menu          Menu     // of the boot loader
	Decompressors []string // what the kernel's package says that the kernel unpacks an initramfs with, best first: "gzip", "zstd"; empty where it does not say
}

// Where a tree has what a machine boots with. An initramfs leaves out all below
// BootDir.
const (
	BootDir     = "boot"
	KernelPath  = "boot/kernel"
	CmdlinePath = "boot/cmdline"
	UcodePath   = "boot/ucode.cpio" // microcode, as an uncompressed cpio archive; not in every tree
	LoaderDir   = "boot/loader"     // the boot loader's files; not in every tree
)

// Menu is what a boot loader shows.
type Menu struct {
	Title   string // of the entry; "" leaves it to who writes it
	Timeout int64  // how long it waits, seconds
}

// Conflict is a path that two packages brought with different content.
type Conflict struct {
	Path          string
	Loser, Winner string // names of the segment that is hidden and of the one that is kept
}

// NewTree lays segments over each other and takes their entries over.
//
// Of a path in several segments the last one's stays. An entry below a symbolic
// link of its own or of an earlier segment lies where the link leads. A
// directory over a link to a directory leaves the link. A directory that is
// named nowhere is made, 0755 and root's. Names of one inode become hard links,
// the first in path order being the file. Times are set here and nowhere else.
//
// A file over a directory, or the reverse, is an error; all of them are
// returned, joined. Different files at one path are conflicts, in path order,
// unless the later is from the files section.
func NewTree(segments []Segment, o TreeOptions) (*Tree, []Conflict, error) {
	segments, err := resolveSegments(segments)
	if err != nil {
		return nil, nil, err
	}
	m := merger{segments: segments, tree: &Tree{TreeOptions: o}}
	for _, s := range segments {
		m.tree.names = append(m.tree.names, s.Name)
	}
	m.merge()
	if len(m.errs) > 0 {
		return nil, nil, errors.Join(m.errs...)
	}
	m.tree.linkNames()
	for _, e := range m.tree.entries {
		e.ModTime = o.time(e)
	}
	return m.tree, m.conflicts, nil
}

func (o TreeOptions) time(e *Entry) int64 {
	if e.Made || o.Fixed {
		return DefaultModTime
	}
	return min(e.ModTime, o.Epoch)
}

// Len returns the number of entries, the root not counted.
func (t *Tree) Len() int { return len(t.entries) }

// At implements [At] over the tree.
func (t *Tree) At(path string) *Entry { return Find(t.entries, path) }

// Entries returns all entries but the root, in path order.
func (t *Tree) Entries() Entries { return slices.Values(t.entries) }

// Segments returns the names of the segments, in the order of the manifest.
func (t *Tree) Segments() []string { return t.names }

// SegmentOf returns the number of the segment that brought the i-th entry, or
// -1 for a directory that was made because nobody named it.
func (t *Tree) SegmentOf(i int) int { return int(t.segments[i]) }

// linkNames sets First and Nlink. Inodes are numbered within a segment.
func (t *Tree) linkNames() {
	type inode struct {
		segment int32
		number  uint32
	}
	first := map[inode]*Entry{}
	for i, e := range t.entries {
		e.First, e.Nlink = "", 1
		if e.Inode == 0 || e.Type != File {
			continue
		}
		k := inode{t.segments[i], e.Inode}
		if f := first[k]; f != nil {
			e.First = f.Path
			f.Nlink++
			continue
		}
		first[k] = e
	}
	for i, e := range t.entries {
		if e.First != "" {
			e.Nlink = first[inode{t.segments[i], e.Inode}].Nlink
		}
	}
}

// resolveSegments moves what lies below symbolic links to where they lead, and
// the directories that stand where an earlier segment has a link to one.
func resolveSegments(segments []Segment) ([]Segment, error) {
	done := make([]Segment, 0, len(segments))
	links := map[string]bool{}
	var errs []error
	for _, s := range segments {
		s.Entries = overLinks(s, links, done)
		moved, err := resolveSegment(s, links, done)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
			continue
		}
		done = append(done, moved)
	}
	return done, errors.Join(errs...)
}

// resolveSegment moves what lies below symbolic links, and adds the segment's own
// to links.
func resolveSegment(s Segment, links map[string]bool, below Stack) (Segment, error) {
	for range MaxRounds {
		for _, e := range s.Entries {
			if e.Type == Symlink {
				links[e.Path] = true
			}
		}
		moved, done, err := ResolveParents(s.Entries, links, append(slices.Clip(below), s).At)
		if done || err != nil {
			return s, err
		}
		s.Entries = moved
	}
	return s, fmt.Errorf("links that lie where links lead: %w", ErrLoop)
}

// overLinks returns the entries of a segment without the directories that stand
// where a link to a directory is. Where that link leads to nothing so far, the
// directory lies there.
func overLinks(s Segment, links map[string]bool, below Stack) []*Entry {
	kept := make([]*Entry, 0, len(s.Entries))
	moved := false
	for _, e := range s.Entries {
		if e.Type == Dir && links[e.Path] {
			target, there, isLink := leadsTo(e.Path, append(slices.Clip(below), s), below)
			if isLink && there != nil && there.Type == Dir {
				continue
			}
			if isLink && there == nil {
				c := *e
				c.Path, e, moved = target, &c, true
			}
		}
		kept = append(kept, e)
	}
	if moved {
		return Sort(kept)
	}
	return kept
}

// leadsTo returns where a symbolic link of an earlier segment leads, and what is
// there now.
func leadsTo(path string, now, below Stack) (target string, there *Entry, isLink bool) {
	if e := below.At(path); e == nil || e.Type != Symlink {
		return "", nil, false
	}
	target, err := Follow(path, below.At)
	if err != nil {
		return "", nil, false
	}
	return target, now.At(target), true
}
