package outputs

import (
	"context"
	"errors"
	"fmt"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/isodisk"
)

// RawEFI is the format "raw-efi": a disk with an EFI system partition that holds boot
// loader, kernel and initramfs, and perhaps a partition for data.
type RawEFI struct{}

// Name implements [Format].
func (RawEFI) Name() string { return "raw-efi" }

// Summary implements [Format].
func (RawEFI) Summary() string { return "disk image that boots by UEFI; -size makes room for data" }

// Files implements [Format].
func (RawEFI) Files(name string) []string { return []string{name + ".img"} }

// Compresses implements [Format].
func (RawEFI) Compresses() bool { return true }

// Sized implements [Format].
func (RawEFI) Sized() bool { return true }

// Check implements [Format].
func (RawEFI) Check(t *rootfs.Tree, o Options) ([]Notice, error) {
	return checkMedium(t, o, checkMenuCmdline, efiFiles()...)
}

// ErrDiskSize is what a build says of a disk that is to be too small.
var ErrDiskSize = errors.New("the disk is too small")

// firstPartition is where the first partition begins, bytes: where everybody has it.
const firstPartition = 1 << 20

// Numbers of partitions. Slot 2 is left free for a second system
// (docs/decisions/0016-bootable-media.md).
const (
	efiPartition  = 1
	dataPartition = 3
)

// Write implements [Format].
func (f RawEFI) Write(ctx context.Context, t *rootfs.Tree, env Env) error {
	m, err := newMedium(ctx, env, t, efiFiles()...)
	if err != nil {
		return err
	}
	defer m.close()
	var v volume
	m.addEFI(&v)
	m.addSystem(&v)
	esp, err := isodisk.NewFAT(m.newVolume("efi volume", &v), isodisk.SizeFAT(v.files))
	if err != nil {
		return err
	}
	s, err := v.filled(esp)
	if err != nil {
		return err
	}
	disk, err := m.disk(esp.Size, env.Size)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	var parts volume
	parts.put(disk.Extents[0].Path, s)
	if s, err = parts.filled(disk); err != nil {
		return err
	}
	env.Notify(m.notice())
	return writeFile(ctx, env, f.Files(env.Name)[0], s)
}

// disk lays out a disk of so many bytes, 0 being as few as it takes, with the EFI
// system partition, and one for data in what that leaves.
func (m *medium) disk(esp, size int64) (*isodisk.Image, error) {
	const name = "EFI system partition"
	end := firstPartition + esp
	least := isodisk.DiskSize(end)
	if size == 0 {
		size = least
	}
	if size < least {
		return nil, fmt.Errorf("%w: %d bytes; this system needs %d: -size %dMiB", ErrDiskSize, size, least, least>>20)
	}
	table := isodisk.Table{GUID: m.id(fmt.Sprintf("disk of %d", size)), Partitions: []isodisk.Partition{
		{Number: efiPartition, Type: isodisk.ESP, GUID: m.id("efi partition"), Name: name, Offset: firstPartition, Size: esp},
	}}
	if room := (size - isodisk.DiskSize(0) - end) >> 20 << 20; room > 0 {
		table.Partitions = append(table.Partitions, isodisk.Partition{
			Number: dataPartition, Type: isodisk.Linux, GUID: m.id(fmt.Sprintf("data partition of %d", room)), Name: "data", Offset: end, Size: room,
		})
	}
	disk := &isodisk.Image{Extents: []isodisk.Extent{{Path: name, Offset: firstPartition, Size: esp}}}
	return disk, disk.Partition(table, size)
}
