package main

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/composeos/compose/test/fixture"
)

// torturePaths are what volumes have been seen to stumble over, in a user's tree:
// names of all lengths, names that are one name in 8.3, and folders far deeper than
// ISO 9660 allows.
func torturePaths() []string {
	all := []string{"a", "with space", ";1", "trailing.", ".hidden", "collision-one.txt", "collision-two.txt", "COLLISION-ONE.TXT", "collis~1.txt", "empty"}
	for _, n := range []int{100, 135, 136, 137, 255} {
		all = append(all, strings.Repeat("n", n))
	}
	for i := range 20 {
		all = append(all, strings.Repeat("deep/", i)+"deep-file")
	}
	return all
}

// tortureKernel is a kernel that says what it is
// (Documentation/arch/x86/boot.rst, kernel_version).
func tortureKernel() string {
	b := make([]byte, 0x400)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x300-0x200)
	copy(b[0x300:], "6.1.0-readers (nobody@nowhere) #1 SMP")
	return string(b)
}

// tortureSystem writes a system of such a tree, with microcode, a kernel that has a
// release, and boot loaders with a stub that says that it is of a systemd that knows
// nothing of microcode. It returns the paths of its manifests and the boot loaders' files.
func tortureSystem(t *testing.T, dir string) (manifest, boot string, loader map[string]string) {
	t.Helper()
	loader = loaderFiles(t, fixture.NeedBootloader(t))
	const stub = "linuxx64.efi.stub"
	if !strings.Contains(loader[stub], "systemd-stub 257.") {
		t.Fatal("the stub is of another systemd than 257")
	}
	loader[stub] = strings.Replace(loader[stub], "systemd-stub 257.", "systemd-stub 255.", 1)
	cpio := []newcEntry{}
	for i, p := range microcodePaths() {
		cpio = append(cpio, newcEntry{name: p, mode: 0o040755, nlink: 2, ino: uint32(i + 1)})
	}
	cpio[len(cpio)-1].mode, cpio[len(cpio)-1].nlink, cpio[len(cpio)-1].data = 0o100644, 1, "microcode" // of no multiple of 4 bytes
	ucode := string(newc(append(cpio, newcEntry{name: newcTrailer, nlink: 1}))) + "\x00\x00"
	kernel := []made{regular("kernel", tortureKernel()), regular("ucode.cpio", ucode)}
	var loaders, tree []made
	for name, content := range loader {
		loaders = append(loaders, regular(name, content))
	}
	seen := map[string]bool{}
	for _, p := range torturePaths() {
		for i := range p {
			if p[i] == '/' && !seen[p[:i]] {
				seen[p[:i]] = true
				tree = append(tree, made{tar.Header{Typeflag: tar.TypeDir, Name: p[:i], Mode: 0o755, ModTime: time.Unix(randomTime, 0)}, ""})
			}
		}
		content := p + "\n"
		if p == "empty" {
			content = ""
		}
		tree = append(tree, regular(p, content))
	}
	s := &system{
		manifest: "kernel: {image: \"oci:oci:kernel\", cmdline: console=ttyS0, ucode: ucode.cpio, tar: none}\ninit: [\"oci:oci:tree\"]\n",
		dirs:     map[string]map[string]int64{},
	}
	for name, entries := range map[string][]made{"kernel": kernel, "tree": tree, "loader": loaders} {
		s.images = append(s.images, randomImage{name: name, layers: []randomLayer{{entries: entries}}})
	}
	if err := os.Mkdir(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	boot = filepath.Join(dir, "boot.yml")
	if err := os.WriteFile(boot, []byte("bootloader: {image: \"oci:oci:loader\", title: \"Readers' 1.0\", timeout: 3}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "m.yml"), boot, loader
}

// TestMediaReadersOfTorture gives media of such a system to all readers, and the
// initramfs that is on them to all readers of one.
func TestMediaReadersOfTorture(t *testing.T) {
	needMediaReaders(t)
	c := newComposer(t)
	dir := filepath.Join(c.dir, "torture")
	manifest, boot, loader := tortureSystem(t, dir)
	m := c.media(t, manifest, boot)
	m.loader, m.cmdline, m.uname = loader, "console=ttyS0", "6.1.0-readers"
	m.read(t)
	for name, cut := range map[string][]string{
		"iso":     script(`bsdtar -xOf "$1" boot/initrd.img >initrd.img`, m.file(".iso")),
		"raw-efi": {"mcopy", "-i", m.esp(t, m.file(".img")), "::boot/initrd.img", "initrd.img"},
	} {
		made := m.initramfs(t, name, cut)
		for _, p := range torturePaths() {
			if made.tree.entries[p] == nil {
				t.Errorf("there is no %.50q in the tree", p)
			}
		}
		for _, r := range made.initramfsReadings("zstd") {
			t.Run(name+"'s "+r.name, func(t *testing.T) {
				t.Parallel()
				noFaults(t, r.read(t))
			})
		}
	}
}

// splitUcode takes the microcode and what is behind it apart, as a stub has them that
// knows of microcode.
func (m *media) splitUcode(t *testing.T, ucode string) {
	t.Helper()
	m.ucode, m.behind = filepath.Join(m.work, "ucode.cpio"), filepath.Join(m.work, "behind.img")
	b, err := os.ReadFile(m.file("-initrd.img"))
	if err != nil {
		t.Fatal(err)
	}
	padding := -len(ucode) & 3
	behind, ok := bytes.CutPrefix(b, append([]byte(ucode), make([]byte, padding)...))
	if !ok || ucode == "" {
		t.Fatalf("the initramfs does not begin with the microcode and %d zeros", padding)
	}
	for name, data := range map[string][]byte{m.ucode: []byte(ucode), m.behind: behind} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// initramfs is what a reader cuts out of a medium, to be read as what compose made.
func (m *media) initramfs(t *testing.T, name string, cut []string) *composed {
	t.Helper()
	made := &composed{dir: filepath.Join(m.work, name), name: m.name, how: []string{"zstd"}, ucode: true, least: 40, members: 1, work: m.work}
	if err := os.MkdirAll(filepath.Join(made.dir, "zstd"), 0o711); err != nil {
		t.Fatal(err)
	}
	reader{dir: made.dir, args: cut}.run(t)
	if err := os.Rename(filepath.Join(made.dir, "initrd.img"), made.file("zstd", "-initrd.img")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(m.file(".tar"), made.file("zstd", ".tar")); err != nil {
		t.Fatal(err)
	}
	made.load(t)
	return made
}
