package contents_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/outputs/contents"
)

// bootable is the system of an amd64 machine, with a boot loader.
func bootable(t testing.TB) *rootfs.Tree {
	t.Helper()
	stub := unified(t)
	sections := 1 // .text alone
	copy(stub[peAt+6:], []byte{byte(sections), 0})
	var loader []*rootfs.Entry
	for name, content := range map[string]string{
		rootfs.Isolinux: strings.Repeat("isolinux", 500), rootfs.Ldlinux: strings.Repeat("ldlinux", 1000), rootfs.Isohdpfx: strings.Repeat("\xeb", 432),
		rootfs.Shim: strings.Repeat("shim", 5000), rootfs.Grub: strings.Repeat("grub", 10001), rootfs.MokUtil: strings.Repeat("mok", 3000),
		rootfs.Stub: string(stub[:1024+512]),
	} {
		e := rootfs.MadeFile(rootfs.LoaderDir+"/"+name, 0o644, []byte(content))
		e.Made = false
		loader = append(loader, e)
	}
	return systemOf(t, rootfs.TreeOptions{Arch: "amd64", Epoch: 1600000000, Inputs: rootfs.Digest{1}, Menu: rootfs.Menu{Title: "It's a test"}}, loader...)
}

// TestReadsMedia is the law for what machines boot from: a tree, written and read
// back, is that tree, started as it should be.
func TestReadsMedia(t *testing.T) {
	tree := bootable(t)
	want := slices.DeleteFunc(slices.Collect(tree.Entries()), func(e *rootfs.Entry) bool { return e.Path == "boot" || rootfs.Below(e.Path, "boot") })
	for _, format := range media() {
		for _, o := range []outputs.Options{{Compress: outputs.Gzip}, {Compress: outputs.Zstd, Size: 100 << 20}} {
			if o.Name = "x"; format != "raw-efi" {
				o.Size = 0
			}
			for name, data := range writtenAs(t, tree, format, o) {
				t.Run(fmt.Sprintf("%s %s", name, o.Compress), func(t *testing.T) {
					img := mustRead(t, data)
					if img.Format != format || img.Size != int64(len(data)) {
						t.Fatalf("%s of %d bytes, want %s of %d", img.Format, img.Size, format, len(data))
					}
					got := slices.DeleteFunc(img.Entries, func(e *rootfs.Entry) bool {
						return e.Origin == "microcode" || e.Path == ".compose" || rootfs.Below(e.Path, ".compose")
					})
					slices.SortFunc(got, func(a, b *rootfs.Entry) int { return rootfs.Compare(a.Path, b.Path) }) // init is first
					ignore := cmpopts.IgnoreFields(rootfs.Entry{}, "Body", "Nlink", "Inode", "Made", "Origin")
					if diff := cmp.Diff(want, got, ignore, cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("entries (-written +read):\n%s", diff)
					}
					if img.Cmdline != "console=ttyS0 quiet" || img.Kernel.Version != "6.1.0 (a@b) #1" || !img.Initramfs.Complete {
						t.Errorf("%q, %+v, %+v", img.Cmdline, img.Kernel, img.Initramfs)
					}
					checkParts(t, img, data)
					checkFiles(t, img, data)
					checkOwn(t, img, tree, o.Size > 0)
				})
			}
		}
	}
}

