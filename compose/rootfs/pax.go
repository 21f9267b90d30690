package rootfs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// paxPrefix begins the name of a pax header. A reader that knows no pax makes a
// file of that name, with the records in it.
const paxPrefix = "PaxHeaders.0/"

// appendPax writes the pax extended header: a ustar header of type x, and the
// records (POSIX.1-2017 pax, "pax Extended Header"), sorted by keyword.
func (h *header) appendPax(b []byte) ([]byte, error) {
	head := len(b)
	b, _ = grow(b)
	start := len(b)
	b, err := h.appendXattrs(b)
	if err != nil {
		return b[:head], err
	}
	b = h.appendRecords(b)
	size := len(b) - start
	for range (Tar{}).Pad(int64(size)) {
		b = append(b, 0)
	}
	f := b[head:start]
	base := h.Path[strings.LastIndexByte(h.Path, '/')+1:]
	copy(f, paxPrefix)
	copy(f[len(paxPrefix):offMode], whole(base, maxName-len(paxPrefix)))
	octal(f[offMode:offUID], 0o644)
	octal(f[offUID:offGID], 0)
	octal(f[offGID:offSize], 0)
	octal(f[offSize:offMTime], int64(size))
	octal(f[offMTime:offSum], 0)
	f[offFlag] = 'x'
	octal(f[offMajor:offMinor], 0)
	octal(f[offMinor:offPrefix], 0)
	seal(f)
	return b, nil
}

func (h *header) appendXattrs(b []byte) ([]byte, error) {
	for i, x := range h.xattrs {
		switch {
		case x.Name == "":
			return b, errors.New("an extended attribute without a name")
		case strings.ContainsAny(x.Name, "=\x00"):
			return b, fmt.Errorf("the extended attribute %q has a name that pax cannot hold", x.Name)
		case i > 0 && h.xattrs[i-1].Name >= x.Name:
			return b, fmt.Errorf("the extended attribute %q is not in order", x.Name)
		}
		b = appendRecord(b, "SCHILY.xattr.", x.Name, x.Value, "")
	}
	return b, nil
}

func (h *header) appendRecords(b []byte) []byte {
	if h.GID > maxID {
		b = appendNumber(b, "gid", int64(h.GID))
	}
	if len(h.link) > maxName {
		b = appendRecord(b, "linkpath", "", h.link, "")
	}
	if h.ModTime < 0 || h.ModTime > maxOctal {
		b = appendNumber(b, "mtime", h.ModTime)
	}
	if h.cut < 0 {
		slash := ""
		if h.dir {
			slash = "/"
		}
		b = appendRecord(b, "path", "", h.Path, slash)
	}
	if h.size > maxOctal {
		b = appendNumber(b, "size", h.size)
	}
	if h.UID > maxID {
		b = appendNumber(b, "uid", int64(h.UID))
	}
	return b
}

func appendNumber(b []byte, key string, v int64) []byte {
	var digits [20]byte
	d := strconv.AppendInt(digits[:0], v, 10)
	b = appendLength(b, len(key)+len(d))
	b = append(append(b, key...), '=')
	return append(append(b, d...), '\n')
}

// appendRecord writes "length keyword=value\n"; keyword and value are each given
// in two parts, so that no string need be made of them.
func appendRecord(b []byte, key, key2, value, value2 string) []byte {
	b = appendLength(b, len(key)+len(key2)+len(value)+len(value2))
	b = append(append(append(b, key...), key2...), '=')
	return append(append(append(b, value...), value2...), '\n')
}

// appendLength writes the length of a record whose keyword and value are n bytes
// together. The length counts its own digits.
func appendLength(b []byte, n int) []byte {
	n += len(" =\n")
	total := n + 1
	for pow := 10; total >= pow; pow *= 10 {
		total++
	}
	return append(strconv.AppendInt(b, int64(total), 10), ' ')
}
