package isodisk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// isoNode is a file or a directory of an ISO 9660 volume.
type isoNode struct {
	at    int64  // where its record is, bytes
	raw   []byte // the record
	use   map[string]int
	name  string // the one of Rock Ridge
	dir   bool
	off   int64 // where its content is, bytes
	size  int64 // bytes
	mode  uint32
	links uint32
	inode uint32
}

// isoTree is a volume as a reader sees it that goes by the letter of ECMA-119 and Rock
// Ridge 1.12, and lets nothing pass. It shares nothing with what is tested.
type isoTree struct {
	m     *memory
	size  int64
	nodes map[string]isoNode // by path; "DIR/." and "DIR/.." are those records of a directory
	taken []Extent
	errs  []error
}

func readISO(m *memory) (*isoTree, error) {
	t := &isoTree{m: m, nodes: map[string]isoNode{}}
	d := m.bytes(16*2048, 2048)
	t.size = int64(t.both(d, 80)) * 2048
	root := t.record(16*2048+156, d[156:190])
	for _, text := range [][2]int{{8, 72}, {190, 813}} {
		for _, c := range d[text[0]:text[1]] {
			t.want(c == ' ' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_', "text of the volume descriptor: %q", c)
		}
	}
	t.want(t.both16(d, 128) == 2048 && d[881] == 1 && t.both16(d, 120) == 1 && t.both16(d, 124) == 1, "volume descriptor")
	terminator := m.bytes(18*2048, 7)
	t.want(string(terminator) == "\xffCD001\x01", "terminator %q", terminator)
	t.directory(root, root, "")
	t.pathTables(d, root)
	slices.SortFunc(t.taken, func(a, b Extent) int { return int(a.Offset - b.Offset) })
	end := int64(19 * 2048)
	for _, e := range t.taken {
		t.want(e.Offset >= end, "%s overlaps what is before it", e.Path)
		end = e.Offset + (e.Size+2047)/2048*2048
	}
	t.want(end <= t.size, "%d bytes in a volume of %d", end, t.size)
	return t, errors.Join(t.errs...)
}

func (t *isoTree) want(ok bool, format string, args ...any) {
	if !ok {
		t.errs = append(t.errs, fmt.Errorf(format, args...))
	}
}

func (t *isoTree) both(b []byte, at int) uint32 {
	le, be := binary.LittleEndian.Uint32(b[at:]), binary.BigEndian.Uint32(b[at+4:])
	t.want(le == be, "%d is %d and %d", at, le, be)
	return le
}

func (t *isoTree) both16(b []byte, at int) uint16 {
	le, be := binary.LittleEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])
	t.want(le == be, "%d is %d and %d", at, le, be)
	return le
}

func (t *isoTree) record(at int64, b []byte) isoNode {
	n := isoNode{at: at, raw: b, dir: b[25] == 2, off: int64(t.both(b, 2)) * 2048, size: int64(t.both(b, 10))}
	t.want(b[25]&^2 == 0 && b[1] == 0 && t.both16(b, 28) == 1 && b[0]%2 == 0, "record at %d", at)
	t.want(!n.dir || n.size%2048 == 0 && n.size > 0, "the directory at %d has %d bytes", at, n.size)
	return n
}

// directory reads the directory self, which is in parent, and those below.
func (t *isoTree) directory(self, parent isoNode, path string) {
	t.taken = append(t.taken, Extent{"/" + path, self.off, self.size})
	b := t.m.bytes(self.off, int(self.size))
	var names [][]byte
	var subs []isoNode
	for off := 0; off < len(b); {
		length := int(b[off])
		if length == 0 {
			rest := b[off:min(len(b), (off/2048+1)*2048)]
			t.want(len(bytes.TrimLeft(rest, "\x00")) == 0, "%s: something behind the zeros", path)
			off += len(rest)
			continue
		}
		t.want(off/2048 == (off+length-1)/2048, "%s: a record goes over a block", path)
		n := t.record(self.off+int64(off), b[off:off+length])
		id := string(n.raw[33 : 33+int(n.raw[32])])
		t.systemUse(&n, len(names) == 0 && path == "")
		switch len(names) {
		case 0:
			t.want(id == "\x00" && n.off == self.off && n.size == self.size && n.name == "", "%s: its first record", path)
			t.nodes[path+"."] = n
		case 1:
			t.want(id == "\x01" && n.off == parent.off && n.size == parent.size && n.name == "", "%s: its second record", path)
			t.nodes[path+".."] = n
		default:
			t.want(identifier(id, n.dir), "%s: the identifier %q", path, id)
			t.want(bytes.Compare(names[len(names)-1], sortKey(id)) < 0, "%s: %q is out of order", path, id)
			t.want(strings.EqualFold(strings.Replace(n.name, ".", "0", strings.Count(n.name[:1], ".")), strings.TrimSuffix(strings.TrimSuffix(id, ";1"), ".")), "%s: %q is named %q", path, id, n.name)
			t.nodes[path+n.name] = n
			if n.dir {
				subs = append(subs, n)
			} else {
				t.taken = append(t.taken, Extent{path + n.name, n.off, n.size})
			}
		}
		names = append(names, sortKey(id))
		off += length
	}
	t.want(int(t.nodes[path+"."].links) == 2+len(subs), "%s: %d links", path, t.nodes[path+"."].links)
	for _, sub := range subs {
		t.directory(sub, self, path+sub.name+"/")
	}
}

