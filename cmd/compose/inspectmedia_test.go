package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
)

// testMedium is an image with all that a medium and a program can have.
func testMedium() *contents.Image {
	const origin = "efi.img"
	return &contents.Image{
		Format: contents.ISO, Size: 1 << 20, Cmdline: "quiet",
		Volumes: []contents.Volume{{
			Name: origin, Kind: "FAT16", Label: "COMPOSE", Serial: "0123-4567", Created: "2020-01-01T00:00:00Z", Offset: 2048, Size: 4096,
			Files: []contents.File{
				{Entry: &rootfs.Entry{Type: rootfs.Dir, Mode: 0o755, Origin: origin}, Offset: -1},
				{Entry: &rootfs.Entry{Path: "a\xff", Type: rootfs.File, Mode: 0o644, Size: 7, Digest: rootfs.Digest{1}, Origin: origin}, Offset: 0},
				{Entry: &rootfs.Entry{Path: "b", Type: rootfs.Symlink, Mode: 0o777, Link: "a", Origin: origin}, Offset: -1},
				{Entry: &rootfs.Entry{Path: "c", Type: rootfs.File, Mode: 0o644, Size: 8, Digest: rootfs.Digest{2}, Origin: origin}, Offset: -1},
			},
		}},
		Table: &contents.Table{
			Code: true, ID: 0xabc, GUID: "G", Records: []contents.Partition{{Number: 1, Type: "0xEE", Kind: "protective", Active: true, First: 1, Last: 9}},
			Partitions: []contents.Partition{
				{Number: 1, Type: "T1", Kind: "EFI system", GUID: "G1", Name: "boot", First: 2, Last: 3, Holds: "FAT16"},
				{Number: 3, Type: "T3", GUID: "G3", First: 4, Last: 5, Holds: "empty"},
			},
		},
		BootImages: []contents.BootImage{{Platform: "BIOS", Bootable: true, Path: "isolinux.bin", Offset: 100, Size: 2048}, {Platform: "EFI", Emulated: true, Offset: 200}},
		Menus:      []contents.Menu{{File: "grub.cfg", Title: "A\x1b", Kernel: "k", Initrds: []string{"i", "j"}, Cmdline: "quiet"}},
		Program:    &contents.Program{Timestamp: 1, OSRelease: "ID=a\nNAME=b\n", Uname: "6.1", SBAT: "sbat,1", Signed: true},
	}
}

const shownMedium = `
kernel named  6.1
made          1970-01-01T00:00:01Z
signed        yes; nobody checked it
os-release    ID=a
os-release    NAME=b
sbat          sbat,1

boot record   disk 00000abc, with a program for a BIOS
disk          G

  partition  first  last   holds  type
      MBR 1      1     9  active  0xEE protective
          1      2     3   FAT16  EFI system: boot
          3      4     5   empty  T3

  partition  GUID of its type, and its own
          1  T1  G1
          3  T3  G3

  offset  bytes  platform  boot image
     100   2048      BIOS  isolinux.bin
     200      0       EFI  no file, as a disk, not bootable

boot menu     grub.cfg
title         "A\x1b"
kernel        k
initrd        i, j
command line  quiet

volume        efi.img: FAT16, 4096 bytes at byte 2048
label         COMPOSE
serial        0123-4567
created       2020-01-01T00:00:00Z

      offset  path
              drwxr-xr-x    0:0           0 1970-01-01T00:00:00Z .  [efi.img]
           0  -rw-r--r--    0:0           7 1970-01-01T00:00:00Z "a\xff"  [efi.img]
              lrwxrwxrwx    0:0           0 1970-01-01T00:00:00Z b -> a  [efi.img]
              -rw-r--r--    0:0           8 1970-01-01T00:00:00Z c  [efi.img]

sha256:0100000000000000000000000000000000000000000000000000000000000000  "a\xff"
sha256:0200000000000000000000000000000000000000000000000000000000000000  c
`

func TestShowMedium(t *testing.T) {
	var out bytes.Buffer
	showMedium(&out, testMedium())
	if diff := cmp.Diff(shownMedium, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.Reset()
	showMedium(&out, testImage())
	if out.Len() > 0 {
		t.Errorf("of what is no medium: %q", &out)
	}
	out.Reset()
	showMedium(&out, &contents.Image{Table: &contents.Table{}, Program: &contents.Program{}})
	if want := "\nsigned        no\n\nboot record   disk 00000000, without a program for a BIOS\n\n  partition  first  last  holds  type\n"; out.String() != want {
		t.Errorf("of a medium with nothing: %q", &out)
	}
}

func TestMediumJSON(t *testing.T) {
	var out bytes.Buffer
	if err := showImageJSON(&out, testMedium(), false); err != nil {
		t.Fatal(err)
	}
	var all imageJSON
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	zero := int64(0)
	entry := func(path, kind, mode string, size int64) entryJSON {
		return entryJSON{Path: path, Type: kind, Mode: mode, Size: size, Origin: "efi.img"}
	}
	a, b, c := entry("a\ufffd", "file", "0644", 7), entry("b", "symbolic link", "0777", 0), entry("c", "file", "0644", 8)
	a.Digest, b.Link, c.Digest = rootfs.Digest{1}.String(), "a", rootfs.Digest{2}.String()
	want := imageJSON{
		Volumes: []volumeJSON{{
			Name: "efi.img", Kind: "FAT16", Label: "COMPOSE", Serial: "0123-4567", Created: "2020-01-01T00:00:00Z", Offset: 2048, Size: 4096,
			Files: []fileJSON{{entry("", "directory", "0755", 0), nil}, {a, &zero}, {b, nil}, {c, nil}},
		}},
		Table: &tableJSON{
			Code: true, ID: "00000abc", GUID: "G", Records: []partitionJSON{{Number: 1, Type: "0xEE", Kind: "protective", Active: true, First: 1, Last: 9}},
			Partitions: []partitionJSON{
				{Number: 1, Type: "T1", Kind: "EFI system", GUID: "G1", Name: "boot", First: 2, Last: 3, Holds: "FAT16"},
				{Number: 3, Type: "T3", GUID: "G3", First: 4, Last: 5, Holds: "empty"},
			},
		},
		BootImages: []bootImageJSON{{"BIOS", true, false, "isolinux.bin", 100, 2048}, {"EFI", false, true, "", 200, 0}},
		Menus:      []menuJSON{{"grub.cfg", "A\x1b", "k", []string{"i", "j"}, "quiet"}},
		Program:    &programJSON{1, "ID=a\nNAME=b\n", "6.1", "sbat,1", true},
	}
	got := imageJSON{Volumes: all.Volumes, Table: all.Table, BootImages: all.BootImages, Menus: all.Menus, Program: all.Program}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(fileJSON{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
