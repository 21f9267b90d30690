// Package rootfs is the form in which a root filesystem travels through
// compose: entries, gathered into segments, gathered into a tree.
//
// An [Entry] is one path. A [Segment] is what one part of the manifest
// contributes: entries in path order, each path once. [NewTree] lays segments
// over each other: it decides who wins a path, which name of a hard-linked file
// is its first, and what time each file has. A [Tree] is the whole: one owner a
// path, one order, parents before children.
//
// Path order compares bytes, with '/' below every other byte: a directory comes
// before everything in it, and all of it before the next name.
//
// The package is pure; it imports nothing of compose.
package rootfs

import (
	"encoding/hex"
	"io"
	"iter"
)

// DefaultModTime is the time of what compose itself writes, and of every file
// where a manifest says "timestamps: fixed": 2017-04-18T16:30:00Z, in seconds.
const DefaultModTime int64 = 1492533000

// Type says what is at a path.
type Type uint8

// The types. A layer's index also holds hard links to files of lower layers and
// whiteouts; no segment and no tree does.
const (
	File Type = iota + 1
	Dir
	Symlink
	Char
	Block
	Fifo
	HardLink // Link is the path of a file in a lower layer
	Whiteout // hides its path in lower layers (image-spec layer.md, "Whiteouts")
	Opaque   // hides what lower layers have below its path ("Opaque Whiteout")
)

var typeNames = [...]string{
	File: "file", Dir: "directory", Symlink: "symbolic link", Char: "character device", Block: "block device",
	Fifo: "fifo", HardLink: "hard link", Whiteout: "whiteout", Opaque: "opaque whiteout",
}

// String returns the type's name in words.
func (t Type) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return "entry of no type"
}

// Digest is the SHA-256 of a file's content. The zero Digest is none.
type Digest [32]byte

// String returns "sha256:" and 64 hexadecimal digits.
func (d Digest) String() string { return "sha256:" + hex.EncodeToString(d[:]) }

// Entry is one path of a root filesystem.
type Entry struct {
	Path         string      // slash-separated, relative, clean; "" is the root
	Type         Type        //
	Mode         uint32      // permission, setuid, setgid and sticky bits: 07777
	UID, GID     uint32      //
	ModTime      int64       // seconds since 1970; of a tree's entry what NewTree made of it
	Link         string      // target of a Symlink, as it stands there
	Major, Minor uint32      // of Char and Block
	Xattrs       []Xattr     // sorted by name
	Size         int64       // bytes of a File
	Digest       Digest      // of a File's content
	Body         io.ReaderAt // the content of a File that is not empty; nil otherwise
	Inode        uint32      // in a segment: names with one number, not 0, are one file
	First        string      // in a tree: for a further name of a hard-linked file, its first name in path order
	Nlink        uint32      // in a tree: how many names the file has there; 1 for all else
	Made         bool        // written by compose itself, not by a package
	Origin       string      // who brought it: "services[2] nginx docker.io/library/nginx:1"
}

// Xattr is an extended attribute.
type Xattr struct{ Name, Value string }

// Entries are entries in path order. They can be ranged over again.
type Entries = iter.Seq[*Entry]

// Compare orders two paths: negative if a is before b, 0 if they are equal.
func Compare(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x == '/' {
			return -1
		}
		if y == '/' {
			return 1
		}
		return int(x) - int(y)
	}
	return len(a) - len(b)
}
