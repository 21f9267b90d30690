package isodisk

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// entrySize is the size of a directory entry, bytes.
const entrySize = 32

// fat is a FAT volume (Microsoft's FAT specification 1.03) that is being settled.
type fat struct {
	*Image
	table          []byte // the allocation table, of which there are two
	tableAt        int64  // bytes
	width          int    // of an entry of the table, bytes: 2 or 4
	rootAt         int64  // where FAT16 has its root directory
	rootEntries    int
	rootCluster    uint32 // where FAT32 has its root directory; 0 for FAT16
	dataAt         int64  // where cluster 2 begins
	cluster        int64  // bytes
	clusters       uint32 // the number of the last one
	sectors        uint32 // of the volume, of which each cluster has an entry in the table
	infoAt, backup int64  // FSInfo, and how far behind it and the boot sector their copies are; 0 for FAT16
	time           time.Time
	files          []File
	placed         map[string]Extent // of files without content that are still to be found, by upper-case path
	next           uint32            // the first free cluster
}

// readFAT reads the volume's geometry and table.
func (m *Image) readFAT() (*fat, error) {
	le := binary.LittleEndian
	b := m.bytes(0, Sector)
	reserved, tables, sectors := int64(le.Uint16(b[14:])), int64(b[16]), int64(le.Uint16(b[22:]))
	f := &fat{Image: m, width: 2, tableAt: reserved * Sector, rootEntries: int(le.Uint16(b[17:])), cluster: int64(b[13]) * Sector}
	if f.rootEntries == 0 {
		sectors = int64(le.Uint32(b[36:]))
		f.width, f.rootCluster = 4, le.Uint32(b[44:])
		f.infoAt, f.backup = int64(le.Uint16(b[48:]))*Sector, int64(le.Uint16(b[50:]))*Sector
	}
	f.rootAt = f.tableAt + tables*sectors*Sector
	f.dataAt = f.rootAt + int64(f.rootEntries)*entrySize
	if le.Uint16(b[11:]) != Sector || tables != 2 || f.cluster == 0 || sectors == 0 || f.dataAt >= m.Size || b[510] != 0x55 || b[511] != 0xaa {
		return nil, unknown("boot sector")
	}
	count := (m.Size - f.dataAt) / f.cluster
	missing := max(0, count+2-sectors*Sector/int64(f.width))
	if f.width == 2 && (count < 4085 || count >= 65525 || missing > 0) || f.width == 4 && (count < 65525+2 || missing > 2) {
		return nil, unknown("number of clusters")
	}
	f.clusters = uint32(count-missing) + 1
	f.sectors = uint32((m.Size - missing*f.cluster) / Sector)
	f.table = m.bytes(f.tableAt, int(sectors*Sector))
	return f, nil
}

// bootSectors are where the boot sector and its copy are.
func (f *fat) bootSectors() []int64 {
	if f.backup == 0 {
		return []int64{0}
	}
	return []int64{0, f.backup}
}

// serialAt is where a boot sector has the serial number.
func (f *fat) serialAt() int64 {
	if f.width == 2 {
		return 39
	}
	return 67
}

// at is where a cluster begins.
func (f *fat) at(cluster uint32) int64 { return f.dataAt + int64(cluster-2)*f.cluster }

// get and set are the entry of a cluster in the table: the next one of its file, 0
// where it is free, and [last] or more where there is no next one.
func (f *fat) get(cluster uint32) uint32 {
	if f.width == 2 {
		n := uint32(binary.LittleEndian.Uint16(f.table[cluster*2:]))
		if n >= 0xfff8 {
			return last
		}
		return n
	}
	return binary.LittleEndian.Uint32(f.table[cluster*4:]) & last
}

const last = 0x0fffffff

func (f *fat) set(cluster, next uint32) {
	if f.width == 2 {
		binary.LittleEndian.PutUint16(f.table[cluster*2:], uint16(next))
		return
	}
	binary.LittleEndian.PutUint32(f.table[cluster*4:], next)
}

