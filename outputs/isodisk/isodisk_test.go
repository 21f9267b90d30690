package isodisk

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// epoch is the time of the volumes in the tests.
var epoch = time.Date(2023, 11, 14, 22, 13, 21, 0, time.UTC)

// content is so many bytes that follow from the name.
func content(name string, size int) []byte {
	b := make([]byte, size)
	seed := sha256.Sum256([]byte(name))
	_, _ = rand.NewChaCha8(seed).Read(b)
	return b
}

// boots is a volume with the files of our ISO, small ones.
func boots() ISO {
	return ISO{BIOS: "isolinux/isolinux.bin", EFI: "efi.img", Volume: Volume{Label: "COMPOSE", Time: epoch, Files: []File{
		{".disk/info", 5, []byte("hello")},
		{"boot/grub/grub.cfg", 9, []byte("set a=b\n\n")},
		{"isolinux/isolinux.bin", 5000, content("isolinux", 5000)},
		{"isolinux/ldlinux.c32", 2048, content("ldlinux", 2048)},
		{"efi.img", 5 << 20, nil},
		{"boot/kernel", 300_001, nil},
		{"boot/initrd.img", 1 << 20, nil},
	}}}
}

// esp is a volume with the files of our ESP.
func esp() Volume {
	return Volume{Label: "COMPOSE", ID: 0x12345678, Time: epoch, Files: []File{
		{"EFI/BOOT/BOOTX64.EFI", 104_850, nil},
		{"EFI/BOOT/grubx64.efi", 383_532, content("grub", 383_532)},
		{"EFI/BOOT/mmx64.efi", 4096, nil},
		{"boot/grub/grub.cfg", 5, []byte("hello")},
		{"readme", 1, nil},
	}}
}

// newISO lays out an ISO volume, in a folder of the test's own.
func newISO(t testing.TB, o ISO) (*Image, error) {
	t.Helper()
	return NewISO(o, t.TempDir())
}

