package contents

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"unicode/utf16"
)

// diskSector is the size of a sector of a disk, bytes.
const diskSector = 512

// maxTable is how many bytes of partitions are read: 128 of 128 bytes are usual.
const maxTable = 1 << 20

// gptMagic begins the header of a GUID partition table, in the second sector (UEFI
// table 5.5).
const gptMagic = "EFI PART"

// espType is the type of an EFI system partition (UEFI table 5.7).
const espType = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"

// partitionKind returns what a type is called.
func partitionKind(t string) string {
	switch t {
	case espType, "0xEF":
		return "EFI system"
	case "0FC63DAF-8483-4772-8E79-3D69D8477DE4":
		return "Linux filesystem"
	case "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7":
		return "basic data"
	case "21686148-6449-6E6F-744E-656564454649":
		return "BIOS boot"
	case "0xEE":
		return "protective"
	}
	return ""
}

func digits(n int) string { return strconv.Itoa(n) }

// isGPT tells a disk with a GUID partition table by its first bytes.
func isGPT(head []byte) bool {
	return len(head) > diskSector+len(gptMagic) && string(head[diskSector:diskSector+len(gptMagic)]) == gptMagic
}

// readTable reads the boot record and the GUID partition table, of which the first
// bytes are given. An image without a boot record has none of them.
func (d *reader) readTable(head []byte, need bool) error {
	if string(head[510:512]) != "\x55\xaa" {
		if need || isGPT(head) {
			return located(0, "boot record", invalid("it has not its signature, 55 AA"))
		}
		return nil
	}
	le := binary.LittleEndian
	t := &Table{Code: len(bytes.Trim(head[:440], "\x00")) > 0, ID: le.Uint32(head[440:])}
	d.img.Table = t
	protected := false
	for i := range 4 {
		r := head[446+16*i:][:16]
		if len(bytes.Trim(r, "\x00")) == 0 {
			continue
		}
		first := int64(le.Uint32(r[8:]))
		p := Partition{Number: i + 1, Type: fmt.Sprintf("0x%02X", r[4]), Active: r[0] == 0x80, First: first, Last: first + int64(le.Uint32(r[12:])) - 1}
		p.Kind = partitionKind(p.Type)
		protected = protected || r[4] == 0xee
		t.Records = append(t.Records, p)
	}
	switch {
	case protected:
		return d.readGPT(t)
	case need:
		return located(0, "boot record", invalid("it has no entry that protects the GUID partition table"))
	}
	return nil // isohybrid writes a GUID partition table without one, whose partitions overlap
}

// gpt is a header of a GUID partition table, and the partitions that it describes.
type gpt struct {
	at, other, first, last int64 // sectors: of itself, of the other one, and of what can be used
	guid                   string
	table                  int64 // sector of the partitions
	count, each            int64 // of them; bytes
	entries                []byte
}

// readGPT reads both copies of the table, which must be the same.
func (d *reader) readGPT(t *Table) error {
	a, err := d.readHeader(1)
	if err != nil {
		return located(diskSector, "partition table", err)
	}
	end := d.size/diskSector - 1
	if d.size%diskSector != 0 || a.other != end {
		return located(diskSector, "partition table", invalid("its backup is in sector %d, and the last sector is %d", a.other, end))
	}
	b, err := d.readHeader(end)
	if err != nil {
		return located(end*diskSector, "backup of the partition table", err)
	}
	if b.other != 1 || b.first != a.first || b.last != a.last || b.guid != a.guid || b.each != a.each || !bytes.Equal(a.entries, b.entries) {
		return located(end*diskSector, "backup of the partition table", invalid("it says something else than the table"))
	}
	if a.table*diskSector+int64(len(a.entries)) > a.first*diskSector || b.table <= a.last {
		return located(diskSector, "partition table", invalid("sectors %d to %d, which partitions may use, are not all free", a.first, a.last))
	}
	t.GUID = a.guid
	t.Partitions, err = a.partitions()
	return located(diskSector, "partition table", err)
}

