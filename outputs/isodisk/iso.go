package isodisk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// block is the size of a logical block of an ISO 9660 volume, bytes.
const block = 2048

// ISO is what an ISO 9660 volume is made of. Names of its files are in lower case,
// and those of directories have no period but at the beginning.
type ISO struct {
	Volume
	BIOS string // path of the file that a BIOS starts; it is given with its content, of 64 bytes or more, and gets a boot information table
	EFI  string // path of the FAT volume that UEFI starts from; it is given without its content, of less than 32 MiB
}

// NewISO lays out an ISO 9660 volume (ECMA-119) with Rock Ridge names and El Torito
// boot images. Files are root's, 0444, and directories 0555. A name that begins with
// a period, which ISO 9660 does not have, is one of Rock Ridge alone; the other one
// begins with 0. Errors that are due to the input are [ErrEnvelope].
//
// The files that come with their content are written below dir, an empty folder, for
// go-diskfs to read them there. They are the caller's to remove.
func NewISO(o ISO, dir string) (*Image, error) {
	if err := o.check(release()); err != nil {
		return nil, err
	}
	dir = filepath.Join(dir, "volume") // which go-diskfs removes
	if err := fillFolder(dir, o.Files); err != nil {
		return nil, fmt.Errorf("lay out an ISO volume: %w", err)
	}
	image := &Image{}
	if err := image.createISO(o, dir); err != nil {
		return nil, fmt.Errorf("lay out an ISO volume: %w", err)
	}
	if err := image.normaliseISO(o); err != nil {
		return nil, err
	}
	return image, nil
}

// createISO has go-diskfs write the volume, of the files in dir.
func (m *Image) createISO(o ISO, dir string) error {
	volume, err := iso9660.Create(storage{&m.memory}, 0, 0, block, dir)
	if err != nil {
		return err
	}
	return volume.Finalize(iso9660.FinalizeOptions{
		RockRidge: true, VolumeIdentifier: o.Label,
		ElTorito: &iso9660.ElTorito{HideBootCatalog: true, Entries: []*iso9660.ElToritoEntry{
			{Platform: iso9660.BIOS, Emulation: iso9660.NoEmulation, BootFile: "/" + onVolume(o.BIOS), BootTable: true},
			{Platform: iso9660.EFI, Emulation: iso9660.NoEmulation, BootFile: "/" + onVolume(o.EFI)},
		}},
	})
}

// check returns why the volume cannot be laid out. release is that of go-diskfs.
func (o ISO) check(release string) error {
	errs := []error{o.Volume.check(release, onVolume)}
	bios, efi := false, false
	for _, f := range o.Files {
		if strings.ToLower(f.Path) != f.Path {
			errs = append(errs, fmt.Errorf("%w: %s: is not in lower case", ErrEnvelope, f.Path))
		}
		if strings.Contains(onVolume(parent(f.Path)), ".") { // ECMA-119 7.6.3
			errs = append(errs, fmt.Errorf("%w: %s: the name of its directory has a period", ErrEnvelope, f.Path))
		}
		bios = bios || f.Path == o.BIOS && f.Data != nil && f.Size >= endOfBootTable
		efi = efi || f.Path == o.EFI && f.Data == nil && f.Size <= maxEFI
	}
	if !bios {
		errs = append(errs, fmt.Errorf("%w: the BIOS boot image %q is no file with content, of %d bytes or more", ErrEnvelope, o.BIOS, endOfBootTable))
	}
	if !efi {
		errs = append(errs, fmt.Errorf("%w: the EFI boot image %q is no file without content, of up to %d bytes", ErrEnvelope, o.EFI, maxEFI))
	}
	return errors.Join(errs...)
}

const (
	endOfBootTable = 64                   // bytes of a BIOS boot image up to the end of its boot information table
	maxEFI         = (1<<16 - 1) * Sector // bytes of an EFI boot image: its sectors are counted in 16 bits
)

// onVolume is the path of a file in the volume, Rock Ridge aside.
func onVolume(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if name, hidden := strings.CutPrefix(p, "."); hidden && name != "" {
			parts[i] = "0" + name
		}
	}
	return strings.Join(parts, "/")
}