// place gives the files without content their clusters, one after the other, behind
// all that is in use.
func (f *fat) place() error {
	f.next = f.clusters + 1
	for f.next > 2 && f.get(f.next-1) == 0 {
		f.next--
	}
	f.placed = map[string]Extent{}
	for _, file := range f.files {
		if file.Data != nil {
			continue
		}
		e := Extent{Path: file.Path, Offset: f.at(f.next), Size: file.Size}
		n := uint32(upTo(file.Size, f.cluster) / f.cluster)
		if f.next+n > f.clusters {
			return fmt.Errorf("%w: %s: there is no room for it", ErrEnvelope, file.Path)
		}
		for range n - 1 {
			f.set(f.next, f.next+1)
			f.next++
		}
		f.set(f.next, last)
		f.next++
		f.Extents = append(f.Extents, e)
		f.placed[strings.ToUpper(file.Path)] = e
	}
	return nil
}

// chain settles the directory that begins at a cluster.
func (f *fat) chain(cluster uint32, path string) error {
	for n := uint32(0); cluster != last; n++ {
		if cluster < 2 || cluster > f.clusters || n > f.clusters {
			return unknown("chain of a directory")
		}
		if err := f.directory(f.at(cluster), int(f.cluster/entrySize), path); err != nil {
			return err
		}
		cluster = f.get(cluster)
	}
	return nil
}

// directory settles so many entries at an offset, and the directories that they
// name. path is that of the directory, with a slash behind it.
func (f *fat) directory(at int64, entries int, path string) error {
	b := f.bytes(at, entries*entrySize)
	for ; len(b) > 0 && b[0] != 0; b, at = b[entrySize:], at+entrySize {
		e := b[:entrySize]
		if e[11] == longName {
			continue
		}
		stamp(e, f.time)
		name := strings.TrimRight(string(e[:8]), " ")
		if extension := strings.TrimRight(string(e[8:11]), " "); extension != "" {
			name += "." + extension
		}
		cluster := uint32(binary.LittleEndian.Uint16(e[20:]))<<16 | uint32(binary.LittleEndian.Uint16(e[26:]))
		switch placed, ok := f.placed[path+name]; {
		case name == ".." && cluster == f.rootCluster:
			setCluster(e, 0)
		case name == "." || name == ".." || e[11]&volumeLabel != 0:
		case e[11]&subdirectory != 0:
			if err := f.chain(cluster, path+name+"/"); err != nil {
				return err
			}
		case ok:
			setCluster(e, uint32((placed.Offset-f.dataAt)/f.cluster)+2)
			binary.LittleEndian.PutUint32(e[28:], uint32(placed.Size))
			delete(f.placed, path+name)
		}
		f.put(at, e...)
	}
	return nil
}

// Attributes of directory entries.
const (
	volumeLabel  = 0x08
	subdirectory = 0x10
	longName     = 0x0f
)

func setCluster(entry []byte, cluster uint32) {
	binary.LittleEndian.PutUint16(entry[20:], uint16(cluster>>16))
	binary.LittleEndian.PutUint16(entry[26:], uint16(cluster))
}

// stamp sets the times of an entry: made, read and written. They are in steps of two
// seconds, from 1980 to 2107.
func stamp(entry []byte, t time.Time) {
	t = within(t, 1980, 2107)
	day := uint16(t.Year()-1980)<<9 | uint16(t.Month())<<5 | uint16(t.Day())
	second := uint16(t.Hour())<<11 | uint16(t.Minute())<<5 | uint16(t.Second()/2)
	entry[13] = 0 // hundredths
	for at, n := range map[int]uint16{14: second, 16: day, 18: day, 22: second, 24: day} {
		binary.LittleEndian.PutUint16(entry[at:], n)
	}
}

// writeTables writes both tables, and what FSInfo says of them.
func (f *fat) writeTables() {
	f.put(f.tableAt, f.table...)
	f.put(f.tableAt+int64(len(f.table)), f.table...)
	if f.width == 2 {
		return
	}
	free := uint32(0)
	for c := uint32(2); c <= f.clusters; c++ {
		if f.get(c) == 0 {
			free++
		}
	}
	info := binary.LittleEndian.AppendUint32(nil, free)
	info = binary.LittleEndian.AppendUint32(info, f.next)
	f.put(f.infoAt+488, info...)
	f.put(f.infoAt+f.backup+488, info...)
}