// readHeader reads the header in a sector, and its partitions (UEFI table 5.5).
func (d *reader) readHeader(sector int64) (*gpt, error) {
	h, err := d.head(sector*diskSector, diskSector)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if len(h) < diskSector {
		return nil, invalid("%w", io.ErrUnexpectedEOF)
	}
	size := le.Uint32(h[12:])
	switch {
	case string(h[:8]) != gptMagic:
		return nil, invalid("it does not begin with %q", gptMagic)
	case le.Uint32(h[8:]) != 0x00010000 || size < 92 || size > diskSector:
		return nil, invalid("a header of revision %#x and %d bytes", le.Uint32(h[8:]), size)
	}
	sum := le.Uint32(h[16:])
	clear(h[16:20])
	if have := crc32.ChecksumIEEE(h[:size]); have != sum {
		return nil, invalid("the header's checksum is %08x, not %08x as it says", have, sum)
	}
	lba := func(at int) int64 { return int64(min(le.Uint64(h[at:]), 1<<53)) }
	g := &gpt{
		at: lba(24), other: lba(32), first: lba(40), last: lba(48), guid: guid(h[56:]), table: lba(72),
		count: int64(le.Uint32(h[80:])), each: int64(le.Uint32(h[84:])),
	}
	switch sectors := d.size / diskSector; {
	case g.at != sector:
		return nil, invalid("the header is in sector %d, and says %d", sector, g.at)
	case g.each < 128 || g.each%128 != 0 || g.count < 1 || g.count > maxTable/g.each:
		return nil, invalid("%d partitions of %d bytes", g.count, g.each)
	case g.last >= sectors && g.last < 1<<53:
		return nil, invalid("%w: it is for more than %d sectors, of which %d are there", io.ErrUnexpectedEOF, g.last, sectors)
	case g.table > sectors || g.first > g.last || g.last >= sectors:
		return nil, invalid("partitions in sector %d, for sectors %d to %d of %d", g.table, g.first, g.last, sectors)
	}
	g.entries, err = d.head(g.table*diskSector, int(g.count*g.each))
	if err != nil {
		return nil, err
	}
	if have := crc32.ChecksumIEEE(g.entries); have != le.Uint32(h[88:]) {
		return nil, invalid("the partitions' checksum is %08x, not %08x as the header says", have, le.Uint32(h[88:]))
	}
	return g, nil
}

// partitions returns those that are used (UEFI table 5.6). None may overlap another.
func (g *gpt) partitions() (all []Partition, err error) {
	le := binary.LittleEndian
	for i := range g.count {
		e := g.entries[i*g.each:][:g.each]
		if len(bytes.Trim(e[:16], "\x00")) == 0 {
			continue
		}
		p := Partition{Number: int(i) + 1, Type: guid(e), GUID: guid(e[16:]), First: int64(min(le.Uint64(e[32:]), 1<<53)), Last: int64(min(le.Uint64(e[40:]), 1<<53))}
		p.Kind, p.Name = partitionKind(p.Type), utf16Text(e[56:128])
		if p.First < g.first || p.Last > g.last || p.First > p.Last {
			return nil, invalid("partition %d is in sectors %d to %d, outside of %d to %d", p.Number, p.First, p.Last, g.first, g.last)
		}
		all = append(all, p)
	}
	sorted := slices.SortedFunc(slices.Values(all), func(a, b Partition) int { return int(a.First - b.First) })
	for i := range sorted {
		if i > 0 && sorted[i].First <= sorted[i-1].Last {
			return nil, invalid("partitions %d and %d overlap", sorted[i-1].Number, sorted[i].Number)
		}
	}
	return all, nil
}

// guid writes a GUID as it is written: its first three fields are stored with the
// lowest byte first (UEFI appendix A).
func guid(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08X-%04X-%04X-%X-%X", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

// utf16Text returns a text of two bytes a unit, up to its NUL.
func utf16Text(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		u := binary.LittleEndian.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}
