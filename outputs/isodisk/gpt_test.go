package isodisk

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/uuid"
)

// disk is a table of an ESP and of a partition for data.
func disk() Table {
	return Table{
		GUID: uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff"),
		Boot: bytes.Repeat([]byte{0x90}, 440),
		Partitions: []Partition{
			{3, Linux, uuid.MustParse("10112233-4455-6677-8899-aabbccddeeff"), "data", 6 << 20, 512},
			{1, ESP, uuid.MustParse("20112233-4455-6677-8899-aabbccddeeff"), "EFI system partition", 1 << 20, 5 << 20},
		},
	}
}

// mixed is a GUID as a disk has it: its first three parts are little endian.
func mixed(g uuid.UUID) []byte {
	return []byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]}
}

// TestTable tests each byte of a table, by UEFI 2.10, 5.2.3 and 5.3.
func TestTable(t *testing.T) {
	table, size := disk(), DiskSize(6<<20+512)
	m := mustPartition(t, &Image{}, table, size)
	le := binary.LittleEndian
	sectors := uint64(size / 512)
	entries := make([]byte, 128*128)
	for _, p := range table.Partitions {
		e := entries[128*(p.Number-1):]
		copy(e, mixed(uuid.MustParse(p.Type)))
		copy(e[16:], mixed(p.GUID))
		le.PutUint64(e[32:], uint64(p.Offset/512))
		le.PutUint64(e[40:], uint64((p.Offset+p.Size)/512-1))
		for i, c := range p.Name {
			le.PutUint16(e[56+2*i:], uint16(c))
		}
	}
	header := func(at, other, array uint64) []byte {
		b := append([]byte("EFI PART"), 0, 0, 1, 0, 92, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		for _, n := range []uint64{at, other, 34, sectors - 34} {
			b = le.AppendUint64(b, n)
		}
		b = le.AppendUint64(append(b, mixed(table.GUID)...), array)
		b = le.AppendUint32(append(b, 128, 0, 0, 0, 128, 0, 0, 0), crc32.ChecksumIEEE(entries))
		le.PutUint32(b[16:], crc32.ChecksumIEEE(b))
		return append(b, make([]byte, 512-len(b))...)
	}
	master := append(bytes.Clone(table.Boot), 0x00, 0x11, 0x22, 0x33, 0, 0, 0x80, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0)
	master = le.AppendUint32(master, uint32(sectors-1))
	master = append(append(master, make([]byte, 48)...), 0x55, 0xaa)
	for _, f := range []field{
		{name: "master boot record", at: 0, want: master},
		{name: "header", at: 512, want: header(1, sectors-1, 2)},
		{name: "entries", at: 1024, want: entries},
		{name: "copy of the entries", at: size - 33*512, want: entries},
		{name: "copy of the header", at: size - 512, want: header(sectors-1, 1, sectors-33)},
	} {
		if got := m.bytes(f.at, len(f.want)); !bytes.Equal(got, f.want) {
			t.Errorf("%s at %d is\n%x, want\n%x", f.name, f.at, got, f.want)
		}
	}
	if m.Size != size {
		t.Errorf("a disk of %d bytes, want %d", m.Size, size)
	}
}

// TestMasterFields tests each field of the master boot record that go-diskfs leaves.
func TestMasterFields(t *testing.T) {
	table, size := disk(), DiskSize(6<<20+512)
	raw := &Image{Size: size}
	alone := gpt.Table{LogicalSectorSize: Sector, PhysicalSectorSize: Sector, GUID: table.GUID.String(), ProtectiveMBR: true}
	for _, p := range table.Partitions {
		alone.Partitions = append(alone.Partitions, &gpt.Partition{
			Index: p.Number, Type: gpt.Type(p.Type), GUID: p.GUID.String(), Name: p.Name,
			Start: uint64(p.Offset / 512), End: uint64((p.Offset+p.Size)/512 - 1),
		})
	}
	if err := alone.Write(storage{&raw.memory}, size); err != nil {
		t.Fatal(err)
	}
	settle := func(m *Image) error { m.master(table); return nil }
	testFields(t, raw, mustPartition(t, &Image{}, table, size), settle, []field{
		{"code", 0, table.Boot, set},
		{"disk's number", 440, table.GUID[:4], set},
		{"active", 446, []byte{0x80}, set},
		{"first sector", 447, []byte{0, 2, 0}, set},
		{"last sector", 451, []byte{0xff, 0xff, 0xff}, set},
	})
	t.Run("nothing to boot", func(t *testing.T) {
		table.Boot = nil
		m := mustPartition(t, &Image{}, table, size)
		if m.bytes(446, 1)[0] != 0 || len(bytes.Trim(m.bytes(0, 446), "\x00")) > 0 {
			t.Error("the protective partition is active, or something is before it")
		}
	})
	t.Run("over 2 TiB", func(t *testing.T) {
		m := mustPartition(t, &Image{}, table, 3<<40)
		if got := m.bytes(458, 4); !bytes.Equal(got, []byte{0xff, 0xff, 0xff, 0xff}) {
			t.Errorf("the protective partition has %x sectors", got)
		}
	})
}

// TestHybrid puts a table into an ISO volume: neither touches the other, but that the
// volume says of itself that it is as large as the disk.
func TestHybrid(t *testing.T) {
	o := boots()
	m := mustISO(t, o)
	before, size, efi := clone(m), m.Size, m.Extents[0]
	esp := Partition{1, ESP, uuid.MustParse("20112233-4455-6677-8899-aabbccddeeff"), "EFI system partition", efi.Offset, efi.Size}
	mustPartition(t, m, Table{GUID: uuid.UUID{1}, Boot: make([]byte, 440), Partitions: []Partition{esp}}, DiskSize(m.Size))
	blocks := binary.LittleEndian.AppendUint32(nil, uint32(m.Size/block))
	before.put(primaryAt+volumeBlocks, binary.BigEndian.AppendUint32(blocks, uint32(m.Size/block))...)
	if !bytes.Equal(before.bytes(32<<10, 1<<20), m.bytes(32<<10, 1<<20)) {
		t.Error("the volume is another one")
	}
	m.Written(size, m.Size-33*512, func(off int64, data []byte) {
		if len(bytes.Trim(data, "\x00")) > 0 {
			t.Errorf("there is something at %d, between the volume and the copy of the table", off)
		}
	})
	if m.Size%(1<<20) != 0 || m.Size < size+33*512 || m.Size > size+2<<20 {
		t.Errorf("a disk of %d bytes for a volume of %d", m.Size, size)
	}
}
