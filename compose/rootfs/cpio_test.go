package rootfs_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
)

// cpioRun returns the encoding of entries without a trailer.
func cpioRun(t testing.TB, entries ...*rootfs.Entry) []byte {
	t.Helper()
	var codec rootfs.Codec = rootfs.Cpio{}
	var b []byte
	for _, e := range entries {
		var err error
		if b, err = codec.AppendHeader(b, e); err != nil {
			t.Fatalf("%.100q: %v", e.Path, err)
		}
		if n := e.Payload(); n > 0 {
			content, err := io.ReadAll(io.NewSectionReader(e.Body, 0, n))
			if err != nil {
				t.Fatal(err)
			}
			b = append(append(b, content...), make([]byte, codec.Pad(n))...)
		}
	}
	return b
}

// cpioArchive returns an archive of entries.
func cpioArchive(t testing.TB, entries ...*rootfs.Entry) []byte {
	t.Helper()
	return append(cpioRun(t, entries...), rootfs.Cpio{}.Trailer()...)
}

// inTree returns what a tree of entries holds: parents, link counts, path order.
func inTree(t testing.TB, entries []*rootfs.Entry) []*rootfs.Entry {
	t.Helper()
	tree, _, err := rootfs.NewTree([]rootfs.Segment{{Name: "test", Entries: rootfs.Sort(entries)}}, rootfs.TreeOptions{Epoch: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(tree.Entries())
}

// randomTree returns the entries of a tree, some of them hard links.
func randomTree(t testing.TB, r *rand.Rand, n int) []*rootfs.Entry {
	t.Helper()
	entries := randomEntries(r, n)
	for _, e := range entries {
		if e.First, e.Link = "", cmp.Or(e.Link, "x"); e.Type == rootfs.File {
			e.Inode = r.Uint32N(6)
		}
		if e.Type != rootfs.Symlink {
			e.Link = ""
		}
	}
	return inTree(t, entries)
}

// cpioTorture is the torture set as a tree has it, and paths whose parts are as
// long as can be.
func cpioTorture(t testing.TB) []*rootfs.Entry {
	t.Helper()
	entries := torture()[1:]
	number := map[string]uint32{}
	for i, e := range entries {
		if e.First != "" {
			number[e.First] = uint32(i)
		}
	}
	for _, e := range entries {
		if e.Inode = number[cmp.Or(e.First, e.Path)]; e.First != "" {
			path, i := e.Path, slices.IndexFunc(entries, func(f *rootfs.Entry) bool { return f.Path == e.First })
			*e = *entries[i]
			e.Path, e.Inode = path, number[entries[i].Path]
		}
	}
	for n := 1; n <= 16; n++ { // 255 to 4095 bytes
		path := strings.Repeat("/"+strings.Repeat(string(rune('A'+n)), 255), n)[1:]
		entries = append(entries, &rootfs.Entry{Path: path, Type: rootfs.File, Mode: 0o755, ModTime: rootfs.DefaultModTime})
	}
	return inTree(t, entries)
}

const smallTree = `
	dir  bin 0755
	file bin/busybox content inode=1
	file bin/sh content inode=1
	char dev/null
	file empty ""
	sym  lib usr/lib
	file old word mtime=-1
	fifo run/initctl uid=4294967294`

func TestCpioGolden(t *testing.T) {
	entries := inTree(t, rootfstest.Parse(smallTree))
	var b strings.Builder
	for _, e := range entries {
		if e.Type == rootfs.Char {
			e.Major, e.Minor = 1, 3
		}
		fmt.Fprintf(&b, "%q\n", cpioRun(t, e))
	}
	fmt.Fprintf(&b, "%q\n", rootfs.Cpio{}.Trailer())
	all := cpioArchive(t, cpioTorture(t)...)
	fmt.Fprintf(&b, "torture: sha256:%x %d\n", sha256.Sum256(all), len(all))
	file := filepath.Join("testdata", "cpio.golden")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, want := strings.SplitAfter(b.String(), "\n"), strings.SplitAfter(string(golden), "\n")
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("the bytes of %s have changed:\n got %swant %s"+
				"if that is meant, change its name and run: go test ./compose/rootfs -run Golden -update", rootfs.Cpio{}.Name(), got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d", len(got), len(want))
	}
}

// TestCpioEncodingsConcatenate holds the law of a codec.
func TestCpioEncodingsConcatenate(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		entries := randomTree(t, r, 40)
		whole := cpioArchive(t, entries...)
		cut := r.IntN(len(entries))
		joined := append(cpioRun(t, entries[:cut]...), cpioArchive(t, entries[cut:]...)...)
		if !bytes.Equal(joined, whole) {
			t.Fatal("two runs laid one after the other are not the run of both")
		}
		for _, e := range entries {
			one, err := rootfs.Cpio{}.AppendHeader([]byte("kept"), e)
			if err != nil || !bytes.HasPrefix(one, []byte("kept")) {
				t.Fatalf("AppendHeader does not append: %v", err)
			}
			if one = one[4:]; len(one)%4 != 0 || !bytes.HasPrefix(cpioRun(t, e), one) {
				t.Fatalf("%q: a header of %d bytes that differs with what stands before it", e.Path, len(one))
			}
		}
	}
}

// TestCpioInodes holds that two entries have one inode if and only if they are
// names of one file, whoever encodes them.
func TestCpioInodes(t *testing.T) {
	files := map[string]string{} // by inode and device
	for seed := range uint64(20) {
		for _, e := range randomTree(t, rand.New(rand.NewPCG(seed, 3)), 60) {
			h := cpioRun(t, e)
			id, file := string(h[6:14])+string(h[62:78]), cmp.Or(e.First, e.Path)
			if other, ok := files[id]; ok && other != file {
				t.Fatalf("%q and %q have the inode %s", other, file, id)
			}
			if strings.HasPrefix(id, "00000000") {
				t.Fatalf("%q has no inode", file)
			}
			files[id] = file
		}
	}
	ids := map[string]bool{}
	for _, file := range files {
		ids[file] = true
	}
	if len(ids) != len(files) || len(ids) < 1000 {
		t.Fatalf("%d inodes for %d files", len(files), len(ids))
	}
}

func TestCpioRefuses(t *testing.T) {
	long := strings.Repeat("l", 4096)
	tests := []struct {
		name string
		e    rootfs.Entry
		want string
	}{
		{"5 GiB", rootfs.Entry{Path: "a", Type: rootfs.File, Size: 5 << 30, Body: zeros(5 << 30)}, "size 5368709120 is over 4294967295, the largest that cpio can say"},
		{"4 GiB", rootfs.Entry{Path: "a", Type: rootfs.File, Size: 4 << 30, Body: zeros(4 << 30)}, "size 4294967296 is over 4294967295, the largest that cpio can say"},
		{"size", rootfs.Entry{Path: "a", Type: rootfs.File, Size: -1}, "size -1 is negative"},
		{"long path", rootfs.Entry{Path: long, Type: rootfs.Dir}, "a path of 4096 bytes is over 4095"},
		{"long target", rootfs.Entry{Path: "a", Type: rootfs.Symlink, Link: long}, "a link target of 4096 bytes is over 4095"},
		{"no target", rootfs.Entry{Path: "a", Type: rootfs.Symlink}, "a symbolic link without a target"},
		{"NUL in path", rootfs.Entry{Path: "a\x00b", Type: rootfs.File}, `a NUL byte in the path "a\x00b"`},
		{"NUL in target", rootfs.Entry{Path: "a", Type: rootfs.Symlink, Link: "\x00"}, `a NUL byte in the link target "\x00"`},
		{"hard link", rootfs.Entry{Path: "a", Type: rootfs.HardLink, Link: "b"}, "cpio has no type for: hard link"},
		{"whiteout", rootfs.Entry{Path: "a", Type: rootfs.Whiteout}, "cpio has no type for: whiteout"},
		{"opaque", rootfs.Entry{Path: "a", Type: rootfs.Opaque}, "cpio has no type for: opaque whiteout"},
		{"no type", rootfs.Entry{Path: "a"}, "cpio has no type for: entry of no type"},
		{"trailer", rootfs.Entry{Path: "TRAILER!!!", Type: rootfs.File}, "the name TRAILER!!! ends an archive"},
		{"root", rootfs.Entry{Type: rootfs.Dir}, "the root has no entry in an initramfs"},
		{"mode", rootfs.Entry{Path: "a", Type: rootfs.File, Mode: 0o100644}, "mode 0100644 has other bits than 07777"},
		{"no such device", rootfs.Entry{Path: "a", Type: rootfs.Block, Minor: 1 << 20}, "device 0,1048576 is over 4095,1048575, the last that Linux has"},
		{"further name of one", rootfs.Entry{Path: "b", Type: rootfs.File, First: "a", Nlink: 1}, `a further name of "a", which has only one`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := rootfs.Cpio{}.AppendHeader([]byte("kept"), &tt.e)
			if err == nil || err.Error() != tt.want {
				t.Fatalf("error %v, want %s", err, tt.want)
			}
			if string(b) != "kept" {
				t.Fatalf("it left %q", b)
			}
		})
	}
}

