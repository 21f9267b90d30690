package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// isoFacts are where things lie on an ISO, as isoinfo lists them.
type isoFacts struct {
	bios, efi  int64 // sectors of 2048 bytes
	efiSectors int64 // of 512 bytes
	catalog    int64
	disk       int64 // sectors of 512 bytes
}

func (m *media) isoFacts(t *testing.T, image string) isoFacts {
	t.Helper()
	var f isoFacts
	for _, e := range isoinfoLines(t, image, "-R") {
		switch e.path {
		case "isolinux/isolinux.bin":
			f.bios = e.sector
		case "efi.img":
			f.efi, f.efiSectors = e.sector, e.size/512
		}
	}
	b := make([]byte, 4)
	if _, err := open(t, image).ReadAt(b, 17*2048+0x47); err != nil { // El Torito 1.0, figure 7
		t.Fatal(err)
	}
	f.catalog = int64(le.Uint32(b))
	stat, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	f.disk = stat.Size() / 512
	return f
}

// inspectedISO is the ISO as something that machines start from.
func (m *media) inspectedISO(t *testing.T) *inspected {
	t.Helper()
	image := m.file(".iso")
	f := m.isoFacts(t, image)
	table := wantTable(t, image, 4*f.efi, f.efiSectors, 0)
	code := string(le.AppendUint64([]byte(m.loader["isohdpfx.bin"]), uint64(4*f.bios)))
	i := &inspected{name: "iso", image: image}
	i.inspections = append(tableInspections(table), masterRecord(code, 0x80),
		inspection{"xorriso", func(t *testing.T, image string) []fault { return f.xorriso(t, image, table[0].guid) }},
		inspection{"isoinfo -d", f.isoinfo},
		inspection{"boot images of 7z", m.boot7z},
		inspection{"isovfy", func(t *testing.T, image string) []fault {
			out, err := reader{args: []string{"isovfy", image}}.try(t)
			if err != nil || !strings.HasSuffix(out, "\nNo errors found\n") {
				return []fault{{"", fmt.Sprintf("isovfy: %v\n%s", err, out)}}
			}
			return nil
		}})
	i.plants = f.plants()
	return i
}

// words are the words of lines, where there are some.
func words(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if one := strings.Join(strings.Fields(line), " "); one != "" {
			all = append(all, one)
		}
	}
	return all
}

// xorriso compares what xorriso reports of El Torito and of the partitions.
func (f isoFacts) xorriso(t *testing.T, image, espGUID string) []fault {
	t.Helper()
	out, err := reader{args: []string{"xorriso", "-report_about", "WARNING", "-indev", "stdio:" + image, "-report_el_torito", "plain", "-report_system_area", "plain"}}.try(t)
	if err != nil {
		return []fault{{"", err.Error()}}
	}
	b := head(t, image)
	name := ""
	for _, c := range espName {
		name += fmt.Sprintf("%02x00", c)
	}
	want := fmt.Sprintf(`El Torito catalog : %d 1
El Torito images : N Pltf B Emul Ld_seg Hdpt Ldsiz LBA
El Torito boot img : 1 BIOS y none 0x0000 0x00 4 %d
El Torito boot img : 2 UEFI y none 0x0000 0x00 %d %d
El Torito img path : 1 /isolinux/isolinux.bin
El Torito img opts : 1 boot-info-table isohybrid-suitable
El Torito img path : 2 /efi.img
System area options: 0x00000203
System area summary: MBR isohybrid cyl-align-off GPT
ISO image size/512 : %d
Partition offset : 0
MBR heads per cyl : 0
MBR secs per head : 0
MBR partition table: N Status Type Start Blocks
MBR partition : 1 0x80 0xee 1 %d
GPT : N Info
GPT disk GUID : %x
GPT entry array : 2 128 separated
GPT lba range : 34 %d %d
GPT partition name : 1 %s
GPT partname local : 1 %s
GPT partition GUID : 1 %x
GPT type GUID : 1 28732ac11ff8d211ba4b00a0c93ec93b
GPT partition flags: 1 0x0000000000000000
GPT start and size : 1 %d %d
GPT partition path : 1 /efi.img
`, f.catalog, f.bios, f.efiSectors, f.efi, f.disk, f.disk-1, b[512+56:512+72], f.disk-34, f.disk-1, name, espName, b[1024+16:1024+32], 4*f.efi, f.efiSectors)
	faults := inOrder("xorriso", words(want), words(out))
	if got := guidText(b[1024+16:]); got != espGUID {
		faults = append(faults, fault{"", "the GUID " + got})
	}
	return faults
}

