package rootfs

import (
	"errors"
	"fmt"
	"strings"
)

// cpioRaw is one header, and where it began.
type cpioRaw struct {
	start   int64
	name    string
	sums    bool // of an archive with checksums
	numbers [cpioNumbers]uint32
}

// fault says where err was found.
func (h *cpioRaw) fault(err error) error {
	if h.name == "" {
		return fmt.Errorf("cpio entry at byte %d: %w", h.start, err)
	}
	return fmt.Errorf("cpio entry at byte %d, %q: %w", h.start, h.name, err)
}

// parse reads the magic and the numbers.
func (h *cpioRaw) parse(b []byte) error {
	switch magic := string(b[:len(cpioMagic)]); magic {
	case cpioMagic:
	case "070702":
		h.sums = true
	default:
		return fmt.Errorf("%q is not the magic of a newc archive", magic)
	}
	for i := range h.numbers {
		field := b[len(cpioMagic)+8*i:][:8]
		v, ok := parseHex(field)
		if !ok {
			return fmt.Errorf("%q is not a hexadecimal number", field)
		}
		h.numbers[i] = v
	}
	return nil
}

// entry returns what the header says.
func (h *cpioRaw) entry() (*Entry, error) {
	n := &h.numbers
	e := &Entry{
		Mode: n[cpioMode] & 0o7777, UID: n[cpioUID], GID: n[cpioGID], ModTime: int64(n[cpioMTime]), Nlink: 1,
	}
	for t, bits := range cpioTypes {
		if bits != 0 && n[cpioMode]&^0o7777 == bits {
			e.Type = Type(t)
		}
	}
	switch e.Type {
	case 0:
		return nil, fmt.Errorf("mode %#o is of no type", n[cpioMode])
	case File:
		e.Size, e.Nlink = int64(n[cpioSize]), max(n[cpioNlink], 1)
	case Char, Block:
		e.Major, e.Minor = n[cpioRdevMajor], n[cpioRdevMinor]
	}
	var ok bool
	if e.Path, ok = cpioPath(h.name, e.Type); !ok {
		return nil, errors.New("the name is not a clean path")
	}
	if e.Path == "" && e.Type != Dir {
		return nil, errors.New("the root is not a directory")
	}
	return e, nil
}

// cpioPath returns the path that the name of an entry says, and whether it is
// clean. Some writers let a slash follow a directory's name.
func cpioPath(name string, t Type) (path string, clean bool) {
	for {
		rest, dot := strings.CutPrefix(name, "./")
		rest, slash := strings.CutPrefix(rest, "/")
		if name = rest; !dot && !slash {
			break
		}
	}
	if name == "" || name == "." {
		return "", true
	}
	if t == Dir {
		name = strings.TrimSuffix(name, "/")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return "", false
		}
	}
	return name, true
}

// parseHex reads 8 hexadecimal digits.
func parseHex(digits []byte) (v uint32, ok bool) {
	for _, d := range digits {
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d >= 'A' && d <= 'F':
			d -= 'A' - 10
		case d >= 'a' && d <= 'f':
			d -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint32(d)
	}
	return v, true
}
