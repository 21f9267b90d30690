package outputs

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/composeos/compose/compose/rootfs"
)

// ucode is the beginning of an archive, as far as a format looks.
var ucode = string(rootfs.Cpio{}.Trailer()) + "!"

// bootTree is smallTree with what a machine boots with, and a file whose first
// name is left out of an initramfs.
func bootTree(t testing.TB, more ...*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	return newBootTree(t, rootfs.TreeOptions{Arch: "arm64", Variant: "v8"}, nil, more)
}

// treeFor is a bootTree that f can write: with a boot loader, for an amd64 machine,
// where it has to be.
func treeFor(t testing.TB, f Format, more ...*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	switch f.(type) {
	case ISO, RawEFI, UKI:
		return mediumTree(t, more...)
	}
	return bootTree(t, more...)
}

func newBootTree(t testing.TB, o rootfs.TreeOptions, loader, more []*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	file := func(path, content string, inode uint32) *rootfs.Entry {
		e := rootfs.MadeFile(path, 0o644, []byte(content))
		e.Made, e.Inode, e.Origin = false, inode, "kernel acme/kernel"
		return e
	}
	boot := []*rootfs.Entry{
		rootfs.MadeDir("boot", 0o755), file("boot/System.map", "shared", 9), rootfs.MadeFile("boot/cmdline", 0o644, []byte("console=ttyS0")),
		file("boot/kernel", "a kernel", 0), file("boot/ucode.cpio", ucode, 0),
		file("lib/modules/map", "shared", 9), file("lib/modules/map2", "shared", 9),
	}
	system := slices.Collect(smallTree(t).Entries())
	service := append([]*rootfs.Entry{file("containers/services/a/lower/x", "x", 0)}, more...)
	o.Epoch, o.Inputs = 1600000000, rootfs.Digest{1, 2, 3}
	tree, _, err := rootfs.NewTree([]rootfs.Segment{
		{Name: "kernel acme/kernel", Entries: boot},
		{Name: "bootloader acme/loader", Entries: rootfs.Sort(loader)},
		{Name: "init[0] base", Entries: append(system, file("init", "an init", 0))},
		{Name: "services[0] a", Entries: rootfs.Sort(service)},
		{Name: "files", Entries: []*rootfs.Entry{rootfs.MadeFile("etc/motd", 0o600, []byte("hello"))}, Files: true},
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestGolden holds the bytes of every format in every compression.
func TestGolden(t *testing.T) {
	var b strings.Builder
	for _, f := range All() {
		for _, c := range append(Compressions(), "") {
			files := writeAll(t, f, treeFor(t, f), Options{Name: "image", Compress: c}, &memCache{})
			for _, name := range f.Files("image") {
				fmt.Fprintf(&b, "%-17s %-4s %s %d %x\n", f.Name(), c, name, len(files[name]), sha256.Sum256(files[name]))
			}
		}
	}
	file := filepath.Join("testdata", "formats.golden")
	if *update {
		write(t, file, b.String())
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("the bytes have changed (-want +got); if that is meant, run: go test ./outputs -run Golden -update, and say so in CHANGES.md\n%s", d)
	}
}

// TestSameBytes writes the same tree on other numbers of processors, with a cache
// that has all, some or nothing of it.
func TestSameBytes(t *testing.T) {
	for _, f := range All() {
		tree := treeFor(t, f, manyFiles(300, 1)...)
		for _, c := range Compressions() {
			o := Options{Name: "image", Compress: c}
			cache := &memCache{}
			want := writeAll(t, f, tree, o, cache)
			made := len(cache.made)
			if same := writeAll(t, f, tree, o, cache); !equalFiles(want, same) {
				t.Errorf("%s %s: other bytes from a warm cache", f.Name(), c)
			}
			if len(cache.made) != made {
				t.Errorf("%s %s: %d members made again", f.Name(), c, len(cache.made)-made)
			}
			n := 0
			for k := range cache.members {
				if n++; n%2 == 0 {
					delete(cache.members, k)
				}
			}
			for k := range cache.values {
				if n++; n%3 == 0 {
					delete(cache.values, k)
				}
			}
			for _, procs := range []int{1, 8} {
				before := runtime.GOMAXPROCS(procs)
				if same := writeAll(t, f, tree, o, &memCache{}); !equalFiles(want, same) {
					t.Errorf("%s %s: other bytes on %d processors", f.Name(), c, procs)
				}
				if same := writeAll(t, f, tree, o, cache); !equalFiles(want, same) {
					t.Errorf("%s %s: other bytes from a cache with gaps", f.Name(), c)
				}
				runtime.GOMAXPROCS(before)
			}
		}
	}
}

func equalFiles(a, b map[string][]byte) bool {
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			return false
		}
	}
	return len(a) == len(b)
}

// manyFiles are files of one service, of up to 64 KiB and two larger than a run.
func manyFiles(n int, seed uint64) []*rootfs.Entry {
	r := rand.New(rand.NewPCG(seed, 0))
	entries := make([]*rootfs.Entry, n)
	for i := range entries {
		size := r.IntN(64 << 10)
		if i%150 == 7 {
			size = target + r.IntN(1000)
		}
		text := bytes.Repeat(fmt.Appendf(nil, "%d %d\n", i, r.Uint64()), size/20+1)[:size]
		e := rootfs.MadeFile(fmt.Sprintf("containers/services/a/lower/usr/%d/%03d", i/10, i), 0o644, text)
		e.Made, e.Origin = false, "services[0] a"
		entries[i] = e
	}
	return entries
}

// TestCompressedIsPlain undoes every compression.
func TestCompressedIsPlain(t *testing.T) {
	tree := bootTree(t, manyFiles(200, 2)...)
	const initrd = "image-initrd.img"
	name := func(c Compression) []byte {
		return writeAll(t, KernelInitrd{}, tree, Options{Name: "image", Compress: c}, &memCache{})[initrd]
	}
	skip := (len(ucode) + 3) &^ 3
	plain := name(Uncompressed)
	if !strings.HasPrefix(string(plain), ucode) {
		t.Fatal("the microcode is not in front")
	}
	for _, c := range []Compression{Gzip, Zstd} {
		got := decompress(t, c, name(c)[skip:])
		// The memory that is needed hangs on the compression.
		if a, b := withoutMemory(got), withoutMemory(plain[skip:]); !bytes.Equal(a, b) {
			t.Errorf("%s: %d bytes are other than the %d uncompressed", c, len(a), len(b))
		}
	}
}

// withoutMemory cuts out the file that says how much memory is needed.
func withoutMemory(archive []byte) []byte {
	at := bytes.Index(archive, []byte(memoryPath))
	end := at + bytes.IndexByte(archive[at:], '\n')
	return slices.Concat(archive[:at-110], archive[(end+4)&^3:])
}

func decompress(t *testing.T, c Compression, b []byte) []byte {
	t.Helper()
	var r io.Reader
	var err error
	if c == Gzip {
		r, err = gzip.NewReader(bytes.NewReader(b))
	} else {
		r, err = zstd.NewReader(bytes.NewReader(b))
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// TestOneFileChanged counts what is made again where one file is another.
func TestOneFileChanged(t *testing.T) {
	for _, f := range []Format{KernelInitrd{}, OCI{}} {
		cache := &memCache{}
		files := manyFiles(2000, 3)
		writeAll(t, f, bootTree(t, files...), Options{Name: "image"}, cache)
		all := len(cache.made)
		changed := *files[1000]
		changed.Body, changed.Digest = bytes.NewReader(make([]byte, changed.Size)), sha256.Sum256(make([]byte, changed.Size))
		files[1000] = &changed
		cache.made = nil
		writeAll(t, f, bootTree(t, files...), Options{Name: "image"}, cache)
		if all < 15 || len(cache.made) != 1 {
			t.Errorf("%s: %d members of %d were made again, want 1 of at least 15", f.Name(), len(cache.made), all)
		}
	}
}

// TestRemembered shows that a hash goes on where the beginning is known, and that
// what cannot be understood in the cache is worked out.
func TestRemembered(t *testing.T) {
	big := rootfs.MadeFile("containers/services/a/lower/usr/big", 0o644, bytes.Repeat([]byte("compose\n"), markDistance/8+1))
	big.Made = false
	cache := &memCache{}
	o := Options{Name: "image", Compress: Uncompressed}
	writeAll(t, Docker{}, bootTree(t, big), o, cache)
	marks := 0
	for key, value := range cache.values {
		if len(value) != 32 {
			marks++
			continue
		}
		delete(cache.values, key) // every sum; writeAll compares what the states lead to
	}
	if marks == 0 {
		t.Fatal("no state of a hash was remembered")
	}
	want := writeAll(t, Docker{}, bootTree(t, big), o, cache)
	for key := range cache.values {
		cache.values[key] = []byte("not a state")
	}
	if got := writeAll(t, Docker{}, bootTree(t, big), o, cache); !equalFiles(want, got) {
		t.Error("other bytes")
	}
}
