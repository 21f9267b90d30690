package contents

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// fatReader reads a FAT volume (Microsoft, "FAT: General Overview of On-Disk
// Format", version 1.03).
type fatReader struct {
	*reader
	v        Volume
	bits     int    // of an entry of the table: 12, 16 or 32
	table    int64  // where the first table is, in the image
	data     int64  // where cluster 2 is
	cluster  int64  // bytes of one
	clusters uint32 // how many there are, from 2 on
	used     []byte // a bit for each cluster, of which content was found
	window   []byte // of the table
	windowAt int64
}

// readFAT reads the volume in n bytes at off.
func (d *reader) readFAT(name string, off, n int64) error {
	f := &fatReader{reader: d, v: Volume{Name: name, Offset: off}}
	b, err := d.head(off, diskSector)
	if err != nil {
		return err
	}
	if len(b) < diskSector || n < diskSector {
		return invalid("%w: no boot sector", io.ErrUnexpectedEOF)
	}
	root, err := f.layout(b, n)
	if err != nil {
		return err
	}
	if err := f.checkCopies(b); err != nil {
		return err
	}
	f.used = make([]byte, f.clusters/8+1)
	if err := f.tree(root); err != nil {
		return err
	}
	return d.keep(f.v)
}

// rootDir is where the root directory is: at a place of its own, or in clusters.
type rootDir struct {
	off, size int64
	cluster   uint32
}

// layout reads the boot sector of a volume for which there are n bytes ("Boot
// Sector and BPB", "FAT Type Determination").
func (f *fatReader) layout(b []byte, n int64) (root rootDir, err error) {
	le := binary.LittleEndian
	sector, per := int64(le.Uint16(b[11:])), int64(b[13])
	reserved, tables, rootEntries := int64(le.Uint16(b[14:])), int64(b[16]), int64(le.Uint16(b[17:]))
	total, tableSize := int64(le.Uint16(b[19:])), int64(le.Uint16(b[22:]))
	if total == 0 {
		total = int64(le.Uint32(b[32:]))
	}
	wide := tableSize == 0
	if wide {
		tableSize = int64(le.Uint32(b[36:]))
	}
	switch {
	case b[510] != 0x55 || b[511] != 0xaa:
		return root, invalid("its boot sector has not its signature, 55 AA")
	case sector < 512 || sector > 4096 || sector&(sector-1) != 0 || per == 0 || per&(per-1) != 0 || reserved == 0 || tables < 1 || tables > 2 || tableSize == 0:
		return root, invalid("no FAT: %d bytes a sector, %d sectors a cluster, %d reserved, %d tables of %d", sector, per, reserved, tables, tableSize)
	case total*sector > n:
		return root, invalid("%w: a volume of %d bytes in %d", io.ErrUnexpectedEOF, total*sector, n)
	}
	dir := (rootEntries*32 + sector - 1) / sector
	front := reserved + tables*tableSize + dir
	if front >= total {
		return root, invalid("%w: %d sectors, of which %d stand before the first cluster", io.ErrUnexpectedEOF, total, front)
	}
	f.v.Size, f.table, f.data, f.cluster = total*sector, f.v.Offset+reserved*sector, f.v.Offset+front*sector, per*sector
	f.clusters = uint32((total - front) / per)
	switch {
	case f.clusters < 4085:
		f.bits = 12
	case f.clusters < 65525:
		f.bits = 16
	default:
		f.bits = 32
	}
	if wide != (f.bits == 32) || tableSize*sector*8 < (int64(f.clusters)+2)*int64(f.bits) || wide && rootEntries != 0 || f.clusters > 1<<28-16 {
		return root, invalid("%d clusters, which are FAT%d, and tables of %d sectors", f.clusters, f.bits, tableSize)
	}
	f.v.Kind = fmt.Sprintf("FAT%d", f.bits)
	ext := b[36:]
	if root = (rootDir{off: f.data - dir*sector, size: rootEntries * 32}); wide {
		root.cluster, ext = le.Uint32(b[44:]), b[64:]
	}
	if ext[2] == 0x29 {
		serial := le.Uint32(ext[3:])
		f.v.Serial = fmt.Sprintf("%04X-%04X", serial>>16, serial&0xffff)
		if f.v.Label = strings.TrimRight(string(ext[7:18]), " "); f.v.Label == "NO NAME" {
			f.v.Label = ""
		}
	}
	return root, nil
}

