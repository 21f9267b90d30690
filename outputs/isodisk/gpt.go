package isodisk

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/uuid"
)

// Types of partitions.
const (
	ESP   = string(gpt.EFISystemPartition) // the EFI system partition
	Linux = string(gpt.LinuxFilesystem)    // data, for Linux
)

// Table is the partition table of a disk.
type Table struct {
	GUID       uuid.UUID
	Partitions []Partition
	Boot       []byte // what a BIOS starts, up to 440 bytes; nil for none
}

// Partition is a part of a disk.
type Partition struct {
	Number       int // from 1
	Type         string
	GUID         uuid.UUID
	Name         string
	Offset, Size int64 // bytes; whole sectors
}

// tableSectors is how many sectors the copy of a table takes, at the end of a disk.
const tableSectors = 33

// DiskSize is the size of the smallest disk of whole MiB whose last partition ends
// at end, bytes.
func DiskSize(end int64) int64 { return upTo(end+tableSectors*Sector, 1<<20) }

// check returns why the table cannot be laid out on a disk of so many bytes, of which
// the first are used.
func (t Table) check(size, used int64) error {
	if size%Sector != 0 || size < max(used, (tableSectors+1)*Sector)+tableSectors*Sector || len(t.Boot) > 440 {
		return fmt.Errorf("%w: a disk of %d bytes with %d in use and %d to boot", ErrEnvelope, size, used, len(t.Boot))
	}
	end := int64(tableSectors+1) * Sector
	for _, p := range slices.SortedFunc(slices.Values(t.Partitions), func(a, b Partition) int { return cmp.Compare(a.Offset, b.Offset) }) {
		if p.Offset%Sector != 0 || p.Size%Sector != 0 || p.Size < Sector || p.Offset < end || p.Size > size-tableSectors*Sector-p.Offset {
			return fmt.Errorf("%w: partition %d of %d bytes at %d, on a disk of %d, after one that ends at %d", ErrEnvelope, p.Number, p.Size, p.Offset, size, end)
		}
		end = p.Offset + p.Size
		same := func(other Partition) bool {
			return other.Number == p.Number && other != p || other.GUID == p.GUID && other != p
		}
		if p.Number < 1 || p.Number > maxPartitions || slices.ContainsFunc(t.Partitions, same) {
			return fmt.Errorf("%w: partition %d: want a number and a GUID of its own, from 1 to %d", ErrEnvelope, p.Number, maxPartitions)
		}
		if kind, err := uuid.Parse(p.Type); err != nil || kind == uuid.Nil || p.GUID == uuid.Nil {
			return fmt.Errorf("%w: partition %d: the type %q with the GUID %s", ErrEnvelope, p.Number, p.Type, p.GUID)
		}
		if len(utf16.Encode([]rune(p.Name))) > maxPartitionName {
			return fmt.Errorf("%w: partition %d: the name %q has over %d UTF-16 code units", ErrEnvelope, p.Number, p.Name, maxPartitionName)
		}
	}
	return nil
}

// What a table has room for (UEFI 2.10, 5.3.3).
const (
	maxPartitions    = 128
	maxPartitionName = 36
)

// Partition writes a GUID partition table (UEFI 2.10, 5.3) into the image, and its
// copy at the end, for a disk of so many bytes, which becomes the image's size. The
// protective partition of the master boot record is marked active where there is
// something to boot: some BIOSes boot no other disk. An ISO volume grows with the
// image, so that who copies as much as it says has the whole. Errors that are due to the input
// are [ErrEnvelope].
func (m *Image) Partition(t Table, size int64) error {
	if err := errors.Join(checkRelease(release()), t.check(size, m.Size)); err != nil {
		return err
	}
	table := &gpt.Table{LogicalSectorSize: Sector, PhysicalSectorSize: Sector, GUID: t.GUID.String(), ProtectiveMBR: true}
	for _, p := range t.Partitions {
		table.Partitions = append(table.Partitions, &gpt.Partition{
			Index: p.Number, Type: gpt.Type(p.Type), GUID: p.GUID.String(), Name: p.Name,
			Start: uint64(p.Offset / Sector), End: uint64((p.Offset+p.Size)/Sector - 1),
		})
	}
	if err := table.Write(storage{&m.memory}, size); err != nil {
		return fmt.Errorf("lay out a disk: %w", err)
	}
	m.Size = size
	m.master(t)
	if m.Boot > 0 {
		blocks := make([]byte, 8)
		putBoth(blocks, uint32(size/block))
		m.put(primaryAt+volumeBlocks, blocks...)
	}
	return nil
}

// master writes the master boot record: what go-diskfs leaves out is its code, the
// disk's number, and all of the protective partition but where it begins. Where there
// is nothing to boot it is as UEFI wants it (5.2.3): without a number, and inactive.
func (m *Image) master(t Table) {
	protective := make([]byte, 16)
	if t.Boot != nil {
		m.put(0, t.Boot...)
		m.put(440, t.GUID[:4]...)
		protective[0] = 0x80
	}
	copy(protective[1:], []byte{0, 2, 0, 0xee, 0xff, 0xff, 0xff}) // from head 0, sector 2, to beyond what can be said
	binary.LittleEndian.PutUint32(protective[8:], 1)
	binary.LittleEndian.PutUint32(protective[12:], uint32(min(m.Size/Sector-1, 1<<32-1)))
	m.put(446, protective...)
}
