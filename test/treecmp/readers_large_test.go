package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/test/fixture"
)

// TestLargeFiles holds that a file of up to 4 GiB less a byte, which is what cpio can
// say, can be on a medium, and that of another the user hears before anything is
// written.
func TestLargeFiles(t *testing.T) {
	loader := loaderFiles(t, fixture.NeedBootloader(t))
	for _, f := range []outputs.Format{outputs.ISO{}, outputs.RawEFI{}, outputs.UKI{}, outputs.KernelInitrd{}} {
		for size, ok := range map[int64]bool{1<<32 - 1: true, 1 << 32: false, 1<<32 + 1: false} {
			_, err := f.Check(largeTree(t, loader, size), outputs.Options{Name: "large", Compress: outputs.Zstd})
			if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "large (init[0] large)") {
				t.Errorf("%s, %d bytes: %v", f.Name(), size, err)
			}
		}
	}
}

// TestLargestFile holds that readers see a file of 4 GiB less a byte as large as it is.
// Its initramfs is too large for a medium, as it is not compressed, which would take
// its time.
func TestLargestFile(t *testing.T) {
	needMediaReaders(t)
	files, err := written(t, outputs.KernelInitrd{}, largeTree(t, loaderFiles(t, fixture.NeedBootloader(t)), 1<<32-1), outputs.Uncompressed)
	if err != nil {
		t.Fatal(err)
	}
	list := reader{args: []string{"bsdtar", "-tvf", files[1]}}.run(t)
	if !regexp.MustCompile(`(?m)^-rw-r--r-- .* 4294967295 .* large$`).MatchString(list) {
		t.Errorf("listed as\n%s", list)
	}
}

// TestLargeInitramfs holds that the largest initramfs which a medium can hold is seen
// by its readers, and that one of a word more is refused before a file is made.
func TestLargeInitramfs(t *testing.T) {
	needMediaReaders(t)
	loader := loaderFiles(t, fixture.NeedBootloader(t))
	const word = 4
	for _, tt := range []struct {
		outputs.Format
		largest int64 // initramfs, bytes
	}{
		{outputs.ISO{}, 4<<30 - word},
		{outputs.RawEFI{}, 4<<30 - 4096}, // whole clusters
		{outputs.UKI{}, 0},
	} {
		t.Run(tt.Name(), func(t *testing.T) {
			if tt.largest == 0 {
				tt.largest = largestSection(t, loader)
			}
			size := tt.largest - 1<<20
			size += tt.largest - initrdOf(t, loader, size) // of the file
			if got := initrdOf(t, loader, size); got != tt.largest {
				t.Fatalf("the largest initramfs has %d bytes", got)
			}
			files, err := written(t, tt.Format, largeTree(t, loader, size), outputs.Uncompressed)
			if err != nil || len(files) != 1 {
				t.Fatalf("%d files: %v", len(files), err)
			}
			noFaults(t, largeInspections(t, files[0], loader))
			for name, list := range largeListings(files[0]) {
				got := list(t)
				r := got.entries["boot/initrd.img"]
				if r == nil {
					r = got.entries[".initrd"]
				}
				if r == nil || r.size != tt.largest {
					t.Errorf("%s lists %+v, want %d bytes", name, r, tt.largest)
				}
			}
			if files, err := written(t, tt.Format, largeTree(t, loader, size+word), outputs.Uncompressed); err == nil || len(files) > 0 {
				t.Errorf("%d files are made for an initramfs of %d bytes: %v", len(files), tt.largest+word, err)
			}
		})
	}
}

// largestSection is how large the last section of a unified kernel image can be: up
// to 2 GiB of memory.
func largestSection(t *testing.T, loader map[string]string) int64 {
	t.Helper()
	const little = 4096
	files, err := written(t, outputs.UKI{}, largeTree(t, loader, little), outputs.Uncompressed)
	if err != nil {
		t.Fatal(err)
	}
	all := objdump(t, files[0])
	last := all[len(all)-1]
	return 2<<30 - max(last.memory, last.at)
}

// largeListings are the readers of an image that do not read all of it.
func largeListings(image string) map[string]func(t *testing.T) *tree {
	if strings.HasSuffix(image, ".iso") {
		return map[string]func(t *testing.T) *tree{
			"xorriso":    func(t *testing.T) *tree { return listXorriso(t, image) },
			"bsdtar":     func(t *testing.T) *tree { return listBsdtar(t, image) },
			"isoinfo -R": func(t *testing.T) *tree { return listIsoinfo(t, image, "-R") },
			"7z":         func(t *testing.T) *tree { return list7z(t, image, "iso") },
		}
	}
	if strings.HasSuffix(image, ".efi") {
		return map[string]func(t *testing.T) *tree{
			"objdump": func(t *testing.T) *tree { return listObjdump(t, image) },
			"7z":      func(t *testing.T) *tree { return list7z(t, image, "PE") },
		}
	}
	return map[string]func(t *testing.T) *tree{
		"mdir": func(t *testing.T) *tree { return listMdir(t, image+"@@1M") },
		"fsck.fat and 7z": func(t *testing.T) *tree {
			esp := image + ".esp"
			copySparse(t, image, esp, gptByHand(t, image)[0])
			noFaults(t, checkFAT(t, esp))
			return list7z(t, esp, "FAT")
		},
	}
}

// largeInspections are what is wrong around the files of an image.
func largeInspections(t *testing.T, image string, loader map[string]string) []fault {
	t.Helper()
	m := &media{dir: filepath.Dir(image), name: "large", work: t.TempDir(), loader: loader}
	var all []inspection
	switch filepath.Ext(image) {
	case ".iso":
		all = m.inspectedISO(t).inspections
	case ".img":
		sectors := make([]byte, 4) // of a FAT32 volume, in its first sector
		if _, err := open(t, image).ReadAt(sectors, 1<<20+32); err != nil {
			t.Fatal(err)
		}
		all = tableInspections(wantTable(t, image, 2048, int64(le.Uint32(sectors)), 0))
	}
	var faults []fault
	for _, i := range all {
		faults = append(faults, i.read(t, image)...)
	}
	return faults
}
