package outputs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/isodisk"
)

// ISO is the format "iso": an ISO 9660 volume that BIOS and UEFI start, as a CD, as
// a disk and as a USB stick. Kernel and initramfs stand on it once.
type ISO struct{}

// Name implements [Format].
func (ISO) Name() string { return "iso" }

// Summary implements [Format].
func (ISO) Summary() string { return "CD and disk image that boots by BIOS and UEFI" }

// Files implements [Format].
func (ISO) Files(name string) []string { return []string{name + ".iso"} }

// Compresses implements [Format].
func (ISO) Compresses() bool { return true }

// Sized implements [Format].
func (ISO) Sized() bool { return false }

func isoFiles() []string {
	return append(efiFiles(), rootfs.Isolinux, rootfs.Ldlinux, rootfs.Isohdpfx)
}

// Check implements [Format].
func (ISO) Check(t *rootfs.Tree, o Options) ([]Notice, error) {
	notices, err := checkMedium(t, o, checkMenuCmdline, isoFiles()...)
	if e := t.At(rootfs.LoaderDir + "/" + rootfs.Isohdpfx); e != nil && e.Size != bootCode {
		err = errors.Join(err, entryError(e, fmt.Errorf("has %d bytes: want the %d of ISOLINUX's code for a disk", e.Size, bootCode)))
	}
	return notices, err
}

// bootCode is the size of isohdpfx.bin; what it starts follows it.
const bootCode = 432

// Write implements [Format]. The volume has
//
//	/boot/kernel, initrd.img    what is started
//	/boot/grub/grub.cfg         how GRUB starts it
//	/isolinux/…                 ISOLINUX, and how it starts it
//	/efi.img                    a FAT volume with shim and GRUB: the EFI system partition
//	/.disk/info, /.disk/ID      by which GRUB finds the volume
//
// and around it a GUID partition table with the EFI system partition alone.
func (f ISO) Write(ctx context.Context, t *rootfs.Tree, env Env) error {
	m, err := newMedium(ctx, env, t, isoFiles()...)
	if err != nil {
		return err
	}
	defer m.close()
	id := fmt.Sprintf("%08x", m.number("volume"))
	efi, err := m.efiVolume(".disk/" + id)
	if err != nil {
		return err
	}
	var v volume
	v.text(".disk/info", []byte("compose "+id+"\n"))
	v.text(".disk/"+id, []byte(id+"\n"))
	v.stream("efi.img", efi)
	m.addSystem(&v)
	v.text("isolinux/isolinux.cfg", m.menu.isolinux())
	for _, name := range []string{rootfs.Isolinux, rootfs.Ldlinux} {
		data, err := textOf(m.file(name).Entry, maxLoader)
		if err != nil {
			return err
		}
		v.text("isolinux/"+name, []byte(data))
	}
	dir, remove, err := env.Cache.Folder()
	if err != nil {
		return err
	}
	defer remove()
	image, err := isodisk.NewISO(isodisk.ISO{Volume: m.newVolume("volume", &v), BIOS: "isolinux/" + rootfs.Isolinux, EFI: "efi.img"}, dir)
	if err != nil {
		return err
	}
	if err := m.hybrid(image); err != nil {
		return err
	}
	s, err := v.filled(image)
	if err != nil {
		return err
	}
	env.Notify(m.notice())
	return writeFile(ctx, env, f.Files(env.Name)[0], s)
}

// efiVolume is the FAT volume that UEFI starts from. GRUB goes on with what is on the
// volume that has the file marker.
func (m *medium) efiVolume(marker string) (stream, error) {
	var v volume
	v.text("boot/grub/grub.cfg", grubFinder(marker))
	m.addEFI(&v)
	image, err := isodisk.NewFAT(m.newVolume("efi volume", &v), isodisk.SizeFAT(v.files))
	if err != nil {
		return nil, err
	}
	return v.filled(image)
}

// hybrid makes a disk of the volume: a partition table in the blocks before the first
// descriptor, which ISO 9660 leaves free, and code that starts ISOLINUX from where it
// lies, in sectors of 512 bytes.
func (m *medium) hybrid(image *isodisk.Image) error {
	code, err := textOf(m.file(rootfs.Isohdpfx).Entry, bootCode)
	if err != nil {
		return err
	}
	boot := binary.LittleEndian.AppendUint64([]byte(code), uint64(image.Boot/isodisk.Sector))
	table := isodisk.Table{GUID: m.id("disk"), Boot: boot}
	for _, e := range image.Extents {
		if e.Path == "efi.img" {
			table.Partitions = append(table.Partitions, isodisk.Partition{
				Number: 1, Type: isodisk.ESP, GUID: m.id("efi partition"), Name: "EFI system partition", Offset: e.Offset, Size: e.Size,
			})
		}
	}
	return image.Partition(table, isodisk.DiskSize(image.Size))
}
