package contents

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/composeos/compose/compose/rootfs"
)

// The attributes of a directory entry ("FAT Directory Structure").
const (
	fatReadOnly = 0x01
	fatLabel    = 0x08
	fatDir      = 0x10
	fatLongName = 0x0f // all of these: a piece of a long name
)

// maxFATDir is how large a directory can be, bytes.
const maxFATDir = 65536 * 32

// tree reads all directories, beginning with the root.
func (f *fatReader) tree(root rootDir) error {
	b, err := f.head(root.off, int(root.size))
	if f.bits == 32 {
		b, err = f.dirBytes(root.cluster)
	}
	if err != nil {
		return err
	}
	f.v.Files = []File{{&rootfs.Entry{Type: rootfs.Dir, Mode: 0o755, Origin: f.v.Name}, -1}}
	dirs, err := f.directory("", b)
	for err == nil && len(dirs) > 0 {
		dir := dirs[0]
		var more []fatEntry
		if b, err = f.dirBytes(dir.cluster); err == nil {
			more, err = f.directory(dir.path, b)
		}
		dirs = append(dirs[1:], more...)
		err = located(f.data+(int64(dir.cluster)-2)*f.cluster, "directory", err)
	}
	return err
}

// dirBytes returns the content of a directory.
func (f *fatReader) dirBytes(cluster uint32) (b []byte, err error) {
	_, err = f.chain(cluster, func(off, n int64) error {
		if f.docs += n; f.docs > maxDocuments || int64(len(b))+n > maxFATDir {
			return invalid("a directory of more than %d bytes, or all of more than %d", maxFATDir, maxDocuments)
		}
		more, err := f.head(off, int(n))
		b = append(b, more...)
		return err
	})
	return b, err
}

// fatEntry is what a directory says of a path.
type fatEntry struct {
	path    string
	attr    byte
	cluster uint32
	size    int64
	time    int64
}

// longName is the pieces of a long name, the last first ("Long File Name
// Implementation (optional)").
type longName struct {
	units []uint16
	left  int // pieces to come
	sum   byte
}

// directory reads the entries of a directory, and returns the directories in it.
func (f *fatReader) directory(path string, b []byte) (dirs []fatEntry, err error) {
	var long longName
	for ; len(b) >= 32 && b[0] != 0; b = b[32:] {
		e := b[:32]
		switch attr := e[11] & 0x3f; {
		case e[0] == 0xe5: // free
			continue
		case attr == fatLongName:
			if err := long.add(e); err != nil {
				return nil, err
			}
			continue
		case attr&fatLabel != 0:
			if path == "" {
				f.v.Label = strings.TrimRight(string(e[:11]), " ")
			}
			continue
		case path != "" && (string(e[:11]) == ".          " || string(e[:11]) == "..         "):
			continue
		}
		entry, err := f.entry(path, e, &long)
		if err != nil {
			return nil, err
		}
		if err := f.take(entry); err != nil {
			return nil, err
		}
		if entry.attr&fatDir != 0 {
			dirs = append(dirs, entry)
		}
	}
	if long.units != nil {
		return nil, invalid("a long name that belongs to no file")
	}
	return dirs, nil
}

// add reads a piece of a long name.
func (l *longName) add(e []byte) error {
	number := int(e[0] & 0x3f)
	if e[0]&0x40 != 0 {
		if l.units != nil || number == 0 || number > 20 {
			return invalid("a long name that belongs to no file")
		}
		*l = longName{make([]uint16, 0, 13*number), number, e[13]}
	}
	if number != l.left || l.left == 0 || e[13] != l.sum {
		return invalid("pieces of a long name that do not belong together")
	}
	l.left--
	var piece []uint16
	for _, span := range [][]byte{e[1:11], e[14:26], e[28:32]} {
		for ; len(span) > 0; span = span[2:] {
			piece = append(piece, binary.LittleEndian.Uint16(span))
		}
	}
	l.units = append(piece, l.units...)
	return nil
}

