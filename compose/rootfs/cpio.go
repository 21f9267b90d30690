package rootfs

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Cpio is the [Codec] of initramfs archives: cpio in its "newc" format, magic
// 070701 (kernel documentation, "initramfs Buffer Format").
//
// What it chooses, and why (each read the same by the kernel, GNU cpio and
// libarchive's bsdtar):
//
//   - Inode and device number of an entry are 96 bits of the SHA-256 of the path
//     of its first name, directories too; the inode is never 0. Readers link
//     entries whose numbers are equal. Numbers counted from 1 would link files of
//     two encodings that are laid one after the other.
//   - The content of a hard-linked file stands at its first name in path order,
//     the further names have a size of 0.
//   - A symbolic link's target is part of its header: no payload follows.
//   - The time is clamped into the years that 32 bits without a sign can say: 1970
//     to 2106.
//   - Names are the bytes they are, without a leading "./" or "/".
//   - Extended attributes are left out, since newc has no place for them: who
//     writes an initramfs puts them into a file.
//   - Paths and link targets have at most 4095 bytes, as in the kernel; a file has
//     at most 2^32-1.
type Cpio struct{}

const (
	cpioMagic   = "070701"
	cpioTrailer = "TRAILER!!!" // the name that ends an archive
	cpioHeader  = 110          // bytes: the magic and 13 numbers of 8 digits
	maxCpioPath = 4095         // PATH_MAX without the NUL
	maxCpioSize = int64(1<<32 - 1)
	maxMajor    = 1<<12 - 1 // of a device, to Linux (include/linux/kdev_t.h)
	maxMinor    = 1<<20 - 1
)

// The numbers of a newc header, in their order.
const (
	cpioIno = iota
	cpioMode
	cpioUID
	cpioGID
	cpioNlink
	cpioMTime
	cpioSize
	cpioDevMajor
	cpioDevMinor
	cpioRdevMajor
	cpioRdevMinor
	cpioNameSize // with its NUL
	cpioCheck    // the sum of the content's bytes, in "crc" archives alone
	cpioNumbers
)

// cpioTypes are the type bits of a mode (inode(7), "The file type and mode").
var cpioTypes = [...]uint32{File: 0o100000, Dir: 0o040000, Symlink: 0o120000, Char: 0o020000, Block: 0o060000, Fifo: 0o010000}

// Name implements [Codec].
func (Cpio) Name() string { return "newc.1" }

// Pad implements [Codec]: content ends on a multiple of 4 bytes.
func (Cpio) Pad(size int64) int { return int(-size & 3) }

// Trailer implements [Codec]: the entry TRAILER!!!. It is not padded further, to
// a block of 512 bytes: readers ask for that on tapes only.
func (Cpio) Trailer() []byte {
	b := make([]byte, cpioHeader, cpioHeader+len(cpioTrailer)+4)
	putCpio(b, &[cpioNumbers]uint32{cpioNlink: 1, cpioNameSize: uint32(len(cpioTrailer) + 1)})
	return append(append(b, cpioTrailer...), "\x00\x00\x00\x00"[:1+cpioNamePad(cpioTrailer)]...)
}

// AppendHeader implements [Codec]. To what it appends belong the name and, of a
// symbolic link, the target.
func (c Cpio) AppendHeader(b []byte, e *Entry) ([]byte, error) {
	if err := checkCpio(e); err != nil {
		return b, err
	}
	n := [cpioNumbers]uint32{
		cpioMode:     cpioTypes[e.Type] | e.Mode,
		cpioUID:      e.UID,
		cpioGID:      e.GID,
		cpioNlink:    1,
		cpioMTime:    uint32(min(max(e.ModTime, 0), 1<<32-1)),
		cpioSize:     uint32(e.Payload()),
		cpioNameSize: uint32(len(e.Path) + 1),
	}
	first, target := e.Path, ""
	switch e.Type {
	case File:
		n[cpioNlink] = max(e.Nlink, 1)
		if e.First != "" {
			first = e.First
		}
	case Dir:
		n[cpioNlink] = 2
	case Symlink:
		target, n[cpioSize] = e.Link, uint32(len(e.Link))
	case Char, Block:
		n[cpioRdevMajor], n[cpioRdevMinor] = e.Major, e.Minor
	}
	head := len(b)
	b = slices.Grow(b, cpioHeader+max(len(first), len(e.Path)+len(target)+7))
	name := head + cpioHeader
	b = append(b[:name], first...) // lies here to be hashed
	identify(&n, b[name:])
	b = append(append(b[:name], e.Path...), "\x00\x00\x00\x00"[:1+cpioNamePad(e.Path)]...)
	putCpio(b[head:name], &n)
	return append(append(b, target...), "\x00\x00\x00"[:c.Pad(int64(len(target)))]...), nil
}

