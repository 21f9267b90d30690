package isodisk

import (
	"encoding/binary"
	"fmt"
	"time"
)

// isoWalk goes through the directories of a volume and settles them.
type isoWalk struct {
	*Image
	time   time.Time
	names  map[string]string // of files and directories that are still to be found, by the path in the volume, in upper case
	placed map[string]Extent // of files without content, by that path
	links  map[int64]uint32  // of directories, by where they are
}

// unknown is the error of bytes that are not as the release that was tried has them.
func unknown(what string) error {
	return fmt.Errorf("%s %s: its %s is not what it was when it was tried", module, tried, what)
}

// record is a directory record (ECMA-119 9.1).
type record []byte

func (r record) at() int64       { return int64(binary.LittleEndian.Uint32(r[2:])) * block }
func (r record) size() int64     { return int64(binary.LittleEndian.Uint32(r[10:])) }
func (r record) directory() bool { return r[25]&2 != 0 }

// name is the identifier, without the version of a file; "" is the directory itself
// or its parent.
func (r record) name() string {
	name := string(r[33 : 33+int(r[32])])
	if name == "\x00" || name == "\x01" {
		return ""
	}
	if n := len(name) - len(";1"); n > 0 && !r.directory() {
		name = name[:n]
		if name[n-1] == '.' {
			name = name[:n-1]
		}
	}
	return name
}

// systemUse is what comes behind the name (SUSP 1.12, 4.1).
func (r record) systemUse() []byte { return r[33+(int(r[32])|1):] }

// directory calls visit for each record of a directory, and writes back what that
// changed. No record goes over the end of a block: zeros do (ECMA-119 6.8.1.1).
func (w *isoWalk) directory(at, size int64, visit func(r record) error) error {
	b := w.bytes(at, int(size))
	for off := 0; off < len(b); {
		n := int(b[off])
		if n == 0 {
			off = int(upTo(int64(off)+1, block))
			continue
		}
		if n < 34 || off+n > len(b) || 33+(int(b[off+32])|1) > n {
			return unknown("directory record")
		}
		if err := visit(record(b[off:][:n])); err != nil {
			return err
		}
		off += n
	}
	w.put(at, b...)
	return nil
}

// count notes how many links the directory at has, and those below it: its name, its
// own ".", and ".." of those in it.
func (w *isoWalk) count(at, size int64) error {
	w.links[at] = 2
	return w.directory(at, size, func(r record) error {
		if !r.directory() || r.name() == "" {
			return nil
		}
		w.links[at]++
		return w.count(r.at(), r.size())
	})
}

// settle sets the records of the directory at, whose path is given with a slash
// behind it, and of those below it.
func (w *isoWalk) settle(at, size int64, path string) error {
	return w.directory(at, size, func(r record) error {
		copy(r[18:25], shortDate(w.time))
		if r.directory() {
			putBoth(r[10:], uint32(upTo(r.size(), block))) // whole blocks (ECMA-119 6.8.1.1)
		}
		name := path + r.name()
		if e, ok := w.placed[name]; ok && !r.directory() {
			putBoth(r[2:], uint32(e.Offset/block))
			putBoth(r[10:], uint32(e.Size))
		}
		if err := w.rockRidge(r, w.names[name]); err != nil {
			return err
		}
		delete(w.names, name)
		if !r.directory() || r.name() == "" {
			return nil
		}
		return w.settle(r.at(), r.size(), name+"/")
	})
}

// rockRidge settles the system use entries of a record (Rock Ridge 1.12, 4.1). name
// is the one that it is to have.
func (w *isoWalk) rockRidge(r record, name string) error {
	for use := r.systemUse(); len(use) >= 4; {
		n := int(use[2])
		if n < 4 || n > len(use) {
			return unknown("system use area")
		}
		switch kind := string(use[:2]); kind {
		case "PX":
			if n != 44 {
				return unknown("entry PX")
			}
			w.attributes(use, r)
		case "TF":
			if n != 26 || use[4] != 0x0e { // modified, read, changed
				return unknown("entry TF")
			}
			for p := 5; p < n; p += 7 {
				copy(use[p:], shortDate(w.time))
			}
		case "NM":
			if name == "" || n != 5+len(name) || use[4] != 0 {
				return unknown("entry NM")
			}
			copy(use[5:], name)
		case "SP", "CE":
		default:
			return unknown("entry " + kind)
		}
		use = use[n:]
	}
	return nil
}

// attributes settles an entry PX: mode, links, owner, group and inode.
func (w *isoWalk) attributes(px []byte, r record) {
	mode, links := uint32(0o100444), uint32(1)
	if r.directory() {
		mode, links = 0o040555, w.links[r.at()]
	}
	for i, n := range []uint32{mode, links, 0, 0, uint32(r.at() / block)} {
		putBoth(px[4+8*i:], n)
	}
}

// shortDate is a date of a directory record (ECMA-119 9.1.5), in UTC.
func shortDate(t time.Time) []byte {
	t = within(t, 1900, 2155)
	return []byte{byte(t.Year() - 1900), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), 0}
}

// longDate is a date of a volume descriptor (ECMA-119 8.4.26.1), in UTC.
func longDate(t time.Time) []byte {
	return append([]byte(within(t, 1900, 2155).Format("2006010215040500")), 0)
}

// within returns t in UTC, or the first or the last second of those years.
func within(t time.Time, first, last int) time.Time {
	t = t.UTC()
	if begin := time.Date(first, 1, 1, 0, 0, 0, 0, time.UTC); t.Before(begin) {
		return begin
	}
	if end := time.Date(last, 12, 31, 23, 59, 59, 0, time.UTC); t.After(end) {
		return end
	}
	return t
}