// mustISO, mustFAT and mustPartition lay out what they are given.
func mustISO(t testing.TB, o ISO) *Image {
	t.Helper()
	m, err := newISO(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustFAT(t testing.TB, v Volume, size int64) *Image {
	t.Helper()
	m, err := NewFAT(v, size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustPartition(t testing.TB, m *Image, table Table, size int64) *Image {
	t.Helper()
	if err := m.Partition(table, size); err != nil {
		t.Fatal(err)
	}
	return m
}

// digest is the SHA-256 of an image's size and of its bytes that are not zero, with
// where they are; the content of the files at its extents is not among them.
func digest(m *Image) string {
	h := sha256.New()
	fmt.Fprintln(h, m.Size, m.Extents)
	m.Written(0, m.Size, func(off int64, data []byte) {
		for ; len(data) > 0; off, data = off+int64(min(512, len(data))), data[min(512, len(data)):] {
			if part := data[:min(512, len(data))]; bytes.Count(part, []byte{0}) < len(part) {
				fmt.Fprintln(h, off)
				h.Write(part)
			}
		}
	})
	return fmt.Sprintf("%x", h.Sum(nil))
}

// write writes an image to a file that is sparse, and at its extents the content that
// follows from the path: of those over 1 MiB, the first and the last KiB of it.
func write(t *testing.T, m *Image) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(f.Truncate(m.Size))
	end := int64(0)
	put := func(off int64, data []byte) {
		_, err := f.WriteAt(data, off)
		check(err)
	}
	for _, e := range m.Extents {
		m.Written(end, e.Offset, put)
		end = e.Offset + e.Size
		if e.Size > 1<<20 {
			b := content(e.Path, 2048)
			put(e.Offset, b[:1024])
			put(end-1024, b[1024:])
			continue
		}
		put(e.Offset, content(e.Path, int(e.Size)))
	}
	m.Written(end, m.Size, put)
	check(f.Close())
	return path
}

// checkExtents checks that the extents are those of the files without content, in
// order, and that nothing else is there.
func checkExtents(t testing.TB, m *Image, files []File) {
	t.Helper()
	files = slices.DeleteFunc(slices.Clone(files), func(f File) bool { return f.Data != nil })
	if len(files) != len(m.Extents) {
		t.Fatalf("%d extents for %d files", len(m.Extents), len(files))
	}
	end := int64(0)
	for i, e := range m.Extents {
		if e.Path != files[i].Path || e.Size != files[i].Size || e.Offset < end || e.Size > m.Size-e.Offset {
			t.Errorf("the extent %v of %s, of %d bytes; the last one ends at %d", e, files[i].Path, files[i].Size, end)
		}
		end = e.Offset + e.Size
		m.Written(e.Offset, end, func(off int64, data []byte) {
			if len(bytes.Trim(data, "\x00")) > 0 {
				t.Errorf("there is something at %d, in the extent %v", off, e)
			}
		})
	}
}

// checkISO checks that a strict reader sees the files, and nothing else.
func checkISO(t testing.TB, m *Image, o ISO) *isoTree {
	t.Helper()
	checkExtents(t, m, o.Files)
	tree, err := readISO(&m.memory)
	if err != nil {
		t.Fatal(err)
	}
	if tree.size > m.Size || len(m.Extents) > 0 && tree.size != m.Size {
		t.Errorf("a volume of %d bytes in an image of %d", tree.size, m.Size)
	}
	seen := map[string]located{}
	for path, n := range tree.nodes {
		if mode := map[bool]uint32{true: 0o040555, false: 0o100444}[n.dir]; n.mode != mode {
			t.Errorf("%s has the mode %o", path, n.mode)
		}
		if !n.dir {
			seen[path] = located{n.off, n.size}
		}
	}
	checkFilesAt(t, m, o.Files, seen, func(f File) []byte {
		n := tree.nodes[f.Path]
		b := m.bytes(n.off, int(n.size))
		if f.Path == o.BIOS { // it has a boot information table in it
			copy(b[8:64], f.Data[8:])
		}
		return b
	})
	if n := tree.nodes[o.BIOS]; m.Boot != n.off {
		t.Errorf("Boot is %d, and %s lies at %d", m.Boot, o.BIOS, n.off)
	}
	return tree
}

// checkFAT does that for a FAT volume.
func checkFAT(t testing.TB, m *Image, v Volume) *fatTree {
	t.Helper()
	checkExtents(t, m, v.Files)
	tree, err := readFAT(&m.memory, m.Size)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]located{}
	for path, n := range tree.nodes {
		if path != "" && !n.dir {
			seen[path] = located{n.off, n.size}
		}
	}
	checkFilesAt(t, m, v.Files, seen, func(f File) []byte {
		n := tree.nodes[f.Path]
		return tree.read(n.clusters)[:n.size]
	})
	for _, e := range m.Extents {
		for i, c := range tree.nodes[e.Path].clusters {
			if tree.at(c) != e.Offset+int64(i)*tree.cluster {
				t.Fatalf("%s is in pieces", e.Path)
			}
		}
	}
	return tree
}

// located is where a reader sees a file.
type located struct{ off, size int64 }

// checkFilesAt checks that a reader has seen the files where they are, and reads their
// content.
func checkFilesAt(t testing.TB, m *Image, files []File, seen map[string]located, read func(File) []byte) {
	t.Helper()
	extents := map[string]located{}
	for _, e := range m.Extents {
		extents[e.Path] = located{e.Offset, e.Size}
	}
	for _, f := range files {
		at, ok := seen[f.Path]
		switch {
		case !ok || at.size != f.Size:
			t.Errorf("%s of %d bytes is seen as %v", f.Path, f.Size, at)
		case f.Data == nil && extents[f.Path] != at:
			t.Errorf("%s is at %v, and is seen at %v", f.Path, extents[f.Path], at)
		case f.Data != nil && !bytes.Equal(read(f), f.Data):
			t.Errorf("%s has other content", f.Path)
		}
		delete(seen, f.Path)
	}
	for path, at := range seen {
		t.Errorf("%s is seen at %v", path, at)
	}
}

func TestVolumes(t *testing.T) {
	o := boots()
	checkISO(t, mustISO(t, o), o)
	for _, size := range []int64{5 << 20, 32 << 20, 40 << 20, shortTables, 260 << 20, 261 << 20, 506 << 20} {
		v := esp()
		tree := checkFAT(t, mustFAT(t, v, size), v)
		if want := map[bool]int{true: 16, false: 32}[size <= 32<<20]; tree.bits != want {
			t.Errorf("%d bytes are FAT%d", size, tree.bits)
		}
	}
}