// identify sets inode and device number from the path of the first name.
func identify(n *[cpioNumbers]uint32, first []byte) {
	sum := sha256.Sum256(first)
	n[cpioIno] = max(binary.BigEndian.Uint32(sum[0:]), 1)
	n[cpioDevMajor] = binary.BigEndian.Uint32(sum[4:])
	n[cpioDevMinor] = binary.BigEndian.Uint32(sum[8:])
}

// checkCpio finds what newc, or every reader of it, cannot take.
func checkCpio(e *Entry) error {
	switch {
	case int(e.Type) >= len(cpioTypes) || cpioTypes[e.Type] == 0:
		return fmt.Errorf("cpio has no type for: %s", e.Type)
	case e.Path == "":
		return errors.New("the root has no entry in an initramfs")
	case e.Path == cpioTrailer:
		return fmt.Errorf("the name %s ends an archive", cpioTrailer)
	case len(e.Path) > maxCpioPath:
		return fmt.Errorf("a path of %d bytes is over %d", len(e.Path), maxCpioPath)
	case strings.IndexByte(e.Path, 0) >= 0:
		return fmt.Errorf("a NUL byte in the path %q", e.Path)
	case e.Mode > 0o7777:
		return fmt.Errorf("mode %#o has other bits than 07777", e.Mode)
	case e.Type == File:
		return checkCpioFile(e)
	case (e.Type == Char || e.Type == Block) && (e.Major > maxMajor || e.Minor > maxMinor):
		return fmt.Errorf("device %d,%d is over %d,%d, the last that Linux has", e.Major, e.Minor, maxMajor, maxMinor)
	case e.Type != Symlink:
		return nil
	case e.Link == "":
		return errors.New("a symbolic link without a target")
	case len(e.Link) > maxCpioPath:
		return fmt.Errorf("a link target of %d bytes is over %d", len(e.Link), maxCpioPath)
	case strings.IndexByte(e.Link, 0) >= 0:
		return fmt.Errorf("a NUL byte in the link target %q", e.Link)
	}
	return nil
}

func checkCpioFile(e *Entry) error {
	switch size := e.Payload(); {
	case size < 0:
		return fmt.Errorf("size %d is negative", size)
	case size > maxCpioSize:
		return fmt.Errorf("size %d is over %d, the largest that cpio can say", size, maxCpioSize)
	case e.First != "" && e.Nlink < 2: // readers would make an empty file of it
		return fmt.Errorf("a further name of %q, which has only one", e.First)
	}
	return nil
}

// cpioNamePad returns how many zeros follow the NUL of a name.
func cpioNamePad(name string) int { return -(cpioHeader + len(name) + 1) & 3 }

// putCpio writes the magic and the numbers over b.
func putCpio(b []byte, numbers *[cpioNumbers]uint32) {
	copy(b, cpioMagic)
	for i, n := range numbers {
		putHex(b[len(cpioMagic)+8*i:], n)
	}
}

// putHex writes v in 8 capital hexadecimal digits, all at once: it spreads the
// nibbles over bytes and adds '0' to each, and 7 more from 10 on.
func putHex(b []byte, v uint32) {
	const each = 0x0101010101010101
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	letters := (x + 6*each) >> 4 & each
	binary.BigEndian.PutUint64(b, x+'0'*each+7*letters)
}
