package contents_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
)

// foreign returns an image that other tools wrote; testdata/media.sh says how.
func foreign(t testing.TB, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", name+".zst"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	data, err := z.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// list writes a volume down, a line for each path.
func list(v *contents.Volume) []string {
	lines := []string{fmt.Sprintf("%s: %s %q %s at %d: %d", v.Name, v.Kind, v.Label, v.Serial, v.Offset, v.Size)}
	for _, f := range v.Files {
		name := strings.ReplaceAll(f.Path+" "+f.Link, strings.Repeat("n", 250), "N")
		lines = append(lines, fmt.Sprintf("%s %04o %d:%d %d,%d %d at %d %s", f.Type, f.Mode, f.UID, f.GID, f.Major, f.Minor, f.Size, f.Offset, name))
		lines[len(lines)-1] = strings.TrimSpace(lines[len(lines)-1])
	}
	return lines
}

// checkFiles holds the files of volumes against the bytes that are there.
func checkFiles(t *testing.T, img *contents.Image, data []byte) {
	t.Helper()
	for i := range img.Volumes {
		v := &img.Volumes[i]
		for _, f := range v.Files {
			if f.Type == rootfs.File && f.Offset >= 0 && f.Digest != rootfs.Digest(sha256.Sum256(data[f.Offset:f.Offset+f.Size])) {
				t.Errorf("%s: %s has another digest than its bytes", v.Name, f.Path)
			}
			if got := v.File(f.Path); got == nil || got.Entry != f.Entry {
				t.Errorf("%s: %s is not found", v.Name, f.Path)
			}
			if f.Origin != v.Name {
				t.Errorf("%s: %s is of %s", v.Name, f.Path, f.Origin)
			}
		}
	}
}

func TestForeignISO(t *testing.T) {
	data := foreign(t, "foreign.iso")
	img := mustRead(t, data)
	if img.Format != contents.ISO || len(img.Volumes) != 2 || img.Volumes[0].Created != "2026-11-21T19:42:34Z" {
		t.Fatalf("%s, %d volumes, %+v", img.Format, len(img.Volumes), img.Volumes)
	}
	want := []string{
		`image: ISO 9660 with Rock Ridge "MADE_BY_OTHERS"  at 0: 83968`,
		"directory 0755 0:0 0,0 0 at -1",
		"file 0644 0:0 0,0 1088 at 73728 again",
		"directory 0755 0:0 0,0 0 at -1 boot",
		"directory 0755 0:0 0,0 0 at -1 boot/grub",
		"file 0644 0:0 0,0 90 at 75776 boot/grub/grub.cfg",
		"file 0644 0:0 0,0 93 at 77824 boot/initrd.img",
		"file 0644 0:0 0,0 1088 at 73728 boot/kernel",
		"directory 0755 0:0 0,0 0 at -1 deep",
		"directory 0755 0:0 0,0 0 at -1 deep/er",
		"directory 0755 0:0 0,0 0 at -1 deep/er/est",
		"symbolic link 0777 0:0 0,0 0 at -1 deep/link ../boot/./kernel",
		"symbolic link 0777 0:0 0,0 0 at -1 deep/longlink /N/N/x",
		"character device 0644 0:0 1,3 0 at -1 deep/null",
		"fifo 0644 0:0 0,0 0 at -1 deep/pipe",
		"file 4751 1000:100 0,0 0 at -1 empty",
		"directory 0755 0:0 0,0 0 at -1 isolinux",
		"file 0444 0:0 0,0 2048 at 67584 isolinux/boot.cat",
		"file 0644 0:0 0,0 3000 at 69632 isolinux/isolinux.bin",
		"file 0644 0:0 0,0 93 at 79872 isolinux/isolinux.cfg",
		"file 0644 0:0 0,0 5 at 81920 N",
		`partition 2: FAT12 "ESP" 0123-4567 at 83968: 65536`,
		"directory 0755 0:0 0,0 0 at -1",
		"directory 0755 0:0 0,0 0 at -1 EFI",
		"directory 0755 0:0 0,0 0 at -1 EFI/BOOT",
		"file 0755 0:0 0,0 5 at 105984 EFI/BOOT/BOOTX64.EFI",
	}
	if diff := cmp.Diff(want, append(list(&img.Volumes[0]), list(&img.Volumes[1])...)); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	boots := []contents.BootImage{
		{Platform: "BIOS", Bootable: true, Path: "isolinux/isolinux.bin", Offset: 69632, Size: 2048},
		{Platform: "EFI", Bootable: true, Offset: 83968, Size: 65536},
	}
	if diff := cmp.Diff(boots, img.BootImages); diff != "" {
		t.Errorf("boot images (-want +got):\n%s", diff)
	}
	menus := []contents.Menu{
		{File: "boot/grub/grub.cfg", Title: "A system", Kernel: "boot/kernel", Initrds: []string{"boot/initrd.img"}, Cmdline: "console=ttyS0 a b"},
		{File: "isolinux/isolinux.cfg", Title: "linux", Kernel: "boot/kernel", Initrds: []string{"boot/initrd.img"}, Cmdline: "console=ttyS0"},
	}
	if diff := cmp.Diff(menus, img.Menus); diff != "" {
		t.Errorf("menus (-want +got):\n%s", diff)
	}
	checkSystem(t, img)
	checkParts(t, img, data)
	checkFiles(t, img, data)
}

// checkSystem checks what the menu of both foreign images starts.
func checkSystem(t *testing.T, img *contents.Image) {
	t.Helper()
	var parts []string
	for _, p := range img.Parts {
		parts = append(parts, p.Name+" "+p.Kind)
	}
	want := []string{"image " + img.Format, "boot/kernel bzImage", "boot/initrd.img initramfs", "initramfs gzip"}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	if k := img.Kernel; k == nil || k.Version != "6.1.0 test" || img.Cmdline != "console=ttyS0 a b" || img.Initramfs == nil || len(img.Entries) != 1 || img.Entries[0].Path != "init" {
		t.Errorf("%+v, %q, %+v, %d entries", k, img.Cmdline, img.Initramfs, len(img.Entries))
	}
}

func TestForeignDisk(t *testing.T) {
	data := foreign(t, "foreign.img")
	img := mustRead(t, data)
	if img.Format != contents.RawEFI || len(img.Volumes) != 2 {
		t.Fatalf("%s, %d volumes", img.Format, len(img.Volumes))
	}
	want := []string{
		`partition 1: FAT32 "" 89AB-CDEF at 1048576: 37748736`,
		"directory 0755 0:0 0,0 0 at -1",
		"file 0755 0:0 0,0 5 at 1650176 A long name, and Grüße.txt",
		"directory 0755 0:0 0,0 0 at -1 EFI",
		"directory 0755 0:0 0,0 0 at -1 boot",
		"directory 0755 0:0 0,0 0 at -1 boot/grub",
		"file 0755 0:0 0,0 90 at 1649664 boot/grub/grub.cfg",
		"file 0755 0:0 0,0 93 at 1649152 boot/initrd.img",
		"file 0755 0:0 0,0 1088 at 1647616 boot/kernel",
		"file 0755 0:0 0,0 5 at 1650688 lower.txt",
		`partition 2: FAT16 "SMALL" 0000-0001 at 38797312: 5242880`,
		"directory 0755 0:0 0,0 0 at -1",
		"file 0555 0:0 0,0 5 at 38861824 SHIM.EFI",
		"file 0755 0:0 0,0 0 at -1 empty",
		"file 0755 0:0 0,0 1088 at 38857216 other",
		"file 0755 0:0 0,0 5000 at -1 pieces",
	}
	if diff := cmp.Diff(want, append(list(&img.Volumes[0]), list(&img.Volumes[1])...)); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	small := &img.Volumes[1]
	if f := small.File("PIECES"); f == nil || f.Digest != rootfs.Digest(sha256.Sum256([]byte(strings.Repeat("b", 5000)))) {
		t.Errorf("the file in pieces: %+v", f)
	}
	if f := small.File("shim.efi"); f == nil || f.ModTime != 1580644802 {
		t.Errorf("the file with a time: %+v", f)
	}
	var holds []string
	for _, p := range img.Table.Partitions {
		holds = append(holds, fmt.Sprintf("%d %s %s %q: %s", p.Number, p.Kind, p.Type[:8], p.Name, p.Holds))
	}
	wantHolds := []string{`1 EFI system C12A7328 "EFI system partition": FAT32`, `2 EFI system C12A7328 "Grüße": FAT16`, `7 Linux filesystem 0FC63DAF "data": empty`}
	if diff := cmp.Diff(wantHolds, holds); diff != "" || img.Table.GUID == "" || img.Table.Code {
		t.Errorf("%+v (-want +got):\n%s", img.Table, diff)
	}
	checkSystem(t, img)
	checkParts(t, img, data)
	checkFiles(t, img, data)
}

// TestCutMedia cuts images: the volume, the partition table or its backup is not all
// there.
func TestCutMedia(t *testing.T) {
	data := foreign(t, "foreign.iso")
	for n := 0; n < len(data); n += 211 {
		if img, err := read(t, data[:n]); err == nil {
			t.Fatalf("cut after %d of %d bytes it is read: %+v", n, len(data), img)
		}
	}
	for _, more := range []string{"x", "\x00", strings.Repeat("\x00", 512)} {
		if _, err := read(t, append(bytes.Clone(data), more...)); !errors.Is(err, contents.ErrInvalid) {
			t.Errorf("with %d bytes behind it: %v", len(more), err)
		}
	}
	data = foreign(t, "foreign.img")
	for _, n := range []int{513, 1024, 16 << 10, 1 << 20, 1<<20 + 600, 37 << 20, len(data) - 512, len(data) - 1} {
		if img, err := read(t, data[:n]); err == nil {
			t.Errorf("cut after %d of %d bytes it is read: %+v", n, len(data), img)
		}
	}
}

// TestMediaMemory reads a disk of 48 MB, and little memory is used.
func TestMediaMemory(t *testing.T) {
	data := foreign(t, "foreign.img")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mustRead(t, data)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes of memory", used)
	}
}

// TestMediaReadErrors has an image of which some sector cannot be read: that is the
// error, and not one of the content.
func TestMediaReadErrors(t *testing.T) {
	data := foreign(t, "foreign.iso")
	for at := 0; at < len(data); at += 2048 {
		_, err := contents.Read(t.Context(), badSector{bytes.NewReader(data), int64(at)}, int64(len(data)))
		if !errors.Is(err, errDisk) || errors.Is(err, contents.ErrInvalid) {
			t.Fatalf("byte %d cannot be read: %v", at, err)
		}
	}
}

// badSector fails to read a byte.
type badSector struct {
	io.ReaderAt
	at int64
}

func (b badSector) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.at && b.at < off+int64(len(p)) {
		return 0, errDisk
	}
	return b.ReaderAt.ReadAt(p, off)
}