// checkCopies holds the second table against the first, and of FAT32 the copy of the
// boot sector.
func (f *fatReader) checkCopies(b []byte) error {
	le := binary.LittleEndian
	sector, size := int64(le.Uint16(b[11:])), int64(le.Uint16(b[22:]))
	if f.bits == 32 {
		size = int64(le.Uint32(b[36:]))
		if flags := le.Uint16(b[40:]); flags&0x80 != 0 {
			return invalid("its tables are not the same, by its flags %#x, which is not read", flags)
		}
		if backup := int64(le.Uint16(b[50:])); backup != 0 && backup != 0xffff {
			c, err := f.head(f.v.Offset+backup*sector, diskSector)
			if err != nil {
				return err
			}
			if string(c) != string(b) {
				return located(f.v.Offset+backup*sector, "backup of the boot sector", invalid("it is not the same"))
			}
		}
	}
	first, err := f.digest(f.table, size*sector)
	if err != nil || b[16] == 1 {
		return err
	}
	second, err := f.digest(f.table+size*sector, size*sector)
	if err == nil && first != second {
		err = located(f.table+size*sector, "second table", invalid("it is not the same as the first"))
	}
	return err
}

// next returns the entry of a cluster in the table: the cluster that follows.
func (f *fatReader) next(c uint32) (uint32, error) {
	at := f.table + int64(c)*int64(f.bits)/8
	if at < f.windowAt || at+4 > f.windowAt+int64(len(f.window)) {
		var err error
		if f.window, err = f.head(at, 4096); err != nil {
			return 0, err
		}
		f.windowAt = at
	}
	b := f.window[at-f.windowAt:]
	le := binary.LittleEndian
	switch {
	case len(b) < 4:
		return 0, invalid("%w: the entry of cluster %d", io.ErrUnexpectedEOF, c)
	case f.bits == 32:
		return le.Uint32(b) & 0x0fffffff, nil
	case f.bits == 16:
		return uint32(le.Uint16(b)), nil
	case c%2 == 1:
		return uint32(le.Uint16(b)) >> 4, nil
	}
	return uint32(le.Uint16(b)) & 0xfff, nil
}

// end is the least entry that ends a chain.
func (f *fatReader) end() uint32 {
	return map[int]uint32{12: 0xff8, 16: 0xfff8, 32: 0x0ffffff8}[f.bits]
}

// chain calls take with each piece of the content that begins with a cluster, up to
// limit bytes, and returns how many clusters it has. No cluster may be found twice.
func (f *fatReader) chain(first uint32, take func(off, n int64) error) (n int64, err error) {
	begin, length := first, uint32(0)
	for c := first; ; {
		if c < 2 || c-2 >= f.clusters {
			return n, located(f.table, "table", invalid("cluster %d, of %d", c, f.clusters))
		}
		if f.used[c/8]&(1<<(c%8)) != 0 {
			return n, located(f.table, "table", invalid("cluster %d is in two files, or twice in one", c))
		}
		f.used[c/8] |= 1 << (c % 8)
		n, length = n+1, length+1
		next, err := f.next(c)
		if err != nil {
			return n, err
		}
		if next == c+1 {
			c = next
			continue
		}
		if err := take(f.data+int64(begin-2)*f.cluster, int64(length)*f.cluster); err != nil || next >= f.end() {
			return n, err
		}
		c, begin, length = next, next, 0
	}
}
