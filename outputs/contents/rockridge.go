package contents

import (
	"encoding/binary"
	"io"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// maxAreas is how many areas of fields a record may have.
const maxAreas = 64

// findRock looks in the root's own record for the mark of Rock Ridge (SUSP, 5.3).
func (r *isoReader) findRock(system []byte) {
	if len(system) >= 7 && string(system[:2]) == "SP" && system[4] == 0xbe && system[5] == 0xef {
		r.rock, r.skip = true, int(system[6])
	}
}

// rock is what Rock Ridge says of a path (IEEE P1282, 4).
type rock struct {
	*isoReader
	e        *rootfs.Entry
	named    bool
	name     strings.Builder
	link     strings.Builder
	open     bool // the last part of the link goes on
	next     []byte
	ended    bool
	isDir    bool
	withMode bool
}

// describe fills in what a record says beside its own fields, and returns its name.
func (r *isoReader) describe(e *rootfs.Entry, rec record) (string, error) {
	plain, _, _ := strings.Cut(rec.name, ";")
	if !r.rock {
		return strings.TrimSuffix(plain, "."), nil
	}
	k := &rock{isoReader: r, e: e, isDir: e.Type == rootfs.Dir}
	area := rec.system
	if rec.name != "\x00" || len(area) < 2 || string(area[:2]) != "SP" {
		area = area[min(r.skip, len(area)):]
	}
	for n := 0; area != nil; n++ {
		if n == maxAreas {
			return "", invalid("%q has more than %d areas of fields", plain, maxAreas)
		}
		k.next = nil
		if err := k.area(area); err != nil {
			return "", err
		}
		area = k.next
	}
	if !k.withMode {
		return "", invalid("%q has no mode", plain)
	}
	e.Link = k.link.String()
	if (e.Type == rootfs.Dir) != k.isDir || (e.Type == rootfs.Symlink) != (e.Link != "") {
		return "", invalid("%q is not of the type that its mode says", plain)
	}
	if e.Type != rootfs.File {
		e.Size = 0
	}
	if !k.named {
		return strings.TrimSuffix(plain, "."), nil
	}
	return k.name.String(), nil
}

// area reads the fields of an area (SUSP, 4).
func (k *rock) area(b []byte) error {
	for len(b) >= 4 && b[0] != 0 && !k.ended {
		n := int(b[2])
		if n < 4 || n > len(b) {
			return invalid("%w: the field %q of %d bytes, with %d left", io.ErrUnexpectedEOF, b[:2], n, len(b))
		}
		if err := k.field(string(b[:2]), b[4:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// field reads one field, without the four bytes in front of it.
func (k *rock) field(kind string, b []byte) error {
	least := map[string]int{"CE": 24, "PX": 32, "PN": 16, "NM": 1, "SL": 1, "TF": 1}
	if len(b) < least[kind] {
		return invalid("%w: the field %q of %d bytes", io.ErrUnexpectedEOF, kind, len(b)+4)
	}
	switch kind {
	case "CE":
		return k.goOn(b)
	case "ST":
		k.ended = true
	case "NM":
		k.named = true
		k.name.Write(b[1:])
		if k.name.Len() > maxName {
			return invalid("a name of more than %d bytes", maxName)
		}
	case "PX":
		return k.mode(b)
	case "PN":
		le := binary.LittleEndian
		k.e.Major, k.e.Minor = le.Uint32(b), le.Uint32(b[8:])
		if k.e.Major == 0 && k.e.Minor > 0xff { // both in one number, as Linux reads it
			k.e.Major, k.e.Minor = k.e.Minor>>8, k.e.Minor&0xff
		}
	case "TF":
		return k.times(b)
	case "SL":
		return k.target(b[1:])
	case "CL", "PL", "RE", "ZF", "SF":
		return invalid("the field %q, which is not read: a directory elsewhere, or a file that is compressed or has holes", kind)
	}
	return nil
}

// numbers returns so many numbers that are stored in both byte orders.
func numbers(b []byte, n int) ([]int64, error) {
	all := make([]int64, n)
	for i := range all {
		var err error
		if all[i], err = both32(b[8*i:]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// goOn finds the next area (SUSP, 5.1).
func (k *rock) goOn(b []byte) error {
	at, err := numbers(b, 3)
	if err != nil {
		return err
	}
	off := at[0]*isoSector + at[1]
	k.bytes += at[2]
	if k.next != nil || at[1]+at[2] > isoSector || off+at[2] > k.v.Size || k.bytes > maxDirBytes {
		return invalid("fields that go on at byte %d, for %d bytes", off, at[2])
	}
	k.next, err = k.head(off, int(at[2]))
	return err
}

// mode reads mode, owner and type (IEEE P1282, 4.1.1).
func (k *rock) mode(b []byte) error {
	v, err := numbers(b, 4)
	if err != nil {
		return err
	}
	types := map[int64]rootfs.Type{0o10: rootfs.File, 0o04: rootfs.Dir, 0o12: rootfs.Symlink, 0o02: rootfs.Char, 0o06: rootfs.Block, 0o01: rootfs.Fifo}
	t, ok := types[v[0]>>12]
	if !ok {
		return invalid("the mode %o", v[0])
	}
	k.e.Type, k.e.Mode, k.e.UID, k.e.GID, k.withMode = t, uint32(v[0]&0o7777), uint32(v[2]), uint32(v[3]), true
	return nil
}

// times reads the time of the last modification (IEEE P1282, 4.1.6).
func (k *rock) times(b []byte) error {
	const modified, long = 0x02, 0x80
	flags, b := b[0], b[1:]
	for bit := byte(1); bit < long; bit <<= 1 {
		size := 7
		if flags&long != 0 {
			size = 17
		}
		switch {
		case flags&bit == 0:
			continue
		case len(b) < size:
			return invalid("%w: times of %d bytes", io.ErrUnexpectedEOF, len(b))
		case bit == modified && size == 17:
			return invalid("a time in digits, which is not read")
		case bit == modified:
			var err error
			k.e.ModTime, err = shortDate(b)
			return err
		}
		b = b[size:]
	}
	return nil
}

// target reads parts of a symbolic link's target (IEEE P1282, 4.1.3.1).
func (k *rock) target(b []byte) error {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return invalid("%w: a part of a target", io.ErrUnexpectedEOF)
		}
		text := string(b[2 : 2+int(b[1])])
		switch b[0] &^ 1 {
		case 0:
		case 2:
			text = "."
		case 4:
			text = ".."
		case 8:
			text = "/"
		default:
			return invalid("a part of a target with the flags %#x", b[0])
		}
		if so := k.link.String(); so != "" && so != "/" && !k.open {
			k.link.WriteByte('/')
		}
		k.link.WriteString(text)
		if k.link.Len() > maxName {
			return invalid("a target of more than %d bytes", maxName)
		}
		k.open = b[0]&1 != 0
		b = b[2+int(b[1]):]
	}
	return nil
}
