package rootfs_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
)

var update = flag.Bool("update", false, "write golden files anew")

// encode returns an archive of entries.
func encode(t testing.TB, entries ...*rootfs.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	writeArchive(t, &b, entries)
	return b.Bytes()
}

func writeArchive(t testing.TB, w io.Writer, entries []*rootfs.Entry) {
	t.Helper()
	var codec rootfs.Codec = rootfs.Tar{}
	var head []byte
	var err error
	for _, e := range entries {
		if head, err = codec.AppendHeader(head[:0], e); err != nil {
			t.Fatalf("%.100q: %v", e.Path, err)
		}
		must(t, w, head)
		if n := e.Payload(); n > 0 {
			if _, err := io.Copy(w, io.NewSectionReader(e.Body, 0, n)); err != nil {
				t.Fatal(err)
			}
			must(t, w, make([]byte, codec.Pad(n)))
		}
	}
	must(t, w, codec.Trailer())
}

func must(t testing.TB, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
}

// decode reads an archive with archive/tar, down to the bytes of its content.
func decode(t testing.TB, r io.Reader) []*rootfs.Entry {
	t.Helper()
	var got []*rootfs.Entry
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatalf("after %d entries: %v", len(got), err)
		}
		got = append(got, fromHeader(t, h, tr))
	}
}

func fromHeader(t testing.TB, h *tar.Header, content io.Reader) *rootfs.Entry {
	t.Helper()
	e := &rootfs.Entry{
		Path: strings.TrimSuffix(h.Name, "/"), Mode: uint32(h.Mode), UID: uint32(h.Uid), GID: uint32(h.Gid),
		ModTime: h.ModTime.Unix(), Size: h.Size, Major: uint32(h.Devmajor), Minor: uint32(h.Devminor),
	}
	if h.Name == "./" {
		e.Path = ""
	}
	if h.Uname != "" || h.Gname != "" || h.ModTime.Nanosecond() != 0 || !h.AccessTime.IsZero() || !h.ChangeTime.IsZero() {
		t.Errorf("%q has names or times that it must not have: %+v", h.Name, h)
	}
	switch h.Typeflag {
	case tar.TypeReg:
		e.Type = rootfs.File
	case tar.TypeDir:
		e.Type = rootfs.Dir
		if !strings.HasSuffix(h.Name, "/") {
			t.Errorf("directory %q has no slash at its end", h.Name)
		}
	case tar.TypeSymlink:
		e.Type, e.Link = rootfs.Symlink, h.Linkname
	case tar.TypeChar:
		e.Type = rootfs.Char
	case tar.TypeBlock:
		e.Type = rootfs.Block
	case tar.TypeFifo:
		e.Type = rootfs.Fifo
	case tar.TypeLink:
		e.Type, e.First = rootfs.File, h.Linkname
	}
	for k, v := range h.PAXRecords {
		if name, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
			e.Xattrs = append(e.Xattrs, rootfs.Xattr{Name: name, Value: v})
		}
	}
	sortXattrs(e.Xattrs)
	if e.Type == rootfs.File && e.First == "" {
		sum := sha256.New()
		if n, err := io.Copy(sum, content); err != nil || n != h.Size {
			t.Errorf("%q: read %d of %d bytes: %v", h.Name, n, h.Size, err)
		}
		e.Digest = rootfs.Digest(sum.Sum(nil))
	}
	return e
}

// written returns what an archive can say of e.
func written(e *rootfs.Entry) *rootfs.Entry {
	w := *e
	w.Body, w.Inode, w.Nlink, w.Origin, w.Made = nil, 0, 0, "", false
	if w.First != "" {
		w.Type, w.Size, w.Digest = rootfs.File, 0, rootfs.Digest{}
	}
	return &w
}

func compareEntries(t testing.TB, want, got []*rootfs.Entry) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d entries were written, %d read", len(want), len(got))
	}
	for i, e := range want {
		if d := cmp.Diff(written(e), got[i]); d != "" {
			t.Fatalf("entry %d, %.200q (-written +read):\n%s", i, e.Path, d)
		}
	}
}

func TestTarRoundTrip(t *testing.T) {
	for seed := range uint64(50) {
		entries := randomEntries(rand.New(rand.NewPCG(seed, 1)), 40)
		compareEntries(t, entries, decode(t, bytes.NewReader(encode(t, entries...))))
	}
}

func TestTarTortureThroughArchiveTar(t *testing.T) {
	entries := torture()
	compareEntries(t, entries, decode(t, bytes.NewReader(encode(t, entries...))))
}

