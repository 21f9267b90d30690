package isodisk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
)

// fatNode is a file or a directory of a FAT volume.
type fatNode struct {
	at       int64 // where its entry is, bytes
	raw      []byte
	name     string
	dir      bool
	off      int64 // where its content begins, bytes
	size     int64 // bytes
	clusters []uint32
}

// fatTree is a volume as a reader sees it that goes by the letter of Microsoft's FAT
// specification 1.03, and lets nothing pass. It shares nothing with what is tested.
type fatTree struct {
	m       *memory
	bits    int // 16 or 32
	cluster int64
	dataAt  int64
	fat     []uint32
	owner   map[uint32]string
	nodes   map[string]fatNode // by path; "DIR/." and "DIR/.." are those entries of a directory; "" is the label
	labels  int
	errs    []error
}

func readFAT(m *memory, size int64) (*fatTree, error) {
	t := &fatTree{m: m, bits: 16, owner: map[uint32]string{}, nodes: map[string]fatNode{}}
	b := m.bytes(0, 512)
	le := binary.LittleEndian
	sectors, per := int64(le.Uint16(b[19:])), int64(le.Uint16(b[22:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(b[32:]))
	}
	entries := int64(le.Uint16(b[17:]))
	if entries == 0 {
		t.bits, per = 32, int64(le.Uint32(b[36:]))
	}
	t.cluster = int64(b[13]) * 512
	t.want(sectors*512 <= size && sectors*512 >= size-2*t.cluster && le.Uint16(b[11:]) == 512 && b[16] == 2 && b[21] == 0xf8 && b[510] == 0x55 && b[511] == 0xaa, "boot sector %x", b[:64])
	tableAt := int64(le.Uint16(b[14:])) * 512
	rootAt := tableAt + 2*per*512
	t.dataAt = rootAt + entries*32
	count := (sectors*512 - t.dataAt) / t.cluster
	t.want(t.bits == 16 && count >= 4085 && count < 65525 || t.bits == 32 && count >= 65525, "%d clusters of FAT%d", count, t.bits)
	table, backup := m.bytes(tableAt, int(per*512)), m.bytes(tableAt+per*512, int(per*512))
	t.want(bytes.Equal(table, backup), "the two tables differ")
	t.want(int64(len(table)) >= (count+2)*int64(t.bits)/8, "the table is too small")
	for i := range int(count) + 2 {
		var n uint32
		if t.bits == 16 {
			n = uint32(le.Uint16(table[i*2:]))
			if n >= 0xfff8 {
				n |= 0x0fff0000
			}
		} else {
			n = le.Uint32(table[i*4:])
		}
		t.want(n>>28 == 0, "cluster %d has %x", i, n)
		t.fat = append(t.fat, n)
	}
	t.want(t.fat[0] == 0x0ffffff8 && t.fat[1] == 0x0fffffff, "the first entries of the table: %x", t.fat[:2])
	t.want(len(bytes.TrimRight(table[(int(count)+2)*t.bits/8:], "\x00")) == 0, "the table goes on behind its end")
	if t.bits == 16 {
		t.directory(m.bytes(rootAt, int(entries*32)), rootAt, 0, 0, "")
	} else {
		t.directory32(le.Uint32(b[44:]), 0, "")
	}
	free := uint32(0)
	for c, n := range t.fat {
		_, owned := t.owner[uint32(c)]
		t.want(c < 2 || owned == (n != 0), "cluster %d is lost", c)
		if n == 0 {
			free++
		}
	}
	if t.bits == 32 {
		t.info(b, free)
	}
	t.want(t.labels == 1, "%d labels", t.labels)
	return t, errors.Join(t.errs...)
}

func (t *fatTree) info(b []byte, free uint32) {
	le := binary.LittleEndian
	at, backup := int64(le.Uint16(b[48:]))*512, int64(le.Uint16(b[50:]))*512
	info := t.m.bytes(at, 512)
	t.want(bytes.Equal(t.m.bytes(backup, 512), b) && bytes.Equal(t.m.bytes(backup+at, 512), info), "the copies differ")
	t.want(string(info[:4]) == "RRaA" && string(info[484:488]) == "rrAa" && info[510] == 0x55 && info[511] == 0xaa, "FSInfo")
	next := le.Uint32(info[492:])
	t.want(le.Uint32(info[488:]) == free && int(next) < len(t.fat) && t.fat[next] == 0, "FSInfo says %d free, from %d on; %d are", le.Uint32(info[488:]), next, free)
}

func (t *fatTree) want(ok bool, format string, args ...any) {
	if !ok && len(t.errs) < 10 {
		t.errs = append(t.errs, fmt.Errorf(format, args...))
	}
}

// chain is the clusters from the first on, which become those of path.
func (t *fatTree) chain(first uint32, path string) (clusters []uint32) {
	for c := first; c < 0x0ffffff8; c = t.fat[c] {
		if other, taken := t.owner[c]; taken || c < 2 || int(c) >= len(t.fat) {
			t.want(false, "%s: cluster %d, which is of %q", path, c, other)
			return clusters
		}
		t.owner[c] = path
		clusters = append(clusters, c)
	}
	return clusters
}

func (t *fatTree) at(cluster uint32) int64 { return t.dataAt + int64(cluster-2)*t.cluster }

func (t *fatTree) directory32(first, parent uint32, path string) {
	clusters := t.chain(first, path+".")
	if len(clusters) > 0 {
		t.directory(t.read(clusters), t.at(clusters[0]), first, parent, path)
	}
}

// read returns what is in clusters.
func (t *fatTree) read(clusters []uint32) (b []byte) {
	for _, c := range clusters {
		b = append(b, t.m.bytes(t.at(c), int(t.cluster))...)
	}
	return b
}

// directory reads the entries in b; the first is at an offset.
func (t *fatTree) directory(b []byte, at int64, self, parent uint32, path string) {
	long, sum := "", byte(0)
	count := 0
	for ; len(b) > 0 && b[0] != 0; b, at = b[32:], at+32 {
		e := b[:32]
		if e[11] == 0x0f {
			t.want(e[0] == 0x41 && long == "" && e[12] == 0 && e[26] == 0 && e[27] == 0, "%s: long name %x", path, e)
			long, sum = longName16(e), e[13]
			continue
		}
		n := fatNode{at: at, raw: e, dir: e[11] == 0x10, size: int64(binary.LittleEndian.Uint32(e[28:]))}
		first := uint32(binary.LittleEndian.Uint16(e[20:]))<<16 | uint32(binary.LittleEndian.Uint16(e[26:]))
		short := strings.TrimRight(string(e[:8]), " ")
		if e[8] != ' ' {
			short += "." + strings.TrimRight(string(e[8:11]), " ")
		}
		n.name = short
		if long != "" {
			t.want(sum == checksum(e[:11]) && strings.ToUpper(long) == short, "%s: %q is %q", path, short, long)
			n.name, long = long, ""
		}
		switch {
		case e[11] == 8:
			t.want(path == "" && first == 0 && n.size == 0, "label %x", e)
			t.labels++
			n.name = ""
		case short == ".":
			t.want(count == 0 && first == self && n.dir, "%s.", path)
		case short == "..":
			t.want(count == 1 && first == parent && n.dir, "%s.. is %d", path, first)
		case n.dir:
			t.want(n.size == 0, "%s%s is a directory of %d bytes", path, n.name, n.size)
			above := self
			if path == "" {
				above = 0
			}
			t.directory32(first, above, path+n.name+"/")
		default:
			t.want(e[11] == 0 && n.size > 0, "%s%s: attributes %x, %d bytes", path, n.name, e[11], n.size)
			n.clusters = t.chain(first, path+n.name)
			t.want(int64(len(n.clusters)) == (n.size+t.cluster-1)/t.cluster, "%s%s: %d clusters for %d bytes", path, n.name, len(n.clusters), n.size)
			n.off = t.at(first)
		}
		_, again := t.nodes[path+n.name]
		t.want(!again, "%s%s is there twice", path, n.name)
		t.nodes[path+n.name] = n
		count++
	}
	t.want(len(bytes.Trim(b, "\x00")) == 0, "%s: something behind the last entry", path)
}

// longName16 is the name in an entry of a long name.
func longName16(e []byte) string {
	var units []uint16
	for _, part := range [][]byte{e[1:11], e[14:26], e[28:32]} {
		for ; len(part) > 0; part = part[2:] {
			units = append(units, binary.LittleEndian.Uint16(part))
		}
	}
	name, _, _ := strings.Cut(string(utf16.Decode(units)), "\x00")
	return strings.TrimRight(name, "\uffff")
}

// checksum is that of a short name.
func checksum(name []byte) (sum byte) {
	for _, c := range name {
		sum = sum<<7 + sum>>1 + c
	}
	return sum
}