// TestCpioTakes is about what lies just below the limits.
func TestCpioTakes(t *testing.T) {
	long := strings.Repeat("l", 4095)
	for _, e := range []*rootfs.Entry{
		{Path: "a", Type: rootfs.File, Size: 1<<32 - 1, Body: zeros(1<<32 - 1)},
		{Path: "b", Type: rootfs.File, Size: 1 << 40, First: "a", Nlink: 2},
		{Path: long, Type: rootfs.Symlink, Link: long},
		{Path: "sub/TRAILER!!!", Type: rootfs.File},
		{Path: "TRAILER!!!!", Type: rootfs.File},
		{Path: "c", Type: rootfs.Block, Major: 1<<12 - 1, Minor: 1<<20 - 1, UID: 1<<32 - 1, GID: 1<<32 - 1, Mode: 0o7777},
	} {
		if _, err := (rootfs.Cpio{}).AppendHeader(nil, e); err != nil {
			t.Errorf("%.20s: %v", e.Path, err)
		}
	}
}

func BenchmarkCpioHeader(b *testing.B) {
	const path = "containers/services/nginx/lower/usr/share/doc/libssl3/changelog.Debian.gz"
	for _, bb := range []struct {
		name string
		e    rootfs.Entry
	}{
		{"file", rootfs.Entry{Path: path, Type: rootfs.File, Mode: 0o644, ModTime: rootfs.DefaultModTime, Size: 12345, Nlink: 1}},
		{"further name", rootfs.Entry{Path: path + ".2", Type: rootfs.File, Mode: 0o644, First: path, Nlink: 2}},
		{"symlink", rootfs.Entry{Path: path, Type: rootfs.Symlink, Mode: 0o777, Link: "../libssl1/changelog.Debian.gz"}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var codec rootfs.Codec = rootfs.Cpio{}
			buf := make([]byte, 0, 4096)
			for b.Loop() {
				if _, err := codec.AppendHeader(buf, &bb.e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
