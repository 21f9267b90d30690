package outputs

import (
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
)

// kernelTree is a tree with a kernel, a command line, an init, and what is given.
func kernelTree(t *testing.T, decompressors []string, more ...*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	base := []*rootfs.Entry{
		rootfs.MadeFile("boot/kernel", 0o644, []byte("a kernel")), rootfs.MadeFile("boot/cmdline", 0o644, nil),
		rootfs.MadeFile("init", 0o755, []byte("an init")),
	}
	for _, e := range more {
		if e.Origin == "" {
			e.Origin = "init[0] x"
		}
	}
	tree, _, err := rootfs.NewTree([]rootfs.Segment{{Name: "kernel", Entries: rootfs.Sort(base)}, {Name: "init[0] x", Files: true, Entries: rootfs.Sort(more)}},
		rootfs.TreeOptions{Decompressors: decompressors})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestCheckBoot(t *testing.T) {
	large := func(size int64) *rootfs.Entry { return &rootfs.Entry{Path: "srv/large", Type: rootfs.File, Size: size} }
	config := func(text string) *rootfs.Entry { return rootfs.MadeFile("boot/config-6.1", 0o644, []byte(text)) }
	capable := func(path string) *rootfs.Entry {
		return &rootfs.Entry{Path: path, Type: rootfs.File, Xattrs: []rootfs.Xattr{{Name: "security.capability", Value: "x"}, {Name: "user.a", Value: "y"}}}
	}
	const lost = ": a cpio archive holds no extended attributes; they go into /.compose/xattrs, and this image's init does not say that it applies them"
	tests := []struct {
		name    string
		tree    *rootfs.Tree
		wish    Compression
		notices []string
		faults  []string
	}{
		{"right", kernelTree(t, nil), "", nil, nil},
		{"no kernel", treeOf(t, rootfs.MadeFile("init", 0o755, []byte("x"))), "", nil, []string{"the image has no kernel"}},
		{"no init", treeOf(t, rootfs.MadeFile("boot/kernel", 0o644, []byte("x")), rootfs.MadeFile("boot/cmdline", 0o644, []byte("a b"))), "", []string{"there is no /init for the kernel to run"}, nil},
		{"another init", treeOf(t, rootfs.MadeFile("boot/kernel", 0o644, []byte("x")), rootfs.MadeFile("boot/cmdline", 0o644, []byte("rdinit=/x"))), "", nil, nil},
		{"4 GiB - 1", kernelTree(t, nil, large(1<<32-1)), "", nil, nil},
		{"4 GiB", kernelTree(t, nil, large(1<<32)), "", nil, []string{"srv/large (init[0] x): "}},
		{"5 GiB", kernelTree(t, nil, large(5<<30)), Uncompressed, nil, []string{"srv/large (init[0] x): "}},
		{"a 5 GiB file that is left out", kernelTree(t, nil, &rootfs.Entry{Path: "boot/large", Type: rootfs.File, Size: 5 << 30}), "", nil, nil},
		{"a long name", kernelTree(t, nil, &rootfs.Entry{Path: strings.Repeat("a", 255) + strings.Repeat("/"+strings.Repeat("b", 255), 15) + "/ccc", Type: rootfs.Fifo}), "", nil, []string{"a"}},
		{"ours", kernelTree(t, nil, rootfs.MadeFile(".compose/memory", 0o644, []byte("1"))), "", nil, []string{".compose/memory (init[0] x): the initramfs keeps files of its own there"}},
		{"a folder of ours", kernelTree(t, nil, &rootfs.Entry{Path: ".compose", Type: rootfs.Dir, Mode: 0o700}), "", nil, []string{".compose (init[0] x): the initramfs keeps files of its own there"}},
		{"no such device", kernelTree(t, nil, &rootfs.Entry{Path: "dev/x", Type: rootfs.Char, Major: 4096}), "", nil, []string{"dev/x (init[0] x): device 4096,0 is over 4095,1048575"}},
		{"a package that says xz", kernelTree(t, []string{"xz"}), "", []string{"the kernel unpacks neither gzip nor zstd: the initramfs is not compressed"}, nil},
		{"attributes", kernelTree(t, nil, capable("bin/a"), capable("bin/b")), "", []string{"init[0] x: security.capability, user.a of bin/a and of 1 more" + lost}, nil},
		{"attributes and our init", kernelTree(t, nil, capable("bin/a"), rootfs.MadeFile("usr/lib/compose/init", 0o644, nil)), "", nil, nil},
		{"no ucode", kernelTree(t, nil, rootfs.MadeFile("boot/ucode.cpio", 0o644, []byte("\x1f\x8bzipped"))), "", []string{"boot/ucode.cpio (init[0] x): is no uncompressed cpio archive, at which the kernel would give up: it does not go in front of the initramfs"}, nil},
		{"ucode", kernelTree(t, nil, rootfs.MadeFile("boot/ucode.cpio", 0o644, []byte("070701..."))), "", nil, nil},
		{"a package without zstd", kernelTree(t, []string{"gzip", "xz"}), Zstd, nil, []string{"the kernel cannot unpack zstd: the kernel's package says gzip, xz"}},
		{"a configuration without zstd", kernelTree(t, nil, config("CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_GZIP=y\n# CONFIG_RD_ZSTD is not set\n")), Zstd, nil, []string{"the kernel cannot unpack zstd: boot/config-6.1 says gzip"}},
		{"a configuration without any", kernelTree(t, nil, config("CONFIG_BLK_DEV_INITRD=y\n")), Gzip, nil, []string{"the kernel cannot unpack gzip: boot/config-6.1 says nothing"}},
		{"none is always right", kernelTree(t, []string{"xz"}), Uncompressed, nil, nil},
		{"a bad name", kernelTree(t, nil, &rootfs.Entry{Path: "a\x00", Type: rootfs.Fifo}), "", nil, []string{"a\x00 (init[0] x): "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			notices, err := KernelInitrd{}.Check(tt.tree, Options{Name: "image", Compress: tt.wish})
			var got []string
			for _, n := range notices {
				got = append(got, n.Text)
			}
			if d := cmp.Diff(tt.notices, got); d != "" {
				t.Errorf("notices (-want +got):\n%s", d)
			}
			var faults []string
			if err != nil {
				faults = strings.Split(err.Error(), "\n")
			}
			if len(faults) != len(tt.faults) {
				t.Fatalf("faults %q, want %q", faults, tt.faults)
			}
			for i, f := range faults {
				if !strings.HasPrefix(f, tt.faults[i]) {
					t.Errorf("fault %q, want %q", f, tt.faults[i])
				}
			}
		})
	}
	if _, err := (TarKernelInitrd{}).Check(treeOf(t), Options{Name: "image"}); !errors.Is(err, ErrNoKernel) {
		t.Errorf("an empty tree: %v", err)
	}
}

func TestCompression(t *testing.T) {
	config := rootfs.MadeFile("boot/config-6.1", 0o644, []byte("CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\n"))
	tests := []struct {
		name string
		tree *rootfs.Tree
		want Compression
	}{
		{"nobody says", kernelTree(t, nil), Gzip},
		{"the package says", kernelTree(t, []string{"xz", "zstd", "gzip"}), Zstd},
		{"the package says what nobody writes", kernelTree(t, []string{"xz"}), Uncompressed},
		{"the configuration says", kernelTree(t, nil, config), Zstd},
		{"the package before the configuration", kernelTree(t, []string{"gzip"}, config), Gzip},
	}
	for _, tt := range tests {
		b, err := readBoot(tt.tree)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.compression(""); got != tt.want || err != nil {
			t.Errorf("%s: %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

// wearing is content that can be read so many times.
type wearing struct {
	io.ReaderAt
	left int
}

func (w *wearing) ReadAt(p []byte, off int64) (int, error) {
	if w.left--; w.left < 0 {
		return 0, errDisk
	}
	return w.ReaderAt.ReadAt(p, off)
}

// TestBootCannotBeRead holds that a file which says how to boot, and cannot be
// read, is an error, whenever that is: never other bytes.
func TestBootCannotBeRead(t *testing.T) {
	contents := map[string]string{
		"boot/cmdline": "root=/dev/ram0", "boot/ucode.cpio": "070701...",
		"boot/config-6.1": "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\n",
	}
	for path, content := range contents {
		for _, f := range []Format{KernelInitrd{}, TarKernelInitrd{}} {
			for left := range 10 {
				tree := kernelTree(t, nil)
				if e := tree.At(path); e == nil {
					tree = kernelTree(t, nil, rootfs.MadeFile(path, 0o644, []byte(content)))
				}
				e := tree.At(path)
				if e.Size == 0 { // of kernelTree
					e.Size, e.Digest = int64(len(content)), sha256.Sum256([]byte(content))
				}
				e.Body = &wearing{strings.NewReader(content), left}
				_, err := f.Check(tree, Options{Name: "image"})
				if err == nil {
					err = f.Write(t.Context(), tree, Env{
						Options: Options{Name: "image"}, Sink: &memSink{files: map[string]*memFile{}}, Cache: &memCache{},
						Progress: untold, Notify: func(Notice) {},
					})
				}
				if err == nil {
					if left == 0 {
						t.Errorf("%s: %s was never read", f.Name(), path)
					}
					break
				}
				if !errors.Is(err, errDisk) {
					t.Errorf("%s, %s read %d times: %v", f.Name(), path, left, err)
				}
			}
		}
	}
}
