package contents_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
)

// recordOf returns where the directory record of a name begins.
func recordOf(t testing.TB, b []byte, name string) int {
	t.Helper()
	field := bytes.Index(b, append([]byte{'N', 'M', byte(5 + len(name)), 1, 0}, name...))
	at := field - field%2048
	for field >= 0 && at+int(b[at]) <= field {
		at += int(b[at])
	}
	if field < 0 {
		t.Fatalf("no record of %s", name)
	}
	return at
}

// fieldOf returns where a field of Rock Ridge is in the record of a name.
func fieldOf(t testing.TB, b []byte, name, kind string) int {
	t.Helper()
	at := recordOf(t, b, name)
	i := bytes.Index(b[at:at+int(b[at])], []byte(kind))
	if i < 0 {
		t.Fatalf("no %s of %s", kind, name)
	}
	return at + i
}

// setBoth sets a number that is stored in both orders.
func setBoth(b []byte, n uint32) {
	binary.LittleEndian.PutUint32(b, n)
	binary.BigEndian.PutUint32(b[4:], n)
}

// summed works out the checksums of both copies of the partition table, as far as
// it is in the image.
func summed(b []byte) {
	le := binary.LittleEndian
	for _, at := range []int{512, len(b) - 512} {
		h := b[at : at+512]
		from, n := 512*min(le.Uint64(h[72:]), 1<<40), uint64(le.Uint32(h[80:]))*uint64(le.Uint32(h[84:]))
		if from < uint64(len(b)) && n <= uint64(len(b))-from {
			le.PutUint32(h[88:], crc32.ChecksumIEEE(b[from:from+n]))
		}
		if le.Uint32(h[12:]) > 512 {
			continue
		}
		le.PutUint32(h[16:], 0)
		le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:le.Uint32(h[12:])]))
	}
}

// entryOf is an entry of both copies of the partition table.
func entryOf(b []byte, n int) [2][]byte {
	le := binary.LittleEndian
	of := func(at int) []byte { return b[512*int(le.Uint64(b[at+72:]))+128*n:][:128] }
	return [2][]byte{of(512), of(len(b) - 512)}
}

// badMedium is an image that is changed in one place, and what is said of it.
type badMedium struct {
	name, want string
	change     func(b []byte)
}