// sortKey is what records are in order of (ECMA-119 9.3).
func sortKey(id string) []byte {
	name, extension, _ := strings.Cut(strings.TrimSuffix(id, ";1"), ".")
	return fmt.Appendf(nil, "%-8s%-3s", name, extension)
}

// identifier tells whether an identifier is one of a file or a directory of level 1
// (ECMA-119 7.5.1, 7.6.1, 10.1).
func identifier(id string, dir bool) bool {
	name, extension := id, ""
	if !dir {
		stem, one := strings.CutSuffix(id, ";1")
		var dotted bool
		name, extension, dotted = strings.Cut(stem, ".")
		if !one || !dotted {
			return false
		}
	}
	return len(name) >= 1 && len(name) <= 8 && len(extension) <= 3 && strings.Trim(name+extension, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// systemUse reads the system use entries of a record (SUSP 1.12, Rock Ridge 1.12).
func (t *isoTree) systemUse(n *isoNode, root bool) {
	n.use = map[string]int{}
	at := 33 + int(n.raw[32])
	at += at % 2
	for at+4 <= len(n.raw) {
		e := n.raw[at : at+int(n.raw[at+2])]
		kind := string(e[:2])
		_, again := n.use[kind]
		t.want(e[3] == 1 && !again, "entry %q at %d", kind, n.at)
		n.use[kind] = at
		switch kind {
		case "PX":
			n.mode, n.links, n.inode = t.both(e, 4), t.both(e, 12), t.both(e, 36)
			t.want(len(e) == 44 && t.both(e, 20) == 0 && t.both(e, 28) == 0, "PX %x", e)
			t.want(n.mode>>12 == 4 == n.dir && (n.dir || n.links == 1) && n.inode != 0, "PX %x", e)
		case "TF":
			t.want(len(e) == 26 && e[4] == 14 && bytes.Equal(e[5:12], n.raw[18:25]) && bytes.Equal(e[5:12], e[12:19]) && bytes.Equal(e[5:12], e[19:26]), "TF %x", e)
		case "NM":
			t.want(e[4] == 0, "NM %x", e)
			n.name = string(e[5:])
		case "SP":
			t.want(root && len(n.use) == 1 && bytes.Equal(e[4:], []byte{0xbe, 0xef, 0}), "SP %x", e)
		case "CE":
			area := t.m.bytes(int64(t.both(e, 4))*2048+int64(t.both(e, 12)), int(t.both(e, 20)))
			t.want(root && string(area[:2]) == "ER" && int(area[2]) == len(area) && string(area[8:18]) == "IEEE_P1282", "ER %q", area)
			t.taken = append(t.taken, Extent{"ER", int64(t.both(e, 4)) * 2048, 2048})
		default:
			t.want(false, "entry %q", kind)
		}
		at += len(e)
	}
	_, px := n.use["PX"]
	_, tf := n.use["TF"]
	_, sp := n.use["SP"]
	t.want(px && tf && sp == root, "entries %v at %d", n.use, n.at)
}

// pathTables reads both path tables (ECMA-119 6.9, 9.4): breadth first, in order.
func (t *isoTree) pathTables(d []byte, root isoNode) {
	size := int(t.both(d, 132))
	little, big := int64(binary.LittleEndian.Uint32(d[140:]))*2048, int64(binary.BigEndian.Uint32(d[148:]))*2048
	t.taken = append(t.taken, Extent{"L", little, int64(size)}, Extent{"M", big, int64(size)})
	l, m := t.m.bytes(little, size), t.m.bytes(big, size)
	paths := []string{""}
	var previous string
	for number, off := 1, 0; off < size; number++ {
		length := int(l[off])
		id := string(l[off+8 : off+8+length])
		at, parent := binary.LittleEndian.Uint32(l[off+2:]), int(binary.LittleEndian.Uint16(l[off+6:]))
		t.want(at == binary.BigEndian.Uint32(m[off+2:]) && parent == int(binary.BigEndian.Uint16(m[off+6:])) && id == string(m[off+8:off+8+length]), "path tables differ at %d", off)
		key := fmt.Sprintf("%05d %-8s", parent, id)
		switch {
		case number == 1:
			t.want(id == "\x00" && parent == 1 && int64(at)*2048 == root.off, "root in the path table")
		case parent < 1 || parent >= number:
			t.want(false, "%q has the parent %d", id, parent)
		default:
			t.want(key > previous, "%q is out of order in the path table", id)
			previous = key
			found := false
			for path, n := range t.nodes {
				if n.dir && n.off == int64(at)*2048 && !strings.HasSuffix(path, "/.") && !strings.HasSuffix(path, "/..") {
					paths, found = append(paths, path), true
					t.want(n.off != root.off && path[:max(strings.LastIndexByte(path, '/'), 0)] == paths[parent-1], "%s in the path table", path)
				}
			}
			if !found {
				t.want(false, "%q is in the path table alone", id)
				paths = append(paths, "")
			}
		}
		off += 8 + length + length%2
	}
	dirs := 1
	for path, n := range t.nodes {
		if n.dir && path != "." && path != ".." && !strings.HasSuffix(path, "/.") && !strings.HasSuffix(path, "/..") {
			dirs++
		}
	}
	t.want(len(paths) == dirs, "%d directories in the path table, of %d", len(paths), dirs)
}
