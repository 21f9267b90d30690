package contents

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// platform returns what a platform is called (El Torito, figures 2 and 4; UEFI
// 13.3.2.1).
func platform(b byte) string {
	switch b {
	case 0:
		return "BIOS"
	case 0xef:
		return "EFI"
	}
	return fmt.Sprintf("0x%02X", b)
}

// readCatalog reads the boot catalog at off, which is one sector: an entry that
// validates it, the one that is booted, and sections of more (El Torito, 2).
func (d *reader) readCatalog(off int64) error {
	const entry = 32
	b, err := d.head(off, isoSector)
	if err != nil {
		return err
	}
	if len(b) < isoSector {
		return invalid("%w", io.ErrUnexpectedEOF)
	}
	le := binary.LittleEndian
	sum := uint16(0)
	for i := 0; i < entry; i += 2 {
		sum += le.Uint16(b[i:])
	}
	if b[0] != 1 || b[30] != 0x55 || b[31] != 0xaa || sum != 0 {
		return invalid("its first entry is none that validates it, or its checksum is wrong")
	}
	of, left, last := b[1], 1, false
	for at := entry; at < isoSector; at += entry {
		e := b[at : at+entry]
		switch {
		case left > 0 && (e[0] == 0x88 || e[0] == 0):
			left--
			if err := d.bootImage(of, e); err != nil {
				return err
			}
		case left > 0 || e[0] == 0x44: // an extension of an entry, of which nothing is known here
			if e[0] != 0x44 {
				return invalid("an entry with the mark %#x", e[0])
			}
		case last || e[0] == 0:
			return nil
		case e[0] == 0x90 || e[0] == 0x91:
			of, left, last = e[1], int(le.Uint16(e[2:])), e[0] == 0x91
		default:
			return invalid("an entry with the mark %#x", e[0])
		}
	}
	if left > 0 {
		return invalid("%w: %d entries are not there", io.ErrUnexpectedEOF, left)
	}
	return nil
}

// bootImage reads an entry, and looks into what it names.
func (d *reader) bootImage(of byte, e []byte) error {
	le := binary.LittleEndian
	boot := BootImage{
		Platform: platform(of), Bootable: e[0] == 0x88, Emulated: e[1]&0x0f != 0,
		Offset: int64(le.Uint32(e[8:])) * isoSector, Size: int64(le.Uint16(e[6:])) * diskSector,
	}
	if !boot.Bootable && boot.Offset == 0 {
		return nil // an entry that is not used
	}
	if boot.Offset < 16*isoSector || boot.Size > d.size-boot.Offset {
		return invalid("%w: a boot image of %d bytes at byte %d", io.ErrUnexpectedEOF, boot.Size, boot.Offset)
	}
	size := boot.Size
	for _, f := range d.img.Volumes[0].Files {
		if f.Offset == boot.Offset {
			boot.Path, size = f.Path, f.Size
			break
		}
	}
	d.img.BootImages = append(d.img.BootImages, boot)
	if boot.Platform == "EFI" {
		return d.readBootVolume(boot, size)
	}
	return located(boot.Offset, "boot image", d.checkBootInfo(boot.Offset, size))
}

// readBootVolume reads the boot image of EFI, which holds FAT (UEFI 13.3.2.1). An
// entry cannot say a size from 32 MiB on; that of a file or a partition counts.
func (d *reader) readBootVolume(boot BootImage, size int64) error {
	name := boot.Path
	if t := d.img.Table; t != nil && name == "" {
		for _, p := range t.Partitions {
			if p.First*diskSector == boot.Offset {
				name, size = "partition "+digits(p.Number), (p.Last-p.First+1)*diskSector
			}
		}
	}
	if name == "" {
		name = "boot image"
	}
	if d.volumeAt(boot.Offset) != nil {
		return nil
	}
	return located(boot.Offset, name, d.readFAT(name, boot.Offset, size))
}

// checkBootInfo checks the table that isolinux keeps in a boot image of n bytes at
// off, if it has one: where the volume descriptor and the image are, its size and
// a checksum (mkisofs, "-boot-info-table").
func (d *reader) checkBootInfo(off, n int64) error {
	b, err := d.head(off, 64)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	if n < 64 || len(b) < 64 || le.Uint32(b[8:]) != 16 || int64(le.Uint32(b[12:]))*isoSector != off {
		return nil
	}
	if have := int64(le.Uint32(b[16:])); have != n {
		return invalid("its boot information says %d bytes, and it has %d", have, n)
	}
	in := bufio.NewReaderSize(d.section(off+64, n-64), bufSize)
	sum, word := uint32(0), [4]byte{}
	for {
		got, err := io.ReadFull(in, word[:])
		sum += le.Uint32(word[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && got > 0 {
			break
		}
		if err != nil {
			return err
		}
		word = [4]byte{}
	}
	if want := le.Uint32(b[20:]); sum != want {
		return invalid("its checksum is %08x, not %08x as its boot information says", sum, want)
	}
	return nil
}
