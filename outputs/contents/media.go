package contents

import (
	"cmp"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// Volume is a filesystem in an image that a machine boots from.
type Volume struct {
	Name         string // what holds it: "image", "partition 1", or a file of another volume
	Kind         string // "ISO 9660", "ISO 9660 with Rock Ridge", "FAT12", "FAT16" or "FAT32"
	Label        string // its identifier or label, without the blanks at its end
	Serial       string // of FAT: its number, "0123-ABCD"; "" of others
	Created      string // RFC 3339; "" where nobody said
	Offset, Size int64  // in the image, bytes
	Files        []File // in path order, the root first
}

// File is a path of a volume. FAT knows no modes and no owners: its directories and
// files have 0755, and 0555 where they may only be read.
type File struct {
	*rootfs.Entry       // its Origin is the volume's name
	Offset        int64 // where its content is in the image, bytes; -1 where it has none or is not in one piece
}

// File returns the file of that path, or nil. To all but Rock Ridge small letters
// are as large ones.
func (v *Volume) File(path string) *File {
	i, ok := slices.BinarySearchFunc(v.Files, path, func(f File, path string) int { return rootfs.Compare(f.Path, path) })
	if !ok && v.Kind != isoRock {
		i = slices.IndexFunc(v.Files, func(f File) bool { return strings.EqualFold(f.Path, path) })
		ok = i >= 0
	}
	if !ok {
		return nil
	}
	return &v.Files[i]
}

// Table is how a disk is divided: by a master boot record, and a GUID partition
// table if there is one (UEFI 5.2 and 5.3).
type Table struct {
	Code       bool        // the boot record holds a program for a BIOS
	ID         uint32      // of the disk, in the boot record
	Records    []Partition // those of the boot record
	GUID       string      // of the disk, in the GUID partition table; "" where there is none
	Partitions []Partition // those of the GUID partition table
}

// Partition is a part of a disk.
type Partition struct {
	Number      int    // from 1, in its table
	Type        string // a GUID, or in the boot record a byte: "0xEE"
	Kind        string // what the type is called; "" where it is none of those known here
	GUID        string // "" in the boot record
	Name        string // "" in the boot record
	Active      bool   // in the boot record: a BIOS boots it
	First, Last int64  // sectors of 512 bytes
	Holds       string // the kind of volume; "empty" for nothing but zeros; "unknown"
}

// BootImage is an entry of the boot catalog of an ISO (El Torito 1.0, 2.0).
type BootImage struct {
	Platform     string // "BIOS", "EFI", or a byte: "0x01"
	Bootable     bool
	Emulated     bool   // as a disk; else it is loaded as it is
	Path         string // of the file that it is; "" where it is none
	Offset, Size int64  // in the image, bytes; Size is what the entry says, by which an EFI image may be larger
}

// Menu is an entry of a boot menu.
type Menu struct {
	File    string // that holds it
	Title   string
	Kernel  string // path
	Initrds []string
	Cmdline string
}

// Program is what an EFI program that is a kernel with all it needs says of itself
// (UAPI group specification, "Unified Kernel Image"). Its sections are parts.
type Program struct {
	Timestamp int64  // seconds since 1970, in its header; 0 where nobody said
	OSRelease string // .osrel
	Uname     string // .uname
	SBAT      string // .sbat
	Signed    bool   // it holds certificates, which are not checked
}

// The kinds of volumes that are not FAT.
const (
	isoPlain = "ISO 9660"
	isoRock  = "ISO 9660 with Rock Ridge"
)

// keep adds a volume, its files sorted. No path may be there twice.
func (d *reader) keep(v Volume) error {
	slices.SortStableFunc(v.Files, func(a, b File) int { return rootfs.Compare(a.Path, b.Path) })
	for i := range v.Files[1:] {
		if v.Files[i].Path == v.Files[i+1].Path {
			return located(v.Offset, v.Name, invalid("%q is in the volume twice", v.Files[i].Path))
		}
	}
	d.img.Volumes = append(d.img.Volumes, v)
	return nil
}

// volumeAt returns the volume that begins there, or nil.
func (d *reader) volumeAt(off int64) *Volume {
	for i := range d.img.Volumes {
		if d.img.Volumes[i].Offset == off {
			return &d.img.Volumes[i]
		}
	}
	return nil
}

// readMedium reads what has volumes: its first bytes are given.
func (d *reader) readMedium(kind string, head []byte) (err error) {
	d.img.Format = kind
	p := Part{Name: "image", Kind: kind, Size: d.size}
	if p.Digest, err = d.digest(0, d.size); err != nil {
		return err
	}
	d.img.Parts = []Part{p}
	if err := d.readTable(head, kind == Disk); err != nil {
		return err
	}
	if kind == ISO {
		if err := d.readISO(); err != nil {
			return err
		}
	}
	if err := d.readPartitions(); err != nil {
		return err
	}
	if err := d.readMenus(); err != nil {
		return err
	}
	slices.SortStableFunc(d.img.Parts, func(a, b Part) int { return cmp.Compare(a.Offset, b.Offset) })
	return nil
}

// readPartitions looks into each partition. One that is an EFI system partition
// holds FAT.
func (d *reader) readPartitions() error {
	t := d.img.Table
	if t == nil {
		return nil
	}
	for i := range t.Partitions {
		p := &t.Partitions[i]
		off, n := p.First*diskSector, (p.Last-p.First+1)*diskSector
		if v := d.volumeAt(off); v != nil {
			p.Holds = v.Kind
			continue
		}
		if p.Type == espType {
			name := "partition " + digits(p.Number)
			if err := d.readFAT(name, off, n); err != nil {
				return located(off, name, err)
			}
			p.Holds = d.volumeAt(off).Kind
			if d.img.Format == Disk {
				d.img.Format, d.img.Parts[0].Kind = RawEFI, RawEFI
			}
			continue
		}
		zeros, err := file{d, off + n}.zerosFrom(off)
		if err != nil {
			return err
		}
		p.Holds = unknown
		if zeros == off+n {
			p.Holds = "empty"
		}
	}
	return nil
}
