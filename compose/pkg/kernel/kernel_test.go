package kernel_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/pkg/kernel"
	"github.com/composeos/compose/compose/rootfs"
)

func content(e *rootfs.Entry) io.Reader { return io.NewSectionReader(e.Body, 0, e.Size) }

// files returns what is in a kernel.tar, by path.
func files(t *testing.T, e *rootfs.Entry) map[string]string {
	t.Helper()
	all := map[string]string{}
	for r := tar.NewReader(content(e)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			all[h.Name] = string(b)
		}
	}
}

func TestMake(t *testing.T) {
	const dir = "usr/lib/modules/" + release + "/"
	for _, c := range []struct {
		name    string
		modules []string
		dep     string // modules.dep
		err     string
	}{
		{"none", []string{}, "", ""},
		{"one that needs nothing", []string{"xor"}, "kernel/crypto/xor.ko.gz:\n", ""},
		{"dependencies of dependencies", []string{"virtio-net"}, `kernel/drivers/net/net-failover.ko.xz: kernel/net/core/failover.ko
kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/net/net-failover.ko.xz kernel/net/core/failover.ko
kernel/net/core/failover.ko:
`, ""},
		{"soft dependencies, by name and by alias", []string{"btrfs"}, `kernel/crypto/blake2b_256.ko.xz:
kernel/crypto/crc32c_intel.ko:
kernel/crypto/xor.ko.gz:
kernel/fs/btrfs/btrfs.ko.zst: kernel/crypto/xor.ko.gz kernel/lib/raid6/raid6_pq.ko.xz
kernel/lib/raid6/raid6_pq.ko.xz:
`, ""},
		{"built in", []string{"ext4", "virtio_pci"}, "", ""},
		{"unknown", []string{"virtio_nets", "zzz"}, "", "kernel 6.12.0-test: it has no module virtio_nets: did you mean virtio_net\nit has no module zzz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			made, err := kernel.Make(t.Context(), debian(t), kernel.Options{Modules: c.modules, Workers: 2})
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Fatalf("error %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := files(t, made[1])
			if d := cmp.Diff(c.dep, got[dir+"modules.dep"]); d != "" {
				t.Error(d)
			}
			var want []string
			for line := range strings.Lines(c.dep) {
				want = append(want, line[:strings.IndexByte(line, ':')])
			}
			for _, name := range []string{"alias", "builtin", "builtin.modinfo", "dep", "devname", "order", "softdep", "symbols", "weakdep"} {
				want = append(want, "modules."+name)
			}
			var paths []string
			for path := range got {
				paths = append(paths, strings.TrimPrefix(path, dir))
			}
			slices.Sort(want)
			slices.Sort(paths)
			if d := cmp.Diff(want, paths); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestEntries holds what a caller sees of the two files, and that they are the same
// however many modules are read at once.
func TestEntries(t *testing.T) {
	var first []*rootfs.Entry
	for _, workers := range []int{0, 1, 8} {
		made, err := kernel.Make(t.Context(), debian(t), kernel.Options{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		if len(made) != 2 || made[0].Path != "kernel" || made[1].Path != "kernel.tar" || made[0].Mode != 0o644 {
			t.Fatalf("%+v", made)
		}
		if first == nil {
			first = made
		}
		if made[0].Digest != first[0].Digest || made[1].Digest != first[1].Digest {
			t.Errorf("with %d workers other bytes", workers)
		}
	}
	whole, err := io.ReadAll(content(first[1]))
	if err != nil {
		t.Fatal(err)
	}
	if e := rootfs.MadeFile("", 0, whole); e.Digest != first[1].Digest || e.Size != first[1].Size {
		t.Errorf("%d bytes of %s are called %d of %s", e.Size, e.Digest, first[1].Size, first[1].Digest)
	}
	if err := iotest.TestReader(content(first[1]), whole); err != nil {
		t.Error(err)
	}
	for _, at := range []int64{0, 1, 511, 700, first[1].Size - 1} {
		b := make([]byte, 1)
		if _, err := first[1].Body.ReadAt(b, at); err != nil || b[0] != whole[at] {
			t.Errorf("at %d: %v", at, err)
		}
	}
}

func TestFirmware(t *testing.T) {
	made, err := kernel.Make(t.Context(), debian(t), kernel.Options{Modules: []string{}, Firmware: []*rootfs.Entry{
		rootfs.MadeDir("usr/lib/firmware/rtl_nic", 0o700),
		rootfs.MadeFile("usr/lib/firmware/rtl_nic/a.fw", 0o600, []byte("firmware")),
		rootfs.MadeSymlink("usr/lib/firmware/rtl_nic/b.fw", "a.fw"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for r := tar.NewReader(content(made[1])); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(h.Name, "usr/lib/firmware/") {
			got[h.Name] = h.FileInfo().Mode().String() + " " + h.Linkname
		}
	}
	if d := cmp.Diff(map[string]string{
		"usr/lib/firmware/": "drwxr-xr-x ", "usr/lib/firmware/rtl_nic/": "drwxr-xr-x ",
		"usr/lib/firmware/rtl_nic/a.fw": "-rw-r--r-- ", "usr/lib/firmware/rtl_nic/b.fw": "Lrwxrwxrwx a.fw",
	}, got); d != "" {
		t.Error(d)
	}
}

func TestMakeErrors(t *testing.T) {
	const dir = "usr/lib/modules/" + release
	file := func(path, text string) *rootfs.Entry { return rootfs.MadeFile(path, 0o644, []byte(text)) }
	image := file("boot/vmlinuz-"+release, "k")
	needy := rootfs.MadeFile(dir+"/kernel/needy.ko", 0o644, object{info: []string{"name=needy", "depends=absent"}}.elf())
	torn := rootfs.MadeFile(dir+"/kernel/torn.ko.xz", 0o644, pack(t, ".xz", object{}.elf())[:40])
	for _, c := range []struct {
		name    string
		entries []*rootfs.Entry
		err     string
	}{
		{"no kernel", []*rootfs.Entry{file("boot/config-1", "")}, kernel.ErrNoKernel.Error()},
		{"two kernels", []*rootfs.Entry{file("boot/vmlinuz-1", "k"), image}, "two kernels, 1 and 6.12.0-test"},
		{"no modules", []*rootfs.Entry{image}, "no usr/lib/modules/6.12.0-test among the files"},
		{"another kernel's modules", []*rootfs.Entry{image, file("usr/lib/modules/6.11/modules.order", "")}, "usr/lib/modules/6.11/modules.order is for another kernel"},
		{"two of a name", []*rootfs.Entry{image, file(dir+"/kernel/a-b.ko", ""), file(dir+"/kernel/x/a_b.ko", "")}, "two modules are called a_b"},
		{"a dependency that is not there", []*rootfs.Entry{image, needy}, "kernel/needy.ko needs the module absent"},
		{"no ELF", []*rootfs.Entry{image, file(dir+"/kernel/text.ko", "some text that is long enough for a header, or not quite that long")}, "text.ko: bad magic number"},
		{"empty", []*rootfs.Entry{image, file(dir+"/kernel/empty.ko.xz", "")}, "empty.ko.xz: "},
		{"cut off", []*rootfs.Entry{image, torn}, "torn.ko.xz: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := kernel.Make(t.Context(), c.entries, kernel.Options{}); err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

// tool returns the path of a program.
func tool(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(names[0] + " is not installed")
	}
	t.Skip(names[0] + " is not installed")
	return ""
}

// TestDepmod compares the lines with kmod's, which finds dependencies by symbols.
func TestDepmod(t *testing.T) {
	depmod := tool(t, "depmod", "/usr/sbin/depmod", "/sbin/depmod")
	made, err := kernel.Make(t.Context(), debian(t), kernel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ours := files(t, made[1])
	root := t.TempDir()
	base := "usr/lib/modules/" + release + "/"
	for path, text := range ours {
		if strings.Contains(path, "/kernel/") || strings.Contains(path, "modules.builtin") || strings.HasSuffix(path, "modules.order") {
			file := filepath.Join(root, path)
			if plain, ok := strings.CutSuffix(file, ".gz"); ok { // Debian's kmod is built without it
				file, text = plain, string(objects["crypto/xor.ko.gz"].elf())
			}
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), depmod, "-b", filepath.Join(root, "usr"), release).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"dep", "alias", "softdep", "symbols", "devname"} {
		theirs, err := os.ReadFile(filepath.Join(root, base, "modules."+name))
		if err != nil {
			t.Fatal(err)
		}
		mine := strings.ReplaceAll(ours[base+"modules."+name], ".ko.gz", ".ko")
		if d := cmp.Diff(sortedWords(string(theirs), name == "dep"), sortedWords(mine, name == "dep")); d != "" {
			t.Errorf("modules.%s (-kmod +ours):\n%s", name, d)
		}
	}
}

// sortedWords returns the lines sorted, and the words of each if order means nothing.
func sortedWords(text string, words bool) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if words {
			line = strings.Join(slices.Sorted(strings.FieldsSeq(line)), " ")
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	slices.Sort(lines)
	return lines
}

func TestMicrocode(t *testing.T) {
	file := func(path string, size int) *rootfs.Entry {
		return rootfs.MadeFile("usr/lib/firmware/"+path, 0o644, bytes.Repeat([]byte{0x80 | byte(size)}, size))
	}
	intel := []*rootfs.Entry{file("intel-ucode/06-0f-02", 48), file("intel-ucode/06-0f-06", 64)}
	amd := []*rootfs.Entry{file("amd-ucode/README", 9), file("amd-ucode/a.bin", 37), file("amd-ucode/b.bin", 3), file("amd/sev.sbin", 5)}
	for _, c := range []struct {
		name    string
		entries []*rootfs.Entry
		want    map[string]int // sizes
	}{
		{"both", append(slices.Clone(amd), intel...), map[string]int{"kernel/x86/microcode/AuthenticAMD.bin": 40, "kernel/x86/microcode/GenuineIntel.bin": 112}},
		{"Intel's", intel, map[string]int{"kernel/x86/microcode/GenuineIntel.bin": 112}},
		{"AMD's", amd, map[string]int{"kernel/x86/microcode/AuthenticAMD.bin": 40}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := kernel.Microcode(c.entries, "ucode.cpio")
			if err != nil {
				t.Fatal(err)
			}
			whole, err := io.ReadAll(content(e))
			if err != nil {
				t.Fatal(err)
			}
			if made := rootfs.MadeFile("", 0, whole); e.Path != "ucode.cpio" || e.Digest != made.Digest {
				t.Errorf("%+v", e)
			}
			for _, first := range [][]byte{bytes.Repeat([]byte{0x80 | 37}, 37), bytes.Repeat([]byte{0x80 | 48}, 48)} {
				if at := bytes.Index(whole, first); at >= 0 && at%16 != 0 {
					t.Errorf("microcode begins at %d", at)
				}
			}
			if d := cmp.Diff(c.want, list(t, whole)); d != "" {
				t.Error(d)
			}
		})
	}
	if _, err := kernel.Microcode(nil, "x"); !errors.Is(err, kernel.ErrNoMicrocode) {
		t.Error(err)
	}
}

// list lets cpio read an archive, and returns the sizes of the files.
func list(t *testing.T, archive []byte) map[string]int {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), tool(t, "cpio"), "-i", "-d", "--quiet")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(archive)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sizes := map[string]int{}
	found, err := filepath.Glob(filepath.Join(dir, "kernel/x86/microcode/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		sizes[rel] = int(info.Size())
	}
	return sizes
}
