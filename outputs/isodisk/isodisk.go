// Package isodisk lays out ISO 9660 volumes, FAT volumes and disks with a GUID
// partition table, of which every byte follows from what is given.
//
// go-diskfs writes the structures. It takes times from the clock, owners and modes
// from files it is given on disk, and copies every file; so this package gives it a
// skeleton, in memory, in which large files are a byte at most, and then sets every
// field that go-diskfs cannot be told (iso.go and fat.go say which): times, owners,
// modes, serial numbers, and where the content of large files is. That content is
// never here: who writes an image puts it at the [Extent] of its file.
//
// What it lays out is what our images need, and what go-diskfs does right: few
// files, with short names. Everything else is refused, by [ErrEnvelope], before
// anything is written. So is a release of go-diskfs that this package has not been
// tried with.
package isodisk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Sector is the size of a sector of a disk, bytes.
const Sector = 512

// maxFileSize is the largest size that a directory record of ISO 9660 (ECMA-119
// 9.1.4) or of FAT can say.
const maxFileSize = 1<<32 - 1

// ErrEnvelope is what cannot be laid out here.
var ErrEnvelope = errors.New("outside of what can be laid out")

// File is a file that goes into a volume.
type File struct {
	Path string // such as "boot/grub/grub.cfg"; of parts that [checkFiles] lets through
	Size int64  // bytes; at least 1
	Data []byte // its content, of Size bytes; nil where the caller writes it
}

// Extent is where an image has the content of a file that was given without it.
type Extent struct {
	Path         string
	Offset, Size int64 // bytes, from the beginning of the image
}

// Image is a volume or a disk, without the content of the files at Extents.
type Image struct {
	Size    int64    // bytes
	Extents []Extent // by offset; none overlaps another
	Boot    int64    // where the file is that a BIOS starts; 0 where the image is no ISO volume
	memory
}

// Volume is what a volume is made of.
type Volume struct {
	Label string    // of up to 11 of A-Z, 0-9 and _
	ID    uint32    // serial number, of a FAT volume
	Time  time.Time // of every file and directory; what the format cannot say becomes the nearest that it can
	Files []File    // in the order in which their content is to lie; at least one
}

// check returns why the volume cannot be laid out. release is that of go-diskfs, and
// stored gives the path that the volume has for a file, but for case.
func (v Volume) check(release string, stored func(path string) string) error {
	errs := []error{checkRelease(release)}
	if ok := len(v.Label) <= 11 && strings.IndexFunc(v.Label, notLabel) < 0; !ok || v.Label == "" {
		errs = append(errs, fmt.Errorf("%w: the label %q: want up to 11 of A-Z, 0-9 and _", ErrEnvelope, v.Label))
	}
	return errors.Join(append(errs, checkFiles(v.Files, stored))...)
}

func notLabel(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
}

// maxDepth is how many parts a path may have: ISO 9660 has eight levels of
// directories, the root being the first (ECMA-119 6.8.2.1).
const maxDepth = 8

// maxFiles is how many files a volume may have: the root directory of FAT16 has 512
// entries, of which the label takes one and a name up to two; and go-diskfs keeps
// every file of an ISO 9660 volume open.
const maxFiles = 255

// checkFiles returns why the files cannot be laid out. A part of a path has one to
// eight letters or digits, and then perhaps a period and one to three more: ISO 9660
// has it as it is, but for case, and so has FAT, where lower case takes a long name
// beside. No two may be the same but for case.
func checkFiles(files []File, stored func(path string) string) error {
	if len(files) < 1 || len(files) > maxFiles {
		return fmt.Errorf("%w: %d files: want 1 to %d", ErrEnvelope, len(files), maxFiles)
	}
	var errs []error
	for _, f := range files {
		if err := f.check(stored(f.Path)); err != nil {
			errs = append(errs, fmt.Errorf("%w: %s: %w", ErrEnvelope, f.Path, err))
		}
	}
	type name struct {
		path string
		file bool
	}
	names := map[string]name{} // by the path that the volume has, in upper case
	for _, f := range files {
		for n := (name{f.Path, true}); n.path != ""; n = (name{parent(n.path), false}) {
			key := strings.ToUpper(stored(n.path))
			other, taken := names[key]
			switch {
			case !taken:
				names[key] = n
			case other.path != n.path:
				errs = append(errs, fmt.Errorf("%w: %s and %s are one name there", ErrEnvelope, other.path, n.path))
			case n.file && other.file:
				errs = append(errs, fmt.Errorf("%w: %s: is given twice", ErrEnvelope, n.path))
			case n.file != other.file:
				errs = append(errs, fmt.Errorf("%w: %s: is a file and a directory", ErrEnvelope, n.path))
			}
		}
	}
	return errors.Join(errs...)
}

// check returns why the file, which the volume has as stored, cannot be laid out.
func (f File) check(stored string) error {
	parts := strings.Split(stored, "/")
	if i := slices.IndexFunc(parts, func(p string) bool { return !shortName(p) }); i >= 0 {
		return fmt.Errorf("the name %q is not 1 to 8 letters and digits, and up to 3 more after a period", strings.Split(f.Path, "/")[i])
	}
	switch {
	case len(parts) > maxDepth:
		return fmt.Errorf("lies more than %d directories deep", maxDepth-1)
	case f.Size < 1 || f.Data != nil && int64(len(f.Data)) != f.Size:
		return fmt.Errorf("a size of %d bytes", f.Size)
	case f.Size > maxFileSize:
		return fmt.Errorf("%d bytes are over %d, the most that a file can have", f.Size, int64(maxFileSize))
	}
	return nil
}

// parent is the directory that a path lies in; "" is the root.
func parent(path string) string {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)]
}

func shortName(name string) bool {
	base, extension, dotted := strings.Cut(name, ".")
	return plain(base, 8) && (!dotted || plain(extension, 3))
}

// plain tells whether s is up to so many letters and digits, and at least one.
func plain(s string, most int) bool {
	return len(s) >= 1 && len(s) <= most && strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}

// directories returns the directories of the files, each after the one that it is
// in, and otherwise in byte order.
func directories(files []File) []string {
	var dirs []string
	for _, f := range files {
		for dir := parent(f.Path); dir != ""; dir = parent(dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// upTo is the least multiple of unit that is not less than n.
func upTo(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