// TestTarEncodingsConcatenate holds the law of a codec.
func TestTarEncodingsConcatenate(t *testing.T) {
	a := randomEntries(rand.New(rand.NewPCG(1, 2)), 20)
	b := randomEntries(rand.New(rand.NewPCG(3, 4)), 20)
	end := len(rootfs.Tar{}.Trailer())
	first, second := encode(t, a...), encode(t, b...)
	joined := append(first[:len(first)-end:len(first)-end], second...)
	if !bytes.Equal(joined, encode(t, append(a, b...)...)) {
		t.Fatal("two archives laid one after the other are not the archive of both")
	}
	for _, e := range a {
		one, err := rootfs.Tar{}.AppendHeader([]byte("kept"), e)
		if err != nil || !bytes.HasPrefix(one, []byte("kept")) {
			t.Fatalf("AppendHeader does not append: %v", err)
		}
		alone := encode(t, e)
		if !bytes.HasPrefix(alone, one[len("kept"):]) {
			t.Fatalf("%q: the header differs with what stands before it", e.Path)
		}
	}
}

// TestTarSize holds every header to its blocks, and pax to where it is needed.
func TestTarSize(t *testing.T) {
	long := func(n int) string { return strings.Repeat("n", n) }
	tests := []struct {
		name string
		e    rootfs.Entry
		want int // bytes
	}{
		{"name of 100", rootfs.Entry{Path: long(100), Type: rootfs.File}, 512},
		{"name of 101", rootfs.Entry{Path: long(101), Type: rootfs.File}, 1536},
		{"directory name of 99", rootfs.Entry{Path: long(99), Type: rootfs.Dir}, 512},
		{"directory name of 100", rootfs.Entry{Path: long(100), Type: rootfs.Dir}, 1536},
		{"prefix of 155 and name of 100", rootfs.Entry{Path: long(155) + "/" + long(100), Type: rootfs.File}, 512},
		{"prefix of 155 and directory of 99", rootfs.Entry{Path: long(155) + "/" + long(99), Type: rootfs.Dir}, 512},
		{"prefix of 156", rootfs.Entry{Path: long(156) + "/" + long(9), Type: rootfs.File}, 1536},
		{"name of 101 below a", rootfs.Entry{Path: "a/" + long(101), Type: rootfs.File}, 1536},
		{"256 bytes in small parts", rootfs.Entry{Path: strings.Repeat("a/", 127) + "bb", Type: rootfs.File}, 512},
		{"257 bytes in small parts", rootfs.Entry{Path: strings.Repeat("a/", 127) + "bbb", Type: rootfs.File}, 1536},
		{"target of 100", rootfs.Entry{Path: "a", Type: rootfs.Symlink, Link: long(100)}, 512},
		{"target of 101", rootfs.Entry{Path: "a", Type: rootfs.Symlink, Link: long(101)}, 1536},
		{"first name of 101", rootfs.Entry{Path: "a", Type: rootfs.File, First: long(101)}, 1536},
		{"not UTF-8", rootfs.Entry{Path: "a\xff", Type: rootfs.File}, 512},
		{"uid that fits", rootfs.Entry{Path: "a", Type: rootfs.File, UID: 0o7777777}, 512},
		{"uid that does not", rootfs.Entry{Path: "a", Type: rootfs.File, UID: 0o10000000}, 1536},
		{"gid that does not", rootfs.Entry{Path: "a", Type: rootfs.File, GID: 0o10000000}, 1536},
		{"size that fits", rootfs.Entry{Path: "a", Type: rootfs.File, Size: 8<<30 - 1}, 512},
		{"size that does not", rootfs.Entry{Path: "a", Type: rootfs.File, Size: 8 << 30}, 1536},
		{"size of a further name", rootfs.Entry{Path: "b", Type: rootfs.File, Size: 8 << 30, First: "a"}, 512},
		{"last second", rootfs.Entry{Path: "a", Type: rootfs.File, ModTime: 8<<30 - 1}, 512},
		{"after it", rootfs.Entry{Path: "a", Type: rootfs.File, ModTime: 8 << 30}, 1536},
		{"before 1970", rootfs.Entry{Path: "a", Type: rootfs.File, ModTime: -1}, 1536},
		{"xattr", rootfs.Entry{Path: "a", Type: rootfs.File, Xattrs: []rootfs.Xattr{{Name: "user.a"}}}, 1536},
		{"xattr of a further name", rootfs.Entry{Path: "b", Type: rootfs.File, First: "a", Xattrs: []rootfs.Xattr{{Name: "user.a"}}}, 1536},
		{"records over one block", rootfs.Entry{Path: long(600), Type: rootfs.File}, 2048},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := rootfs.Tar{}.AppendHeader(nil, &tt.e)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) != tt.want {
				t.Fatalf("header of %d bytes, want %d", len(b), tt.want)
			}
		})
	}
}

