package rootfs_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
)

// FuzzReadCpio holds that whatever can be read can be written, and reads the same
// then.
func FuzzReadCpio(f *testing.F) {
	trailer := raw("TRAILER!!!", "", nil)
	f.Add([]byte(raw("./a", "x", linked(5)) + raw("b", "", linked(5)) + trailer + "\x00\x00\x00\x00" + raw("c", "y", linked(5))))
	f.Add([]byte(raw("a", "", linked(5)) + raw("b", "", linked(5)) + raw("c", "last", linked(5)) + trailer))
	f.Add([]byte(raw("d", "", map[int]uint32{1: 0o041777}) + raw("d/s", "../x", map[int]uint32{1: 0o120777}) + raw("d/n", "", map[int]uint32{1: 0o020666, 9: 1, 10: 3})))
	f.Add([]byte("070702" + raw("a", "x\xff", map[int]uint32{12: 'x' + 0xff})[6:] + raw("a", "huge", map[int]uint32{6: 1<<32 - 1})))
	f.Add([]byte(raw(strings.Repeat("n", 4095), "x", nil) + raw("a\x00\x00\x00", "y", nil) + raw("b", "", map[int]uint32{11: 1<<32 - 1})))
	f.Fuzz(func(t *testing.T, archive []byte) {
		entries, err := readCpio(bytes.NewReader(archive))
		total := 0
		for _, e := range entries {
			total += 110 + len(e.Path) + len(e.Link) + int(e.Size)
		}
		if total > len(archive) {
			t.Fatalf("%d bytes were read out of %d", total, len(archive))
		}
		entries, ok := writable(entries)
		if err != nil || !ok {
			return
		}
		again, err := readCpio(bytes.NewReader(cpioArchive(t, entries...)))
		if err != nil {
			t.Fatal(err)
		}
		compareCpio(t, entries, again)
	})
}

// writable brings content to first names, as a tree has it, and leaves the root
// out. It tells whether a tree could hold the rest: no path twice, none that cpio
// has another use for, no device that Linux does not have.
func writable(entries []*rootfs.Entry) ([]*rootfs.Entry, bool) {
	byPath := map[string]*rootfs.Entry{}
	var kept []*rootfs.Entry
	for _, e := range entries {
		if e.Path == "" {
			continue
		}
		if byPath[e.Path] != nil || e.Path == "TRAILER!!!" || e.Major >= 1<<12 || e.Minor >= 1<<20 {
			return nil, false
		}
		byPath[e.Path] = e
		kept = append(kept, e)
		first := byPath[e.First]
		if e.First == "" {
			continue
		}
		if first == nil || first.First != "" || first.Nlink < 2 || e.Nlink < 2 {
			return nil, false
		}
		if e.Size > 0 {
			first.Size, first.Digest, first.Body = e.Size, e.Digest, e.Body
		}
	}
	return kept, true
}

// FuzzCpioRoundTrip makes trees of bytes.
func FuzzCpioRoundTrip(f *testing.F) {
	f.Add([]byte("\x00a\x00\x01\xed\x00\x00\x00\x00\x00\x00\x00\x00\x01\x05hello\x00b\x00\x01\xed\x00\x00\x00\x00\x00\x00\x00\x00\x01\x05hello"))
	f.Add([]byte("\x01d/e\x00\x01\xed\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x02d/s\x00\x01\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02..\x03n\x00\x01\xb6\x01\x00\x00\x03"))
	f.Fuzz(func(t *testing.T, seed []byte) {
		segment := rootfs.Segment{Entries: rootfs.Sort(entriesFrom(seed))}
		tree, _, err := rootfs.NewTree([]rootfs.Segment{segment}, rootfs.TreeOptions{Epoch: 1 << 40})
		if err != nil {
			t.Fatal(err)
		}
		var entries []*rootfs.Entry
		for e := range tree.Entries() {
			if _, err := (rootfs.Cpio{}).AppendHeader(nil, e); err != nil {
				t.Fatalf("%q: %v", e.Path, err)
			}
			entries = append(entries, e)
		}
		cut := len(seed) % (len(entries) + 1)
		archive := append(cpioRun(t, entries[:cut]...), cpioArchive(t, entries[cut:]...)...)
		got, err := readCpio(bytes.NewReader(archive))
		if err != nil {
			t.Fatal(err)
		}
		compareCpio(t, entries, got)
	})
}

// entriesFrom reads entries from bytes: a type, a path up to a NUL, 10 bytes of
// numbers, the inode, and content or target after its length.
func entriesFrom(b []byte) []*rootfs.Entry {
	var entries []*rootfs.Entry
	files := map[string]bool{} // what is not a directory
	dirs := map[string]bool{}  // what has to be one
	for len(b) > 0 {
		typ := rootfs.Type(b[0]%6 + 1)
		name, rest, _ := bytes.Cut(b[1:], []byte{0})
		var n [12]byte
		rest = rest[copy(n[:], rest):]
		content := rest[:min(int(n[11]), len(rest))]
		b = rest[len(content):]
		e := &rootfs.Entry{
			Path: string(name), Type: typ, Mode: uint32(binary.BigEndian.Uint16(n[:])) & 0o7777,
			UID: binary.BigEndian.Uint32(n[2:]), GID: binary.BigEndian.Uint32(n[4:]), ModTime: int64(int8(n[9])) << (n[8] % 33),
		}
		switch typ {
		case rootfs.File:
			e.Inode, e.Size, e.Digest = uint32(n[10]%4), int64(len(content)), sha256.Sum256(content)
			e.Body = bytes.NewReader(content)
		case rootfs.Symlink:
			e.Link = cmp.Or(strings.ReplaceAll(string(content), "\x00", "0"), "x")
		case rootfs.Char, rootfs.Block:
			e.Major, e.Minor = e.UID>>20, e.GID>>12
		}
		if fits(e, files, dirs) {
			entries = append(entries, e)
		}
	}
	return entries
}

// fits tells whether a tree can have e beside what there is, and notes it.
func fits(e *rootfs.Entry, files, dirs map[string]bool) bool {
	if !clean(e.Path) || len(e.Path) > 4095 || e.Path == "TRAILER!!!" || files[e.Path] || e.Type != rootfs.Dir && dirs[e.Path] {
		return false
	}
	var parents []string
	for i, c := range []byte(e.Path) {
		if c == '/' {
			parents = append(parents, e.Path[:i])
		}
	}
	for _, p := range parents {
		if files[p] || p == "TRAILER!!!" {
			return false
		}
	}
	for _, p := range parents {
		dirs[p] = true
	}
	if e.Type == rootfs.Dir {
		dirs[e.Path] = true
	} else {
		files[e.Path] = true
	}
	return true
}