// checkOwn checks what lies around the system.
func checkOwn(t *testing.T, img *contents.Image, tree *rootfs.Tree, data bool) {
	t.Helper()
	files := map[string]string{"EFI/BOOT/BOOTX64.EFI": rootfs.Shim, "EFI/BOOT/grubx64.efi": rootfs.Grub, "EFI/BOOT/mmx64.efi": rootfs.MokUtil}
	switch img.Format {
	case contents.UKI:
		checkSectionsOf(t, img)
		return
	case contents.ISO:
		checkOwnISO(t, img)
		files["isolinux/isolinux.bin"], files["isolinux/ldlinux.c32"] = "", rootfs.Ldlinux // the first gets a table
	}
	menu := contents.Menu{File: "boot/grub/grub.cfg", Title: "It's a test", Kernel: "boot/kernel", Initrds: []string{"boot/initrd.img"}, Cmdline: "console=ttyS0 quiet"}
	if len(img.Menus) == 0 {
		t.Fatal("no menu")
	}
	if diff := cmp.Diff(menu, img.Menus[0]); diff != "" {
		t.Errorf("menu (-want +got):\n%s", diff)
	}
	table := img.Table
	if table == nil || len(table.Partitions) == 0 || table.Partitions[0].Kind != "EFI system" || !strings.HasPrefix(table.Partitions[0].Holds, "FAT") {
		t.Fatalf("table %+v", table)
	}
	if n := len(table.Partitions); data != (n == 2) || data && (table.Partitions[1].Number != 3 || table.Partitions[1].Holds != "empty") {
		t.Errorf("partitions %+v", table.Partitions)
	}
	for path, name := range files {
		f := findFile(img, path)
		if f == nil || f.Offset < 0 || f.ModTime != tree.Epoch || name != "" && f.Digest != tree.At(rootfs.LoaderDir+"/"+name).Digest {
			t.Errorf("%s: %+v", path, f)
		}
	}
	if f := findFile(img, "boot/kernel"); f == nil || f.Digest != tree.At(rootfs.KernelPath).Digest {
		t.Errorf("kernel %+v", f)
	}
}

func findFile(img *contents.Image, path string) *contents.File {
	for i := range img.Volumes {
		if f := img.Volumes[i].File(path); f != nil {
			return f
		}
	}
	return nil
}

// checkOwnISO checks the volume's own: owners, modes and times, and how it boots.
func checkOwnISO(t *testing.T, img *contents.Image) {
	t.Helper()
	v := &img.Volumes[0]
	if v.Kind != "ISO 9660 with Rock Ridge" || v.Created != "2020-09-13T12:26:40Z" || !img.Table.Code || len(img.Table.Records) != 1 || !img.Table.Records[0].Active {
		t.Errorf("%s of %s, %+v", v.Kind, v.Created, img.Table)
	}
	for _, f := range v.Files {
		mode := map[rootfs.Type]uint32{rootfs.Dir: 0o555, rootfs.File: 0o444}[f.Type]
		if f.Mode != mode || f.UID != 0 || f.GID != 0 || f.ModTime != 1600000000 {
			t.Errorf("%s: %+v", f.Path, f.Entry)
		}
	}
	boots := []contents.BootImage{{Platform: "BIOS", Bootable: true, Path: "isolinux/isolinux.bin"}, {Platform: "EFI", Bootable: true, Path: "efi.img"}}
	if diff := cmp.Diff(boots, img.BootImages, cmpopts.IgnoreFields(contents.BootImage{}, "Offset", "Size")); diff != "" {
		t.Errorf("boot images (-want +got):\n%s", diff)
	}
	if len(img.Menus) != 2 || img.Menus[1].Cmdline != img.Menus[0].Cmdline || img.Menus[1].Kernel != img.Menus[0].Kernel {
		t.Errorf("menus %+v", img.Menus)
	}
	if len(img.Volumes) != 2 || img.Volumes[1].Name != "efi.img" || img.Volumes[1].Offset != v.File("efi.img").Offset {
		t.Errorf("%d volumes", len(img.Volumes))
	}
}

// checkSectionsOf checks what a unified kernel image says of itself.
func checkSectionsOf(t *testing.T, img *contents.Image) {
	t.Helper()
	p := img.Program
	if p == nil || p.Timestamp != 0 || p.Uname != "6.1.0" || !strings.Contains(p.OSRelease, `PRETTY_NAME="It's a test"`) || !strings.HasPrefix(p.SBAT, "sbat,1,") || p.Signed {
		t.Errorf("%+v", p)
	}
	for _, name := range []string{".text", ".osrel", ".cmdline", ".uname", ".sbat", ".linux", ".initrd"} {
		if !slices.ContainsFunc(img.Parts, func(p contents.Part) bool { return p.Name == name }) {
			t.Errorf("no section %s", name)
		}
	}
}
