// Package disk finds the disks of a machine and what is on them: as much as the
// programs mount and format have to know, read from /sys/block and from the
// disks' first bytes. Nothing is written.
package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// FS is a file system as its superblock describes it. The zero FS is none that is
// known here.
type FS struct {
	Type  string // as mount(2) has it: "ext4", "xfs", "vfat"
	Label string // "" for none
	UUID  string // "0b9f0a4e-…", of vfat "1A2B-3C4D"; lower case but for vfat
}

// Probe reads the superblock of ext2, ext3, ext4, xfs and vfat. What is none of
// these, or too short for one, is the zero FS.
func Probe(r io.ReaderAt) (FS, error) {
	head := make([]byte, 2048)
	if n, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return FS{}, err
	} else if n < len(head) {
		return FS{}, nil
	}
	super := head[1024:]
	switch {
	case binary.LittleEndian.Uint16(super[0x38:]) == 0xef53:
		return FS{extType(super), text(super[0x78:0x88]), uuid(super[0x68:0x78])}, nil
	case string(head[:4]) == "XFSB":
		return FS{"xfs", text(head[108:120]), uuid(head[32:48])}, nil
	case string(head[510:512]) == "\x55\xaa" && string(head[82:90]) == "FAT32   ":
		return FS{"vfat", fatLabel(head[71:82]), serial(head[67:71])}, nil
	case string(head[510:512]) == "\x55\xaa" && (string(head[54:62]) == "FAT16   " || string(head[54:62]) == "FAT12   "):
		return FS{"vfat", fatLabel(head[43:54]), serial(head[39:43])}, nil
	}
	return FS{}, nil
}

// extType tells ext2, ext3 and ext4 apart by their features (kernel
// documentation, "ext4 Data Structures and Algorithms", The Super Block).
func extType(super []byte) string {
	const (
		journal = 0x4  // of the compatible ones
		ext3    = 0x1e // of the incompatible ones: what ext3 has too
		roExt3  = 0x7  // of those that are compatible for reading
	)
	compatible := binary.LittleEndian.Uint32(super[0x5c:])
	incompatible := binary.LittleEndian.Uint32(super[0x60:])
	readable := binary.LittleEndian.Uint32(super[0x64:])
	switch {
	case incompatible&^ext3 != 0 || readable&^roExt3 != 0:
		return "ext4"
	case compatible&journal != 0:
		return "ext3"
	}
	return "ext2"
}

// text returns what stands before the first NUL.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

func fatLabel(b []byte) string {
	label := strings.TrimRight(text(b), " ")
	if label == "NO NAME" {
		return ""
	}
	return label
}

func uuid(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func serial(b []byte) string {
	return fmt.Sprintf("%02X%02X-%02X%02X", b[3], b[2], b[1], b[0])
}

// edge is how much Blank reads at either end, in bytes. Partition tables, and the
// superblocks of file systems, RAIDs and volume managers lie there.
const edge = 1 << 20

// Blank tells whether a disk of size bytes has zeros alone in its first and its
// last MiB, so that nothing that is known lies on it. A disk that ends before size is
// an error: what cannot be read is not blank.
func Blank(r io.ReaderAt, size int64) (bool, error) {
	for _, at := range []int64{0, max(size-edge, 0)} {
		b := make([]byte, min(edge, size-at))
		if n, err := r.ReadAt(b, at); n < len(b) {
			return false, fmt.Errorf("%d bytes at %d: %w", len(b), at, err)
		}
		if len(bytes.TrimLeft(b, "\x00")) > 0 {
			return false, nil
		}
	}
	return true, nil
}