// fillFolder writes the files below dir, by the paths that the volume has: those
// without content are one zero byte.
func fillFolder(dir string, files []File) error {
	for _, f := range files {
		data := f.Data
		if data == nil {
			data = []byte{0}
		}
		path := filepath.Join(dir, filepath.FromSlash(onVolume(f.Path)))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// normaliseISO sets what go-diskfs cannot be told:
//
//	volume descriptor    size of the volume; dates; blanks for zeros in texts; who prepared it
//	directory records    date; size of a directory; where a file without content lies, and its size
//	Rock Ridge           PX: mode, links, owner, inode; TF: dates; NM: the name
//	boot catalog         where the EFI boot image lies, and its size
func (m *Image) normaliseISO(o ISO) error {
	descriptor := m.bytes(primaryAt, block)
	if descriptor[0] != 1 || string(descriptor[1:6]) != "CD001" {
		return unknown("volume descriptor")
	}
	w := &isoWalk{Image: m, time: o.Time, names: map[string]string{}, placed: map[string]Extent{}, links: map[int64]uint32{}}
	m.Size = int64(binary.LittleEndian.Uint32(descriptor[volumeBlocks:])) * block
	for _, f := range o.Files {
		for path := f.Path; path != ""; path = parent(path) {
			w.names[strings.ToUpper(onVolume(path))] = path[strings.LastIndexByte(path, '/')+1:]
		}
		if f.Data != nil {
			continue
		}
		e := Extent{Path: f.Path, Offset: m.Size, Size: f.Size}
		m.Extents = append(m.Extents, e)
		w.placed[strings.ToUpper(onVolume(f.Path))] = e
		m.Size = upTo(m.Size+f.Size, block)
	}
	w.descriptor(descriptor)
	root := record(descriptor[156:190])
	if err := w.count(root.at(), root.size()); err != nil {
		return err
	}
	if err := w.settle(root.at(), root.size(), ""); err != nil {
		return err
	}
	if len(w.names) > 0 {
		return unknown("names of files")
	}
	return w.catalog(w.placed[strings.ToUpper(onVolume(o.EFI))])
}

// Where the volume descriptors of El Torito and before it are (ECMA-119 6.7.1; El
// Torito 1.0, "Boot Record Volume Descriptor").
const (
	primaryAt = 16 * block
	bootAt    = 17 * block
)

// volumeBlocks is where the primary volume descriptor says how many blocks there are.
const volumeBlocks = 80

// descriptor settles the primary volume descriptor (ECMA-119 8.4).
func (w *isoWalk) descriptor(d []byte) {
	putBoth(d[volumeBlocks:], uint32(w.Size/block))
	for _, text := range [][2]int{{8, 40}, {40, 72}, {190, 318}, {318, 446}, {446, 574}, {574, 702}, {702, 739}, {739, 776}, {776, 813}} {
		field := d[text[0]:text[1]]
		if text[0] == 446 { // who prepared the data: go-diskfs says itself, in letters that may not be there
			clear(field)
		}
		copy(field, bytes.ReplaceAll(field, []byte{0}, []byte{' '}))
	}
	date := longDate(w.time)
	copy(d[813:], date) // creation
	copy(d[830:], date) // modification
	never := append(bytes.Repeat([]byte{'0'}, 16), 0)
	copy(d[847:], never) // expiration
	copy(d[864:], never) // use from
	root := record(d[156:190])
	copy(root[18:25], shortDate(w.time))
	putBoth(root[10:], uint32(upTo(root.size(), block)))
	w.put(primaryAt, d...)
}

// catalog settles the boot catalog (El Torito 1.0): a validation entry, that of the
// BIOS, a header, and that of EFI.
func (w *isoWalk) catalog(efi Extent) error {
	boot := w.bytes(bootAt, block)
	at := int64(binary.LittleEndian.Uint32(boot[0x47:])) * block
	c := w.bytes(at, 128)
	if string(boot[1:6]) != "CD001" || boot[0] != 0 || c[0] != 1 || c[0x1e] != 0x55 || c[32] != 0x88 || c[64] != 0x91 || c[65] != 0xef || c[96] != 0x88 {
		return unknown("boot catalog")
	}
	w.Boot = int64(binary.LittleEndian.Uint32(c[32+8:])) * block
	binary.LittleEndian.PutUint16(c[96+6:], uint16(upTo(efi.Size, Sector)/Sector))
	binary.LittleEndian.PutUint32(c[96+8:], uint32(efi.Offset/block))
	w.put(at, c...)
	return nil
}

// putBoth writes n in both byte orders (ECMA-119 7.3.3).
func putBoth(b []byte, n uint32) {
	binary.LittleEndian.PutUint32(b, n)
	binary.BigEndian.PutUint32(b[4:], n)
}
