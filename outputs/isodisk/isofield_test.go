package isodisk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rawISO is what go-diskfs alone makes of the volume, from a folder whose files have
// owners, modes, links and times of their own.
func rawISO(t *testing.T, o ISO) *Image {
	t.Helper()
	dir, beside := t.TempDir(), t.TempDir()
	if err := fillFolder(dir, o.Files); err != nil {
		t.Fatal(err)
	}
	for i, f := range o.Files {
		path := filepath.Join(dir, onVolume(f.Path))
		if err := os.Link(path, filepath.Join(beside, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		for ; path != dir; path = filepath.Dir(path) {
			_ = os.Lchown(path, 1234, 567) // where that is not allowed, they are another one's than root's as it is
		}
	}
	m := &Image{}
	if err := m.createISO(o, dir); err != nil {
		t.Fatal(err)
	}
	m.Size = int64(binary.LittleEndian.Uint32(m.bytes(primaryAt+80, 4))) * block
	return m
}

// both is a number in both byte orders.
func both(n int64) []byte {
	b := make([]byte, 8)
	putBoth(b, uint32(n))
	return b
}

// Dates of the epoch, as they are written.
var (
	shortEpoch = []byte{123, 11, 14, 22, 13, 21, 0}
	longEpoch  = []byte("2023111422132100\x00")
)

// isoFields are the fields of a volume: those of its descriptor and its boot catalog,
// and of each record. Where they are is what a strict reader says.
func isoFields(m *Image, tree *isoTree, o ISO) []field {
	blank := func(n int) []byte { return bytes.Repeat([]byte{' '}, n) }
	padded := func(s string, n int) []byte { return []byte(fmt.Sprintf("%-*s", n, s)) }
	root := tree.nodes["."]
	fields := []field{
		{"volume size", primaryAt + 80, both(m.Size / 2048), derived},
		{"system", primaryAt + 8, blank(32), derived},
		{"volume", primaryAt + 40, padded(o.Label, 32), derived},
		{"volume set", primaryAt + 190, blank(128), derived},
		{"publisher", primaryAt + 318, blank(128), derived},
		{"preparer", primaryAt + 446, blank(128), set},
		{"application", primaryAt + 574, blank(128), derived},
		{"copyright", primaryAt + 702, blank(37), derived},
		{"abstract", primaryAt + 739, blank(37), derived},
		{"bibliography", primaryAt + 776, blank(37), derived},
		{"created", primaryAt + 813, longEpoch, set},
		{"modified", primaryAt + 830, longEpoch, set},
		{"expires", primaryAt + 847, []byte("0000000000000000\x00"), set},
		{"effective", primaryAt + 864, []byte("0000000000000000\x00"), set},
		{"root's date", primaryAt + 156 + 18, shortEpoch, set},
		{"root's size", primaryAt + 156 + 10, both(root.size), derived},
	}
	catalog := int64(binary.LittleEndian.Uint32(m.bytes(bootAt+0x47, 4))) * 2048
	extents := map[string]Extent{}
	for _, e := range m.Extents {
		extents[e.Path] = e
	}
	efi := extents[o.EFI]
	fields = append(fields,
		field{"EFI boot image", catalog + 96 + 8, binary.LittleEndian.AppendUint32(nil, uint32(efi.Offset/2048)), set},
		field{"EFI boot image's sectors", catalog + 96 + 6, binary.LittleEndian.AppendUint16(nil, uint16(efi.Size/512)), set})
	for path, n := range tree.nodes {
		fields = append(fields, field{"date", n.at + 18, shortEpoch, set})
		if n.dir {
			fields = append(fields, field{"directory's size", n.at + 10, both(n.size), derived})
		}
		if e, ok := extents[path]; ok {
			fields = append(fields, field{"location", n.at + 2, both(e.Offset / 2048), set}, field{"size", n.at + 10, both(e.Size), set})
		}
		px, tf := n.at+int64(n.use["PX"]), n.at+int64(n.use["TF"])
		mode, links := int64(0o100444), int64(1)
		if n.dir {
			mode, links = 0o040555, 2
			for other, sub := range tree.nodes {
				if sub.dir && strings.HasSuffix(other, "/..") && sub.off == n.off {
					links++
				}
			}
		}
		fields = append(fields,
			field{"mode", px + 4, both(mode), set},
			field{"links", px + 12, both(links), set},
			field{"owner", px + 20, both(0), set},
			field{"group", px + 28, both(0), set},
			field{"inode", px + 36, both(n.off / 2048), set},
			field{"modified", tf + 5, shortEpoch, set},
			field{"read", tf + 12, shortEpoch, set},
			field{"changed", tf + 19, shortEpoch, set})
		if nm, ok := n.use["NM"]; ok {
			_, name := filepath.Split(path)
			fields = append(fields, field{"name", n.at + int64(nm) + 5, []byte(name), set})
		}
	}
	return fields
}

// TestISOFields tests each field that normaliseISO says it sets.
func TestISOFields(t *testing.T) {
	o := boots()
	m := mustISO(t, o)
	fields := isoFields(m, checkISO(t, m, o), o)
	testFields(t, rawISO(t, o), m, func(m *Image) error { return m.normaliseISO(o) }, fields)
}

// TestISOTable tests what go-diskfs writes and this package leaves: the boot catalog
// and the boot information table, by their specifications.
func TestISOTable(t *testing.T) {
	o := boots()
	m := mustISO(t, o)
	le := binary.LittleEndian
	record := m.bytes(17*2048, 2048)
	if want := "\x00CD001\x01EL TORITO SPECIFICATION"; string(record[:30]) != want || len(bytes.Trim(record[30:0x47], "\x00")) > 0 {
		t.Errorf("the boot record is %q", record[:0x4b])
	}
	catalog := m.bytes(int64(le.Uint32(record[0x47:]))*2048, 2048)
	sum := uint16(0)
	for i := 0; i < 32; i += 2 {
		sum += le.Uint16(catalog[i:])
	}
	if sum != 0 || catalog[0] != 1 || catalog[1] != 0 || catalog[30] != 0x55 || catalog[31] != 0xaa {
		t.Errorf("the validation entry is %x, with the sum %x", catalog[:32], sum)
	}
	bios := le.AppendUint32([]byte{0x88, 0, 0, 0, 0, 0, 4, 0}, uint32(m.Boot/2048))
	if !bytes.Equal(catalog[32:44], bios) {
		t.Errorf("the BIOS entry is %x, want %x", catalog[32:64], bios)
	}
	if want := []byte{0x91, 0xef, 1, 0}; !bytes.Equal(catalog[64:68], want) || catalog[96] != 0x88 || catalog[97] != 0 {
		t.Errorf("the EFI section is %x", catalog[64:128])
	}
	if len(bytes.Trim(catalog[128:], "\x00")) > 0 {
		t.Error("the boot catalog goes on")
	}
	image := o.Files[2].Data
	total := uint32(0)
	for i := 64; i < len(image); i += 4 {
		total += le.Uint32(image[i:])
	}
	table := image[:8:8]
	for _, n := range []uint32{16, uint32(m.Boot / 2048), uint32(len(image)), total} {
		table = le.AppendUint32(table, n)
	}
	if got, want := m.bytes(m.Boot, 64), append(table, make([]byte, 40)...); !bytes.Equal(got, want) {
		t.Errorf("the boot information table is\n%x, want\n%x", got, want)
	}
}
