package rootfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Tar is the [Codec] of tar archives: POSIX.1-2017 pax, "ustar Interchange
// Format" wherever an entry fits one, else with a "pax Extended Header".
//
// It is written by hand so that no release of Go's archive/tar can change a byte.
// What it chooses, and why (each read the same by GNU tar, libarchive's bsdtar,
// Go's archive/tar and Python's tarfile):
//
//   - A path over 100 bytes is split into prefix and name at the first slash
//     that leaves at most 100 bytes, and has a pax record only if that is not
//     possible: a split costs nothing, a pax header 1024 bytes, and busybox tar
//     reads the one and not the other.
//   - Names are written as the bytes they are, UTF-8 or not, in ustar fields and
//     in pax records. No reader converts a ustar field, so these names come back
//     as they were in every locale. There is no hdrcharset record: GNU tar warns
//     of it.
//   - A pax header has the records that are needed, sorted, and no other: no
//     atime, ctime, user or group names, no fractions of a second.
//   - Where a pax record replaces a number, its ustar field holds the largest
//     that fits: a reader that knows no pax then gives the file to nobody in
//     particular rather than to root, and stops rather than reading content as
//     headers.
//   - Extended attributes are SCHILY.xattr records, with values as they are. They
//     stand at every name of a file: Docker gives each name its
//     owner, by which the kernel drops security.capability, and then the name's
//     attributes. GNU tar and libarchive lay out the same either way.
//   - The root is "./", every other directory ends with a slash.
type Tar struct{}

const (
	tarBlock  = 512
	maxPrefix = 155
	maxName   = 100
	maxID     = 0o7777777
	maxOctal  = 0o77777777777 // of a field of 12 bytes: size and time
)

// Where the fields of a ustar header begin (POSIX.1-2017 pax, "ustar Header Block").
const (
	offName   = 0
	offMode   = 100
	offUID    = 108
	offGID    = 116
	offSize   = 124
	offMTime  = 136
	offSum    = 148
	offFlag   = 156
	offLink   = 157
	offMagic  = 257
	offMajor  = 329
	offMinor  = 337
	offPrefix = 345
)

// Name implements [Codec].
func (Tar) Name() string { return "tar.2" }

// Pad implements [Codec]: content ends on a block of 512 bytes.
func (Tar) Pad(size int64) int { return int(-size & (tarBlock - 1)) }

// Trailer implements [Codec]: two blocks of zeros. It is not padded further, to
// a record of 10240 bytes: readers ask for that on tapes only.
func (Tar) Trailer() []byte { return make([]byte, 2*tarBlock) }

// AppendHeader implements [Codec].
func (Tar) AppendHeader(b []byte, e *Entry) ([]byte, error) {
	h, err := newHeader(e)
	if err != nil {
		return b, err
	}
	if h.needsPax() {
		if b, err = h.appendPax(b); err != nil {
			return b, err
		}
	}
	return h.append(b), nil
}

// header is what one ustar header, and the pax header before it, are made from.
type header struct {
	*Entry
	dir    bool   // a slash follows the path
	flag   byte   // typeflag
	link   string // linkname
	size   int64
	xattrs []Xattr
	cut    int // length of the prefix; 0: the path is not split; -1: it does not fit
}

func newHeader(e *Entry) (header, error) {
	h := header{Entry: e, xattrs: e.Xattrs, size: e.Payload()}
	switch {
	case e.First != "":
		h.flag, h.link = '1', e.First
	case e.Type == File:
		h.flag = '0'
	case e.Type == Dir:
		h.flag, h.dir = '5', true
	case e.Type == Symlink:
		h.flag, h.link = '2', e.Link
	case e.Type == Char:
		h.flag = '3'
	case e.Type == Block:
		h.flag = '4'
	case e.Type == Fifo:
		h.flag = '6'
	default:
		return h, fmt.Errorf("tar has no type for: %s", e.Type)
	}
	h.cut = split(e.Path, h.dir)
	return h, h.check()
}