func checkBad(t *testing.T, image string, tests []badMedium) {
	t.Helper()
	data := foreign(t, image)
	for _, tt := range tests {
		b := bytes.Clone(data)
		tt.change(b)
		if bytes.Equal(b, data) {
			t.Errorf("%s: nothing is changed", tt.name)
		}
		_, err := read(t, b)
		if !errors.Is(err, contents.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
}

func TestBadISO(t *testing.T) {
	le := binary.LittleEndian
	const pvd, catalog, image = 32768, 67584, 69632
	checkBad(t, "foreign.iso", []badMedium{
		{"a number in one order", "volume descriptor at byte 32768: invalid: a number that is 40 lowest byte first, and 41", func(b []byte) { b[pvd+80]--; b[pvd+87] = 41; b[pvd+80] = 40 }},
		{"a volume too large", "unexpected EOF: a volume of 20480000 bytes in a file of 182272", func(b []byte) { setBoth(b[pvd+80:], 10000) }},
		{"an empty volume", "a volume of 0 bytes", func(b []byte) { setBoth(b[pvd+80:], 0) }},
		{"other blocks", "blocks of 512 or 2048 bytes", func(b []byte) { le.PutUint16(b[pvd+128:], 512) }},
		{"another version", "does not begin with", func(b []byte) { b[pvd+6] = 2 }},
		{"no primary", "no primary one before the last", func(b []byte) { b[pvd] = 3 }},
		{"no last", `volume descriptor at byte 38912: invalid: it does not begin with "CD001"`, func(b []byte) { b[36864] = 3 }},
		{"a date", `the date "x026`, func(b []byte) { b[pvd+813] = 'x' }},
		{"a month", "the date [120 13", func(b []byte) { b[recordOf(t, b, "empty")+19] = 13 }},
		{"a short record", "a directory record of 33 bytes", func(b []byte) { b[recordOf(t, b, "empty")] = 33 }},
		{"a long record", "a directory record of 35 bytes, with 34 left", func(b []byte) { b[pvd+156] = 35 }},
		{"interleaved", "with attributes or interleaved", func(b []byte) { b[recordOf(t, b, "empty")+26] = 1 }},
		{"a directory of another", "record 1 of \"\" is not that of the directory", func(b []byte) { setBoth(b[2048*le.Uint32(b[pvd+156+2:])+2:], 1) }},
		{"a directory in itself", `"deep/er/est" is one that was read before`, func(b []byte) { copy(b[recordOf(t, b, "est")+2:][:16], b[recordOf(t, b, "er")+2:]) }},
		{"a directory of odd size", `"deep", of 2049 bytes`, func(b []byte) { setBoth(b[recordOf(t, b, "deep")+10:], 2049) }},
		{"a large directory", `unexpected EOF: "deep", of 134217728 bytes`, func(b []byte) { setBoth(b[recordOf(t, b, "deep")+10:], 1<<27) }},
		{"a path table elsewhere", "path table at byte 20480000: invalid: unexpected EOF", func(b []byte) { le.PutUint32(b[pvd+140:], 10000) }},
		{"a short path table", "record 7", func(b []byte) { n := le.Uint32(b[pvd+132:]); setBoth(b[pvd+132:], n-2) }},
		{"a path table that lacks one", "6 records for 7 directories", func(b []byte) { n := le.Uint32(b[pvd+132:]); setBoth(b[pvd+132:], n-12) }},
		{"a path table of others", "record 2 is for byte", func(b []byte) { b[2048*binary.BigEndian.Uint32(b[pvd+148:])+10+5]++ }},
		{"a path table with other parents", "in the directory of record 3: the directories say something else", func(b []byte) { b[2048*le.Uint32(b[pvd+140:])+10+6] = 3 }},
		{"a file behind the end", `unexpected EOF: "boot/kernel", of 1088 bytes at byte 163840000`, func(b []byte) { setBoth(b[recordOf(t, b, "kernel")+2:], 80000) }},
		{"a file before the volume", `"boot/kernel", of 1088 bytes at byte 0`, func(b []byte) { setBoth(b[recordOf(t, b, "kernel")+2:], 0) }},
		{"a file over another", `"isolinux/isolinux.cfg" overlaps "boot/initrd.img"`, func(b []byte) { setBoth(b[recordOf(t, b, "initrd.img")+10:], 3000) }},
		{"a file that goes on", "in pieces that do not follow each other", func(b []byte) { b[recordOf(t, b, "again")+25] |= 0x80 }},
		{"no mode", `has no mode`, func(b []byte) { copy(b[fieldOf(t, b, "empty", "PX"):], "XX") }},
		{"another type", "not of the type that its mode says", func(b []byte) { setBoth(b[fieldOf(t, b, "empty", "PX")+4:], 0o40755) }},
		{"an unknown type", "the mode 140755", func(b []byte) { setBoth(b[fieldOf(t, b, "empty", "PX")+4:], 0o140755) }},
		{"a directory elsewhere", `the field "CL", which is not read`, func(b []byte) { copy(b[fieldOf(t, b, "empty", "TF"):], "CL") }},
		{"a long field", `the field "TF" of 200 bytes`, func(b []byte) { b[fieldOf(t, b, "empty", "TF")+2] = 200 }},
		{"a short field", `the field "PX" of 5 bytes`, func(b []byte) { b[fieldOf(t, b, "empty", "PX")+2] = 5 }},
		{"a name with a slash", `the name "em/ty"`, func(b []byte) { b[fieldOf(t, b, "empty", "NM")+7] = '/' }},
		{"a name that leads out", `the name ".."`, func(b []byte) { copy(b[fieldOf(t, b, "er", "NM")+5:], "..") }},
		{"a name twice", `"empty" is in the volume twice`, func(b []byte) { copy(b[fieldOf(t, b, "again", "NM")+5:], "empty") }},
		{"fields without end", "more than 64 areas of fields", func(b []byte) {
			at := bytes.Index(b, []byte("CE\x1c\x01"))
			setBoth(b[at+4:], uint32(at/2048))
			setBoth(b[at+12:], uint32(at%2048))
			setBoth(b[at+20:], 28)
		}},
		{"fields over a sector", "fields that go on at byte", func(b []byte) { setBoth(b[bytes.Index(b, []byte("CE\x1c\x01"))+20:], 2049) }},
		{"a bit of the initramfs", "boot/initrd.img at byte 77824: gzip at byte 77824: member at byte 77824: invalid: ", func(b []byte) { b[77824+40] ^= 1 }},
		{"a kernel that is cut", "boot/kernel at byte 73728: invalid: unexpected EOF: a bzImage of", func(b []byte) { b[73728+0x1f5] = 1 }},
		{"the catalog's checksum", "boot catalog at byte 67584: invalid: its first entry", func(b []byte) { b[catalog+4] = 'x' }},
		{"the catalog's place", "boot catalog at byte 2048000: invalid: unexpected EOF", func(b []byte) { le.PutUint32(b[34816+0x47:], 1000) }},
		{"the catalog's entry", "an entry with the mark 0x89", func(b []byte) { b[catalog+32] = 0x89 }},
		{"the catalog's sections", "an entry with the mark 0x77", func(b []byte) { b[catalog+64] = 0x77 }},
		{"no boot image", "an entry with the mark 0x45", func(b []byte) { b[catalog+66] = 2; b[catalog+128] = 0x45 }},
		{"too many boot images", "unexpected EOF: 39 entries are not there", func(b []byte) { b[catalog+66] = 100 }},
		{"a boot image behind the end", "a boot image of 2048 bytes at byte 2048000", func(b []byte) { le.PutUint32(b[catalog+40:], 1000) }},
		{"a boot image with another checksum", "boot image at byte 69632: invalid: its checksum is", func(b []byte) { b[image+100]++ }},
		{"a boot image of another size", "its boot information says 2999 bytes, and it has 3000", func(b []byte) { le.PutUint32(b[image+16:], 2999) }},
	})
}

func TestBadTable(t *testing.T) {
	le := binary.LittleEndian
	end := len(foreign(t, "foreign.iso")) - 512
	checkBad(t, "foreign.iso", []badMedium{
		{"no boot record", "boot record at byte 0: invalid: it has not its signature", func(b []byte) { b[510] = 0 }},
		{"no table", `partition table at byte 512: invalid: it does not begin with "EFI PART"`, func(b []byte) { b[512] = 'e' }},
		{"another revision", "a header of revision 0x20000", func(b []byte) { b[522] = 2 }},
		{"a small header", "of revision 0x10000 and 91 bytes", func(b []byte) { le.PutUint32(b[524:], 91) }},
		{"a bit of the header", "the header's checksum is", func(b []byte) { b[512+60] ^= 1 }},
		{"a bit of a partition", "the partitions' checksum is", func(b []byte) { entryOf(b, 0)[0][60] ^= 1 }},
		{"a bit of the backup", "backup of the partition table at byte 181760: invalid: the header's checksum", func(b []byte) { b[end+60] ^= 1 }},
		{"a bit of a partition of the backup", "backup of the partition table at byte 181760: invalid: the partitions' checksum is", func(b []byte) { entryOf(b, 0)[1][60] ^= 1 }},
		{"another backup", "it says something else than the table", func(b []byte) { entryOf(b, 0)[1][60] ^= 1; summed(b) }},
		{"a header elsewhere", "the header is in sector 1, and says 2", func(b []byte) { b[512+24] = 2; summed(b) }},
		{"a backup elsewhere", "its backup is in sector 300, and the last sector is 355", func(b []byte) { le.PutUint64(b[512+32:], 300); summed(b) }},
		{"no partitions", "0 partitions of 128 bytes", func(b []byte) { le.PutUint32(b[512+80:], 0); summed(b) }},
		{"large partitions", "of 130 bytes", func(b []byte) {
			le.PutUint32(b[512+84:], 130)
			le.PutUint32(b[512+80:], 1)
			summed(b)
		}},
		{"partitions outside", "partitions in sector 9007199254740992, for sectors", func(b []byte) {
			h := b[512:1024]
			le.PutUint64(h[72:], 1<<63)
			le.PutUint32(h[16:], 0)
			le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
		}},
		{"partitions over the table", "are not all free", func(b []byte) { b[512+40], b[end+40] = 3, 3; summed(b) }},
		{"a partition outside", "partition 2 is in sectors 164 to 9007199254740992, outside of 64 to", func(b []byte) {
			for _, e := range entryOf(b, 1) {
				le.PutUint64(e[40:], 1<<62)
			}
			summed(b)
		}},
		{"partitions over each other", "partitions 1 and 2 overlap", func(b []byte) {
			for _, e := range entryOf(b, 0) {
				le.PutUint64(e[40:], 164)
			}
			summed(b)
		}},
	})
	checkBad(t, "foreign.img", []badMedium{
		{"no protection", "no entry that protects the GUID partition table", func(b []byte) { b[450] = 0x83 }},
		{"no FAT", "partition 2 at byte 38797312: invalid: its boot sector has not its signature", func(b []byte) { b[38797312+510] = 0 }},
	})
}

func TestBadFAT(t *testing.T) {
	le := binary.LittleEndian
	const vol = 83968 // FAT12 of 128 sectors, 4 a cluster, 1 reserved, 2 tables of 1 sector
	table := vol + 512
	entry := func(b []byte) []byte { return b[bytes.Index(b, []byte("BOOTX64 EFI")):][:32] }
	both := func(b []byte, at int, v byte) { b[table+at], b[table+512+at] = v, v }
	checkBad(t, "foreign.iso", []badMedium{
		{"a signature", "partition 2 at byte 83968: invalid: its boot sector has not its signature", func(b []byte) { b[vol+511] = 0 }},
		{"sectors of 0 bytes", "no FAT: 0 bytes a sector", func(b []byte) { le.PutUint16(b[vol+11:], 0) }},
		{"clusters of 3 sectors", "3 sectors a cluster", func(b []byte) { b[vol+13] = 3 }},
		{"no tables", "0 tables", func(b []byte) { b[vol+16] = 0 }},
		{"too many sectors", "unexpected EOF: a volume of 66048 bytes in 65536", func(b []byte) { le.PutUint16(b[vol+19:], 129) }},
		{"too few sectors", "stand before the first cluster", func(b []byte) { le.PutUint16(b[vol+19:], 5) }},
		{"a large root", "stand before the first cluster", func(b []byte) { le.PutUint16(b[vol+17:], 65535) }},
		{"FAT32 with few clusters", "clusters, which are FAT12, and tables of", func(b []byte) { le.PutUint16(b[vol+22:], 0); le.PutUint32(b[vol+36:], 1) }},
		{"another copy", "second table at byte 84992: invalid: it is not the same", func(b []byte) { b[table+512+20] ^= 1 }},
		{"a cluster outside", "cluster 4", func(b []byte) { le.PutUint16(entry(b)[26:], 4000) }},
		{"no cluster", "cluster 0, of", func(b []byte) { le.PutUint16(entry(b)[26:], 0) }},
		{"a cluster in two files", "cluster 2 is in two files, or twice in one", func(b []byte) { le.PutUint16(entry(b)[26:], 2) }},
		{"a chain without end", "cluster 4 is in two files, or twice in one", func(b []byte) { both(b, 6, 0x04); both(b, 7, b[table+7]&0xf0) }},
		{"a chain to a free cluster", "cluster 0, of", func(b []byte) { both(b, 6, 0); both(b, 7, b[table+7]&0xf0) }},
		{"too many bytes", "100000 bytes in 1 clusters", func(b []byte) { le.PutUint32(entry(b)[28:], 100000) }},
		{"no bytes in a cluster", "0 bytes in 1 clusters", func(b []byte) { le.PutUint32(entry(b)[28:], 0) }},
		{"a directory with bytes", "is a directory of 5 bytes", func(b []byte) { entry(b)[11] = 0x10 }},
		{"a date", "the date 0x51f1", func(b []byte) { le.PutUint16(entry(b)[24:], 0x51f1) }},
		{"a time", "and time 0x001f", func(b []byte) { le.PutUint16(entry(b)[22:], 31) }},
		{"a name with a slash", `the name "B/OTX64.EFI"`, func(b []byte) { entry(b)[1] = '/' }},
	})
	const big = 1 << 20
	last := func(b []byte) []byte { // the piece of a long name that stands first
		return b[bytes.Index(b, []byte("ALONGN~1TXT"))-64:][:64]
	}
	checkBad(t, "foreign.img", []badMedium{
		{"the copy of the boot sector", "backup of the boot sector at byte 1051648: invalid: it is not the same", func(b []byte) { b[big+6*512+3] ^= 1 }},
		{"tables that differ", "by its flags 0x80, which is not read", func(b []byte) { b[big+40] |= 0x80 }},
		{"a long name of another", "that does not belong to", func(b []byte) { last(b)[13] ^= 1; last(b)[32+13] ^= 1 }},
		{"pieces that do not belong together", "pieces of a long name that do not", func(b []byte) { last(b)[13] ^= 1 }},
		{"a piece that is missing", "pieces of a long name that do not", func(b []byte) { last(b)[0]++ }},
		{"a piece without the last", "pieces of a long name that do not", func(b []byte) { last(b)[0] = 0xe5 }},
		{"two last pieces", "a long name that belongs to no file", func(b []byte) { last(b)[32] |= 0x40 }},
	})
}

// FuzzMedia changes bytes of images: three bytes say where, one to what. What is read
// nevertheless lies in the file.
func FuzzMedia(f *testing.F) {
	images := [][]byte{foreign(f, "foreign.iso"), unified(f)}
	f.Add(uint8(0), []byte{})
	f.Add(uint8(1), []byte{})
	for _, at := range []int{32768 + 80, 32768 + 158, 41000, 45056, 67584, 83968 + 13, 84480 + 6, 86000, 512 + 72} {
		f.Add(uint8(0), []byte{byte(at), byte(at >> 8), byte(at >> 16), 0xff})
	}
	f.Add(uint8(1), []byte{0x3c, 0, 0, 0xff})
	f.Fuzz(func(t *testing.T, which uint8, changes []byte) {
		data := bytes.Clone(images[int(which)%len(images)])
		for ; len(changes) >= 4; changes = changes[4:] {
			data[(int(changes[0])|int(changes[1])<<8|int(changes[2])<<16)%len(data)] = changes[3]
		}
		if which&0x80 != 0 {
			summed(data)
		}
		img, err := read(t, data)
		if err != nil {
			if !errors.Is(err, contents.ErrInvalid) && !errors.Is(err, contents.ErrUnknown) {
				t.Fatal(err)
			}
			return
		}
		size := int64(len(data))
		for _, p := range img.Parts {
			if p.Offset < 0 || p.Size < 0 || p.Size > size-p.Offset {
				t.Fatalf("part %+v of %d bytes", p, size)
			}
		}
		for _, v := range img.Volumes {
			if v.Offset < 0 || v.Size <= 0 || v.Size > size-v.Offset {
				t.Fatalf("volume %+v of %d bytes", v, size)
			}
			for _, e := range v.Files {
				if e.Offset < -1 || e.Offset >= 0 && e.Size > size-e.Offset || e.Size < 0 || (e.Type == rootfs.File) != (e.Digest != rootfs.Digest{}) {
					t.Fatalf("%+v of %d bytes", e, size)
				}
			}
		}
	})
}