// entry reads an entry and its long name.
func (f *fatReader) entry(dir string, e []byte, long *longName) (entry fatEntry, err error) {
	name := shortName(e)
	if long.units != nil {
		sum := byte(0)
		for _, c := range e[:11] {
			sum = sum>>1 | sum<<7
			sum += c
		}
		if long.left != 0 || sum != long.sum {
			return entry, invalid("a long name that does not belong to %q", name)
		}
		if i := slices.Index(long.units, 0); i >= 0 {
			long.units = long.units[:i]
		}
		name = string(utf16.Decode(long.units))
		*long = longName{}
	}
	if name, err = oneName(name); err != nil {
		return entry, err
	}
	if entry.path = name; dir != "" {
		entry.path = dir + "/" + name
	}
	if len(entry.path) > maxName {
		return entry, invalid("a path of %d bytes", len(entry.path))
	}
	le := binary.LittleEndian
	entry.attr, entry.size, entry.cluster = e[11], int64(le.Uint32(e[28:])), uint32(le.Uint16(e[26:]))
	if f.bits == 32 {
		entry.cluster |= uint32(le.Uint16(e[20:])) << 16
	}
	entry.time, err = fatTime(le.Uint16(e[24:]), le.Uint16(e[22:]))
	return entry, err
}

// shortName returns the name of 8 and 3 bytes. Two flags say which of them is in
// small letters.
func shortName(e []byte) string {
	base, ext := strings.TrimRight(string(e[:8]), " "), strings.TrimRight(string(e[8:11]), " ")
	if base != "" && base[0] == 0x05 {
		base = "\xe5" + base[1:]
	}
	if e[12]&0x08 != 0 {
		base = strings.ToLower(base)
	}
	if e[12]&0x10 != 0 {
		ext = strings.ToLower(ext)
	}
	if ext == "" {
		return base
	}
	return base + "." + ext
}

// fatTime returns a date and time, which is taken for one of Greenwich, in seconds
// since 1970; 0 where it is not given ("Date and Time Formats").
func fatTime(date, clock uint16) (int64, error) {
	if date == 0 {
		return 0, nil
	}
	year, month, day := 1980+int(date>>9), time.Month(date>>5&15), int(date&31)
	t := time.Date(year, month, day, int(clock>>11), int(clock>>5&63), int(clock&31)*2, 0, time.UTC)
	if t.Month() != month || t.Day() != day || clock>>5&63 > 59 || clock&31 > 29 {
		return 0, invalid("the date %#04x and time %#04x", date, clock)
	}
	return t.Unix(), nil
}

// take adds a path, and works out the digest of a file.
func (f *fatReader) take(in fatEntry) error {
	e := &rootfs.Entry{Path: in.path, Type: rootfs.File, Mode: 0o755, ModTime: in.time, Origin: f.v.Name}
	if in.attr&fatReadOnly != 0 {
		e.Mode = 0o555
	}
	file := File{e, -1}
	if in.attr&fatDir != 0 {
		e.Type = rootfs.Dir
		if in.size != 0 {
			return invalid("%q is a directory of %d bytes", in.path, in.size)
		}
	} else {
		e.Size = in.size
		var err error
		if file.Offset, err = f.sum(e, in.cluster); err != nil {
			return located(f.data+(int64(in.cluster)-2)*f.cluster, in.path, err)
		}
	}
	f.v.Files = append(f.v.Files, file)
	return f.spend(e)
}

// sum works out the digest of a file, and returns where its content is; -1 if it is
// in several pieces.
func (f *fatReader) sum(e *rootfs.Entry, cluster uint32) (off int64, err error) {
	h, left, pieces := sha256.New(), e.Size, 0
	off = -1
	if cluster != 0 || e.Size != 0 {
		n, err := f.chain(cluster, func(at, n int64) error {
			if pieces++; pieces == 1 {
				off = at
			}
			n = min(n, left)
			left -= n
			got, err := io.CopyBuffer(h, f.section(at, n), f.buffer())
			if err == nil && got < n {
				err = io.ErrUnexpectedEOF
			}
			return err
		})
		if err != nil {
			return -1, err
		}
		if want := (e.Size + f.cluster - 1) / f.cluster; n != want {
			return -1, invalid("%d bytes in %d clusters of %d bytes", e.Size, n, f.cluster)
		}
	}
	if pieces > 1 {
		off = -1
	}
	h.Sum(e.Digest[:0])
	return off, nil
}
