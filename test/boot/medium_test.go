package boot

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/test/boot/list"
	"github.com/composeos/compose/test/fixture"
)

// media are two systems on all media, "it" and "other".
type media struct {
	dir            string
	memory         int // MiB that a machine has
	epoch          int64
	kernel, initrd []byte
}

// title is that of the boot menu's entry.
const title = "Boot it, 'quoted' & all"

// cmdlineOf is the command line of one of the systems.
func (m *media) cmdlineOf(name string) string { return cmdline + " " + list.Look + " this=" + name }

// media composes two small systems onto all media: a kernel as Debian has signed it,
// the init that looks, and modules to see more with.
func (l *lab) media(t *testing.T) *media {
	t.Helper()
	needFirmware(t)
	loaders := fixture.NeedBootloader(t)
	all := workloadKernel(t, l.workload)
	m := &media{dir: l.path("media"), memory: 512, kernel: fileOf(t, all, "kernel")}
	none, err := archive(nil)
	if err != nil {
		t.Fatal(err)
	}
	writeImages(t, l.path("images"), map[string]v1.Image{
		"kernel":  imageOf(t, empty.Image, []item{file("kernel", 0o644, m.kernel), file("kernel.tar", 0o644, none)}),
		"modules": imageOf(t, empty.Image, modulesOf(t, fileOf(t, all, "kernel.tar"))),
	})
	for _, name := range []string{"it", "other"} {
		l.write(t, name+".yml", fmt.Appendf(nil, `kernel: {image: "oci:images:kernel", cmdline: %q}
bootloader: {image: "oci:%s", title: %q}
init: ["oci:images:modules"]
files:
  - {path: %[4]s, source: %[4]s, mode: "0555"}
`, m.cmdlineOf(name), loaders, title, list.Checker))
		l.run(t, "build", "-arch", "amd64", "-accept-unsigned", "*", "-dir", m.dir,
			"-format", "iso,uki,raw-efi,kernel+initrd", l.path(name+".yml"))
	}
	m.initrd = m.read(t, "it-initrd.img")
	var lock struct{ Epoch int64 }
	if err := json.Unmarshal(fileIn(t, l.path("it.lock.json")), &lock); err != nil {
		t.Fatal(err)
	}
	m.epoch = lock.Epoch
	return m
}

// modulesOf returns the modules that the init needs, out of those of a kernel:
// of disks and CDs, filesystems and what they need, and the firmware's variables.
func modulesOf(t *testing.T, archive []byte) []item {
	t.Helper()
	wanted := strings.Fields(`virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
		scsi_common scsi_mod libata ata_piix cdrom sr_mod sd_mod isofs fat vfat nls_cp437 nls_ascii efivarfs`)
	items := []item{dir(list.Modules, 0o755)}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Base(h.Name)
		if bare, ok := strings.CutSuffix(name, ".ko"); !ok || !slices.Contains(wanted, bare) {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, file(path.Join(list.Modules, name), 0o444, content))
	}
	return items
}

func (m *media) read(t *testing.T, name string) []byte {
	t.Helper()
	return fileIn(t, filepath.Join(m.dir, name))
}