// isoinfo compares what isoinfo tells of the volume.
func (f isoFacts) isoinfo(t *testing.T, image string) []fault {
	t.Helper()
	out, err := reader{args: []string{"isoinfo", "-d", "-i", image}}.try(t)
	if err != nil {
		return []fault{{"", err.Error()}}
	}
	want := fmt.Sprintf(`CD-ROM is in ISO 9660 format
System id:
Volume id: COMPOSE
Volume set id:
Publisher id:
Data preparer id:
Application id:
Copyright File id:
Abstract File id:
Bibliographic File id:
Volume set size is: 1
Volume set sequence number is: 1
Logical block size is: 2048
Volume size is: %d
El Torito VD version 1 found, boot catalog is in sector %d
NO Joliet present
Rock Ridge signatures version 1 found
Eltorito validation header:
Hid 1
Arch 0 (x86)
ID 'https://github.com/disk'
Key 55 AA
Eltorito defaultboot header:
Bootid 88 (bootable)
Boot media 0 (No Emulation Boot)
Load segment 0
Sys type 0
Nsect 4
Bootoff %X %d
`, f.disk/4, f.catalog, f.bios, f.bios)
	return inOrder("isoinfo", words(want), words(out))
}

// boot7z compares what 7z takes for the boot images: of that for BIOSes the four
// sectors that are loaded, and all of efi.img.
func (m *media) boot7z(t *testing.T, image string) []fault {
	t.Helper()
	sum := func(path string) string {
		out, err := reader{args: script(`7z e -so -tiso "$1" "$2" | sha256sum`, image, path)}.try(t)
		if err != nil {
			return err.Error()
		}
		return strings.Fields(out)[0]
	}
	four := make([]byte, 4*512)
	copy(four, m.bootTable(isoSectors(t, image)["isolinux/isolinux.bin"]))
	return inOrder("7z",
		[]string{textRecord(string(four)).sum, fileRecord(t, m.cutESP(t, image)).sum, sum("efi.img")},
		[]string{sum("[BOOT]/1-Boot-NoEmul.img"), sum("[BOOT]/2-Boot-NoEmul.img"), fileRecord(t, m.cutESP(t, image)).sum})
}

// plants are changes of an ISO.
func (f isoFacts) plants() []bytePlant {
	catalog := int(f.catalog * 2048)
	return []bytePlant{
		{"code", func(b []byte) { b[5] ^= 1 }, []string{"master boot record"}},
		{"where ISOLINUX is", func(b []byte) { b[432] += 4 }, []string{"master boot record", "xorriso"}},
		{"no active partition", func(b []byte) { b[446] = 0 }, []string{"master boot record", "xorriso"}},
		{"the name of the partition", func(b []byte) { b[1024+56] ^= 1 }, []string{"by hand", "sgdisk", "7z", "xorriso"}},
		{"the end of the partition", func(b []byte) { b[1024+40] ^= 1 }, []string{"by hand", "sgdisk", "7z", "xorriso", "boot images of 7z"}},
		{"the copy of the table", func(b []byte) { b[len(b)-512+16] ^= 1 }, []string{"sgdisk", "xorriso"}},
		{"the load size", func(b []byte) { b[catalog+32+6]++ }, []string{"xorriso", "isoinfo -d", "boot images of 7z"}},
		{"the EFI boot image", func(b []byte) { b[catalog+96+8]++ }, []string{"xorriso", "boot images of 7z"}},
		{"its size", func(b []byte) { b[catalog+96+6] ^= 1 }, []string{"xorriso", "boot images of 7z"}},
		{"the boot information table", func(b []byte) { b[f.bios*2048+8]++ }, []string{"xorriso", "boot images of 7z"}},
		{"the size of the volume", func(b []byte) { b[16*2048+80]--; b[16*2048+87]-- }, []string{"xorriso", "isoinfo -d", "boot images of 7z"}},
		{"the label", func(b []byte) { b[16*2048+40] = 'X' }, []string{"isoinfo -d"}},
	}
}