func TestTarRefuses(t *testing.T) {
	tests := []struct {
		name string
		e    rootfs.Entry
		want string
	}{
		{"no type", rootfs.Entry{Path: "a"}, "tar has no type for: entry of no type"},
		{"whiteout", rootfs.Entry{Path: "a", Type: rootfs.Whiteout}, "tar has no type for: whiteout"},
		{"root", rootfs.Entry{Type: rootfs.File}, "the root is not a directory"},
		{"NUL in path", rootfs.Entry{Path: "a\x00b", Type: rootfs.File}, `a NUL byte in the path "a\x00b"`},
		{"NUL in target", rootfs.Entry{Path: "a", Type: rootfs.Symlink, Link: "\x00"}, `a NUL byte in the link target "\x00"`},
		{"NUL in first name", rootfs.Entry{Path: "a", Type: rootfs.File, First: "\x00"}, `a NUL byte in the link target "\x00"`},
		{"no target", rootfs.Entry{Path: "a", Type: rootfs.Symlink}, "a symbolic link without a target"},
		{"mode", rootfs.Entry{Path: "a", Type: rootfs.File, Mode: 0o100644}, "mode 0100644 has other bits than 07777"},
		{"size", rootfs.Entry{Path: "a", Type: rootfs.File, Size: -1}, "size -1 is negative"},
		{"device", rootfs.Entry{Path: "a", Type: rootfs.Block, Minor: 1 << 21}, "device 0:2097152 is over 2097151"},
		{"xattr name", rootfs.Entry{Path: "a", Type: rootfs.File, Xattrs: []rootfs.Xattr{{Name: "user.a=b"}}}, `the extended attribute "user.a=b" has a name that pax cannot hold`},
		{"xattr without name", rootfs.Entry{Path: "a", Type: rootfs.File, Xattrs: []rootfs.Xattr{{}}}, "an extended attribute without a name"},
		{"xattr twice", rootfs.Entry{Path: "a", Type: rootfs.File, Xattrs: []rootfs.Xattr{{Name: "user.a"}, {Name: "user.a"}}}, `the extended attribute "user.a" is not in order`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := rootfs.Tar{}.AppendHeader([]byte("kept"), &tt.e)
			if err == nil || err.Error() != tt.want {
				t.Fatalf("error %v, want %s", err, tt.want)
			}
			if string(b) != "kept" {
				t.Fatalf("it left %q", b)
			}
		})
	}
}

func TestTarGolden(t *testing.T) {
	b := encode(t, torture()...)
	got := fmt.Sprintf("sha256:%x %d\n", sha256.Sum256(b), len(b))
	file := filepath.Join("testdata", "tar.golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Fatalf("the bytes of %s have changed: they are %swant %s"+
			"if that is meant, change its name and run: go test ./compose/rootfs -run Golden -update", rootfs.Tar{}.Name(), got, want)
	}
}

func FuzzTar(f *testing.F) {
	f.Add("usr/bin/x", "", "user.a", "\x00\n", uint8(1), uint32(0o755), uint32(1<<22), int64(-5), []byte("content"))
	f.Add(strings.Repeat("d/", 200)+"é", strings.Repeat("t", 101), "", "", uint8(3), uint32(0), uint32(0), int64(1<<40), []byte{})
	f.Fuzz(func(t *testing.T, path, link, xattr, value string, typ uint8, mode, id uint32, mtime int64, content []byte) {
		e := &rootfs.Entry{
			Path: path, Type: rootfs.Type(typ%6 + 1), Mode: mode, UID: id, GID: id / 3, ModTime: mtime,
		}
		switch e.Type {
		case rootfs.File:
			e.Size, e.Body, e.Digest = int64(len(content)), bytes.NewReader(content), sha256.Sum256(content)
		case rootfs.Symlink:
			e.Link = link
		case rootfs.Char, rootfs.Block:
			e.Major, e.Minor = id&0xfff, id>>12
		}
		if xattr != "" {
			e.Xattrs = []rootfs.Xattr{{Name: xattr, Value: value}}
		}
		if !clean(path) {
			return
		}
		if _, err := (rootfs.Tar{}).AppendHeader(nil, e); err != nil {
			return
		}
		next := &rootfs.Entry{Path: "next", Type: rootfs.Dir}
		compareEntries(t, []*rootfs.Entry{e, next}, decode(t, bytes.NewReader(encode(t, e, next))))
	})
}

// clean tells whether path is one that a tree can hold.
func clean(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

func BenchmarkTarHeader(b *testing.B) {
	plain := &rootfs.Entry{
		Path: "containers/services/nginx/lower/usr/share/doc/libssl3/changelog.Debian.gz",
		Type: rootfs.File, Mode: 0o644, ModTime: rootfs.DefaultModTime, Size: 12345,
	}
	split := *plain
	split.Path += "/" + strings.Repeat("n", 60)
	pax := split
	pax.Xattrs = []rootfs.Xattr{{Name: "security.capability", Value: "\x01\x00\x00\x02\x00\x04"}}
	for _, bb := range []struct {
		name string
		e    *rootfs.Entry
	}{{"ustar", plain}, {"split", &split}, {"pax", &pax}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var codec rootfs.Codec = rootfs.Tar{}
			buf := make([]byte, 0, 4096)
			for b.Loop() {
				if _, err := codec.AppendHeader(buf, bb.e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
