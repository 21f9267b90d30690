package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/test/fixture"
)

// TestDiskSizes makes disks of initramfs of many sizes. On each, fsck.fat finds nothing
// wrong, and as many clusters as that kind of FAT has (Microsoft FAT specification
// 1.03, "FAT Type Determination"), well apart from where programs differ.
func TestDiskSizes(t *testing.T) {
	needMediaReaders(t)
	m := &media{work: t.TempDir()}
	loader := loaderFiles(t, fixture.NeedBootloader(t))
	for _, mib := range []int64{0, 1, 10, 20, 24, 25, 26, 30, 34, 35, 60, 64, 100, 128, 250, 256, 260, 500, 512, 1000, 2047, 2048, 3000} {
		t.Run(strconv.FormatInt(mib, 10), func(t *testing.T) {
			files, err := written(t, outputs.RawEFI{}, largeTree(t, loader, mib<<20), outputs.Uncompressed)
			if err != nil {
				t.Fatal(err)
			}
			esp := filepath.Join(m.work, t.Name()[len("TestDiskSizes/"):])
			copySparse(t, files[0], esp, gptByHand(t, files[0])[0])
			noFaults(t, checkFAT(t, esp))
			text := reader{args: []string{"fsck.fat", "-n", "-v", esp}}.run(t)
			n := func(pattern string) int64 { return number(t, matches(t, pattern, text)[1]) }
			bits, clusters := n(`2 FATs, (\d+) bit entries`), n(`(\d+) data clusters`)
			if ok := bits == 16 && clusters > 4085+16 && clusters < 65525-16 || bits == 32 && clusters > 65525+16; !ok {
				t.Errorf("a FAT of %d bits with %d clusters", bits, clusters)
			}
			listed := listMdir(t, esp).entries["boot/initrd.img"]
			if want := initrdOf(t, loader, mib<<20); listed == nil || listed.size != want {
				t.Errorf("mdir lists %+v, want an initramfs of %d bytes", listed, want)
			}
		})
	}
}

// TestLargeDisks makes disks of sizes about 2 TiB, where a master boot record ends, and
// beyond.
func TestLargeDisks(t *testing.T) {
	needMediaReaders(t)
	loader := loaderFiles(t, fixture.NeedBootloader(t))
	for _, size := range []int64{2<<40 - 512, 2 << 40, 2<<40 + 512, 2<<40 + 1<<20, 8 << 40} {
		t.Run(strconv.FormatInt(size, 10), func(t *testing.T) {
			files, err := writtenSized(t, outputs.RawEFI{}, largeTree(t, loader, 1), outputs.Options{Name: "large", Compress: outputs.Zstd, Size: size})
			if err != nil {
				t.Fatal(err)
			}
			m := &media{work: t.TempDir()}
			for _, i := range m.inspectedDisk(t, "", files[0], size).inspections {
				noFaults(t, i.read(t, files[0]))
			}
		})
	}
}

// TestLargeLoader makes ISOs with boot loaders of such sizes that the EFI boot image is
// about as large as its number of sectors can say, 65535.
func TestLargeLoader(t *testing.T) {
	needMediaReaders(t)
	loader := loaderFiles(t, fixture.NeedBootloader(t))
	loader["shimx64.efi.signed"] = strings.Repeat("shim", 4<<20)
	loader["gcdx64.efi.signed"] = strings.Repeat("GRUB", 1<<20)
	for mib, ok := range map[int]bool{10: true, 11: false} {
		loader["mmx64.efi"] = strings.Repeat("MokManager-\xff\x00\x01\x02\x03", mib<<16)
		files, err := written(t, outputs.ISO{}, largeTree(t, loader, 1), outputs.Zstd)
		if (err == nil) != ok || (len(files) > 0) != ok {
			t.Errorf("%d MiB more: %d files: %v", mib, len(files), err)
		}
		if !ok || err != nil {
			continue
		}
		m := &media{dir: filepath.Dir(files[0]), name: "large", work: t.TempDir(), loader: loader}
		noFaults(t, checkFAT(t, m.esp(t, files[0])))
		i := m.inspectedISO(t)
		for _, inspection := range i.inspections {
			noFaults(t, inspection.read(t, i.image))
		}
		t.Logf("an EFI boot image of %d bytes", fileRecord(t, m.esp(t, files[0])).size)
	}
}

// TestMediaTimes makes media of times from where the clock of Unix begins to where that
// of cpio ends. FAT begins with 1980.
func TestMediaTimes(t *testing.T) {
	needMediaReaders(t)
	m := &media{work: t.TempDir()}
	loader := loaderFiles(t, fixture.NeedBootloader(t))
	begin := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for _, epoch := range []int64{0, 1, 951782399, begin - 1, begin, begin + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		t.Run(fmt.Sprint(epoch), func(t *testing.T) {
			system := largeTree(t, loader, 1)
			system.Epoch = epoch
			iso, err := written(t, outputs.ISO{}, system, outputs.Zstd)
			if err != nil {
				t.Fatal(err)
			}
			for name, got := range map[string]*tree{
				"7z":         list7z(t, iso[0], "iso"),
				"bsdtar":     m.extracted(t, []string{"bsdtar", "-xpf", iso[0]}),
				"xorriso":    m.extracted(t, script(`xorriso -report_about WARNING -osirrox on -indev "stdio:$1" -extract / .`, iso[0])),
				"7z, of FAT": list7z(t, m.cutESP(t, iso[0]), "FAT"),
			} {
				want := epoch
				if name == "7z, of FAT" {
					want = max(epoch, begin) &^ 1
				}
				for p, r := range withoutBoot(got).entries {
					if r.mtime != want {
						t.Errorf("%s: %s is of %d, want %d", name, p, r.mtime, want)
					}
				}
			}
		})
	}
}