func fileIn(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// image is what a machine can be given: the image of a medium, or for a UKI a
// folder in which firmware looks for one (UEFI 2.10, 3.5.1.1).
func (m *media) image(t *testing.T, name string) string {
	t.Helper()
	if path.Ext(name) != ".efi" {
		return filepath.Join(m.dir, name)
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "EFI", "BOOT"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(m.dir, name), filepath.Join(root, "EFI", "BOOT", "BOOTX64.EFI")); err != nil {
		t.Fatal(err)
	}
	return root
}

// damage copies an image, but one byte of the kernel is another in the copy.
func (m *media) damage(t *testing.T, name, to string) {
	t.Helper()
	const at, around = 300000, 512
	image := m.read(t, name)
	piece := m.kernel[at-around : at+around]
	if n := bytes.Count(image, piece); n != 1 {
		t.Fatalf("the kernel is %d times on %s, want 1", n, name)
	}
	image[bytes.Index(image, piece)+around] ^= 1
	if err := os.WriteFile(filepath.Join(m.dir, to), image, 0o600); err != nil {
		t.Fatal(err)
	}
}

// options are what QEMU needs to know of a machine that starts from an image.
func (m *media) options(t *testing.T, f firmware, p port, image string) []string {
	t.Helper()
	return slices.Concat([]string{"-m", fmt.Sprint(m.memory)}, f.options(t), p.options(m.image(t, image)))
}

// sight is what the init has seen.
func (c console) sight(t *testing.T) (s list.Sight) {
	t.Helper()
	verdict, rest := c.verdict(t)
	if verdict != list.Started {
		t.Fatalf("%q %s, want %s\n%s", verdict, rest, list.Started, c.tail())
	}
	if err := json.Unmarshal([]byte(rest), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// compare tests that the kernel reads what has to be on the disk that is the medium,
// and on its partitions; and nothing where it has no driver for it.
func (m *media) compare(t *testing.T, image, device string, volumes []list.Volume) {
	t.Helper()
	got := map[string]map[string]list.Path{}
	for _, v := range volumes {
		paths := map[string]list.Path{}
		for _, p := range v.Paths {
			if id := idName(p); id != "" {
				p.Name = id
			}
			if p.Name != kernelPath && p.Name != initrdPath {
				p.Size, p.Digest = 0, [32]byte{}
			}
			paths[p.Name] = p
		}
		got[v.Device] = paths
	}
	if diff := cmp.Diff(m.volumes(image, device), got); diff != "" {
		t.Errorf("the kernel reads something else than it should (-want +got):\n%s", diff)
	}
}

// idName is the name here of the file by which GRUB finds its volume, which is named
// for the volume's content.
func idName(p list.Path) string {
	id, ok := strings.CutPrefix(p.Name, ".disk/")
	if !ok || len(id) != 8 || p.Digest != sha256.Sum256([]byte(id+"\n")) {
		return ""
	}
	return ".disk/ID"
}

// Where the files are whose content is compared.
const (
	kernelPath = "boot/kernel"
	initrdPath = "boot/initrd.img"
)

// volumes are the filesystems that have to be on a medium, by device.
func (m *media) volumes(image, device string) map[string]map[string]list.Path {
	system := []string{kernelPath, initrdPath, "boot/grub/grub.cfg"}
	efi := []string{"EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi", "EFI/BOOT/mmx64.efi", "boot/grub/grub.cfg"}
	iso := append([]string{
		".disk/ID", ".disk/info", "efi.img", "isolinux/isolinux.bin", "isolinux/isolinux.cfg", "isolinux/ldlinux.c32",
	}, system...)
	all := map[string]map[string]list.Path{}
	switch {
	case device == "":
	case image == "it.img":
		all[device+"1"] = m.fat(append(efi, system...))
	default:
		all[device] = m.paths(0o444, 0o555, iso)
		if device != "sr0" {
			all[device+"1"] = m.fat(efi)
		}
	}
	return all
}

// fat are files of a filesystem that has no modes, these are the kernel's, and only
// even seconds.
func (m *media) fat(files []string) map[string]list.Path {
	all := m.paths(0o755, 0o755, files)
	for name, p := range all {
		p.MTime &^= 1
		all[name] = p
	}
	return all
}

// paths are files with their folders, by name; size and digest are those of kernel
// and initramfs alone.
func (m *media) paths(fileMode, dirMode uint32, files []string) map[string]list.Path {
	all := map[string]list.Path{}
	for _, name := range files {
		p := list.Path{Name: name, Type: unix.S_IFREG, Mode: fileMode, MTime: m.epoch}
		if content := map[string][]byte{kernelPath: m.kernel, initrdPath: m.initrd}[name]; content != nil {
			p.Size, p.Digest = int64(len(content)), sha256.Sum256(content)
		}
		all[name] = p
		for d := path.Dir(name); d != "."; d = path.Dir(d) {
			all[d] = list.Path{Name: d, Type: unix.S_IFDIR, Mode: dirMode, MTime: m.epoch}
		}
	}
	return all
}