// check finds what neither ustar nor pax can say.
func (h *header) check() error {
	switch {
	case h.Path == "" && h.Type != Dir:
		return errors.New("the root is not a directory")
	case strings.IndexByte(h.Path, 0) >= 0:
		return fmt.Errorf("a NUL byte in the path %q", h.Path)
	case strings.IndexByte(h.link, 0) >= 0:
		return fmt.Errorf("a NUL byte in the link target %q", h.link)
	case h.flag == '2' && h.link == "":
		return errors.New("a symbolic link without a target")
	case h.Mode > 0o7777:
		return fmt.Errorf("mode %#o has other bits than 07777", h.Mode)
	case h.size < 0:
		return fmt.Errorf("size %d is negative", h.size)
	case h.flag != '3' && h.flag != '4':
		return nil
	case h.Major > maxID || h.Minor > maxID:
		return fmt.Errorf("device %d:%d is over %d", h.Major, h.Minor, maxID)
	}
	return nil
}

// split returns where to cut path so that prefix and name fit their fields, 0
// if the name alone does, -1 if there is no such place.
func split(path string, dir bool) int {
	n := len(path)
	if dir {
		n++
	}
	if n <= maxName {
		return 0
	}
	from := n - maxName - 1 // what is left after this slash is just 100 bytes
	if from > maxPrefix {
		return -1
	}
	i := strings.IndexByte(path[from:], '/')
	if i < 0 || from+i > maxPrefix {
		return -1
	}
	return from + i
}

func (h *header) needsPax() bool {
	return h.cut < 0 || len(h.link) > maxName || len(h.xattrs) > 0 || h.size > maxOctal ||
		h.UID > maxID || h.GID > maxID || h.ModTime < 0 || h.ModTime > maxOctal
}

// append writes the ustar header.
func (h *header) append(b []byte) []byte {
	b, f := grow(b)
	switch {
	case h.Path == "":
		copy(f[offName:], "./")
	case h.cut < 0:
		copy(f[offName:offMode], whole(h.Path, maxName))
	case h.cut > 0:
		copy(f[offPrefix:], h.Path[:h.cut])
		copy(f[offName:], h.Path[h.cut+1:])
	default:
		copy(f[offName:], h.Path)
	}
	if h.dir && h.cut >= 0 && h.Path != "" {
		name := len(h.Path)
		if h.cut > 0 {
			name -= h.cut + 1
		}
		f[offName+name] = '/'
	}
	octal(f[offMode:offUID], int64(h.Mode))
	octal(f[offUID:offGID], min(int64(h.UID), maxID))
	octal(f[offGID:offSize], min(int64(h.GID), maxID))
	octal(f[offSize:offMTime], min(h.size, maxOctal))
	octal(f[offMTime:offSum], min(max(h.ModTime, 0), maxOctal))
	f[offFlag] = h.flag
	copy(f[offLink:offMagic], whole(h.link, maxName))
	var major, minor int64
	if h.flag == '3' || h.flag == '4' {
		major, minor = int64(h.Major), int64(h.Minor)
	}
	octal(f[offMajor:offMinor], major)
	octal(f[offMinor:offPrefix], minor)
	seal(f)
	return b
}

// grow appends an empty block to b.
func grow(b []byte) (whole, block []byte) {
	n := len(b)
	b = slices.Grow(b, tarBlock)[:n+tarBlock]
	block = b[n:]
	clear(block)
	return b, block
}

// seal writes the magic and the checksum.
func seal(block []byte) {
	copy(block[offMagic:], "ustar\x0000")
	copy(block[offSum:], "        ") // counts as spaces
	octal(block[offSum:offSum+7], int64(checksum(block)))
}

// octal writes v and a NUL, with leading zeros, over the whole field.
func octal(field []byte, v int64) {
	field[len(field)-1] = 0
	for i := len(field) - 2; i >= 0; i-- {
		field[i] = '0' + byte(v&7)
		v >>= 3
	}
}

// checksum adds up the bytes of a block, eight at a time in four lanes of 16
// bits, of which none can overflow: 128 × 255.
func checksum(block []byte) uint64 {
	const lanes = 0x00ff00ff00ff00ff
	var sum uint64
	for i := 0; i < tarBlock; i += 8 {
		w := binary.LittleEndian.Uint64(block[i:])
		sum += w&lanes + w>>8&lanes
	}
	return sum&0xffff + sum>>16&0xffff + sum>>32&0xffff + sum>>48
}

// whole returns the first n bytes of s or, rather than half a character, fewer.
func whole(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-4; i-- {
		if s[i]&0xc0 != 0x80 {
			return s[:i]
		}
	}
	return s[:n]
}
