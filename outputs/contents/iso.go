package contents

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// isoSector is the size of a sector, and of a block of the volumes that are read,
// bytes (ECMA-119, 6.1.2 and 6.2.2).
const isoSector = 2048

// The volume descriptors begin in sector 16, each with its type and this.
const (
	isoMagic    = "CD001"
	isoMagicAt  = 16*isoSector + 1
	maxSectors  = 64        // of volume descriptors
	maxDir      = 8 << 20   // bytes of a directory, or a path table
	maxDirBytes = 128 << 20 // of all directories, and of what Rock Ridge has elsewhere
)

// isISO tells an ISO by its first bytes.
func isISO(head []byte) bool {
	return len(head) >= isoMagicAt+len(isoMagic) && string(head[isoMagicAt:isoMagicAt+len(isoMagic)]) == isoMagic
}

// isoReader reads a volume (ECMA-119).
type isoReader struct {
	*reader
	v       Volume
	root    record
	catalog int64 // sector of El Torito's boot catalog; 0 where there is none
	rock    bool  // there is Rock Ridge
	skip    int   // bytes in each record in front of what Rock Ridge has there (SUSP, 5.3)
	dirs    []directory
	parents map[int64]int64 // of directories that were read, by where they are
	bytes   int64           // of directories, so far
	taken   []extent
	tables  [2]int64 // sectors of the path tables, lowest and highest byte first
	tabled  int64    // their size, bytes
}

// directory is one that is still to be read.
type directory struct {
	path   string
	record record
	parent int64 // where that is
}

// extent is where the content of a path is, in bytes.
type extent struct {
	off, size int64
	path      string
}

// readISO reads the volume and what its boot catalog names.
func (d *reader) readISO() error {
	r := &isoReader{reader: d, v: Volume{Name: "image", Kind: isoPlain}}
	if err := r.descriptors(); err != nil {
		return err
	}
	if err := r.tree(); err != nil {
		return err
	}
	if err := r.checkPathTables(); err != nil {
		return err
	}
	if err := r.sums(); err != nil {
		return err
	}
	if r.rock {
		r.v.Kind = isoRock
	}
	if err := d.keep(r.v); err != nil {
		return err
	}
	if r.catalog == 0 {
		return nil
	}
	return located(r.catalog*isoSector, "boot catalog", d.readCatalog(r.catalog*isoSector))
}

// descriptors reads the volume descriptors, of which the primary one and the boot
// record count (ECMA-119, 8; El Torito, figure 7).
func (r *isoReader) descriptors() error {
	for i := range int64(maxSectors) {
		off := (16 + i) * isoSector
		b, err := r.head(off, isoSector)
		if err != nil {
			return err
		}
		switch {
		case len(b) < isoSector:
			return located(off, "volume descriptor", invalid("%w", io.ErrUnexpectedEOF))
		case string(b[1:6]) != isoMagic || b[6] != 1:
			return located(off, "volume descriptor", invalid("it does not begin with %q and its version", isoMagic))
		case b[0] == 0 && bytes.HasPrefix(b[7:], []byte("EL TORITO SPECIFICATION\x00")):
			r.catalog = int64(binary.LittleEndian.Uint32(b[0x47:]))
		case b[0] == 1 && r.v.Size == 0:
			err = r.primary(b)
		case b[0] == 255 && r.v.Size == 0:
			err = invalid("there is no primary one before the last")
		case b[0] == 255:
			return nil
		}
		if err != nil {
			return located(off, "volume descriptor", err)
		}
	}
	return located(16*isoSector, "volume descriptors", invalid("more than %d", maxSectors))
}

// primary reads the primary volume descriptor (ECMA-119, 8.4).
func (r *isoReader) primary(b []byte) error {
	blocks, err := both32(b[80:])
	if err != nil {
		return err
	}
	if le, be := binary.LittleEndian.Uint16(b[128:]), binary.BigEndian.Uint16(b[130:]); le != isoSector || be != isoSector {
		return invalid("blocks of %d or %d bytes, not of %d", le, be, isoSector)
	}
	if r.v.Size = blocks * isoSector; r.v.Size > r.size || blocks == 0 {
		return invalid("%w: a volume of %d bytes in a file of %d", io.ErrUnexpectedEOF, r.v.Size, r.size)
	}
	r.v.Label = strings.TrimRight(string(b[40:72]), " \x00")
	if r.v.Created, err = longDate(b[813:830]); err != nil {
		return err
	}
	if r.tabled, err = both32(b[132:]); err != nil {
		return err
	}
	r.tables = [2]int64{int64(binary.LittleEndian.Uint32(b[140:])), int64(binary.BigEndian.Uint32(b[148:]))}
	r.root, _, err = readRecord(b[156:190])
	return err
}

// tree reads all directories.
func (r *isoReader) tree() error {
	r.dirs = []directory{{"", r.root, r.root.off}}
	r.parents = map[int64]int64{}
	for len(r.dirs) > 0 {
		dir := r.dirs[0]
		r.dirs = r.dirs[1:]
		off := dir.record.off
		r.bytes += dir.record.size
		_, seen := r.parents[off]
		switch {
		case seen:
			return located(off, "directory", invalid("%q is one that was read before", dir.path))
		case dir.record.size > r.v.Size-off || off < 16*isoSector:
			return located(off, "directory", invalid("%w: %q, of %d bytes", io.ErrUnexpectedEOF, dir.path, dir.record.size))
		case dir.record.size%isoSector != 0 || dir.record.size > maxDir || r.bytes > maxDirBytes:
			return located(off, "directory", invalid("%q, of %d bytes", dir.path, dir.record.size))
		}
		r.parents[off] = dir.parent
		r.taken = append(r.taken, extent{off, dir.record.size, dir.path})
		b, err := r.head(off, int(dir.record.size))
		if err != nil {
			return err
		}
		if err := r.directory(dir, b); err != nil {
			return located(off, "directory", err)
		}
	}
	return nil
}

// directory reads the records of one. None crosses the end of a sector. The first
// two are the directory itself and its parent (ECMA-119, 6.8).
func (r *isoReader) directory(dir directory, b []byte) error {
	var split *record
	count := 0
	for at := 0; at < len(b); {
		sector := b[at : at-at%isoSector+isoSector]
		if sector[0] == 0 {
			at += len(sector)
			continue
		}
		rec, n, err := readRecord(sector)
		if err != nil {
			return located(dir.record.off+int64(at), "record", err)
		}
		at, count = at+n, count+1
		if split != nil {
			if rec.name != split.name || rec.off != split.off+split.size {
				return invalid("%q is in pieces that do not follow each other", split.name)
			}
			rec.off, rec.size, rec.system = split.off, split.size+rec.size, split.system
		}
		if split = nil; rec.flags&isSplit != 0 {
			split = &rec
			continue
		}
		if err := r.take(dir, rec, count); err != nil {
			return located(dir.record.off+int64(at-n), "record", err)
		}
	}
	if count < 2 || split != nil {
		return invalid("%w: %q has %d records", io.ErrUnexpectedEOF, dir.path, count)
	}
	return nil
}

// take reads the record of that number of a directory.
func (r *isoReader) take(dir directory, rec record, number int) error {
	own := number == 1
	if number <= 2 {
		if rec.name != string(rune(number-1)) || rec.flags&isDirectory == 0 || own && (rec.off != dir.record.off || rec.size != dir.record.size) {
			return invalid("record %d of %q is not that of the directory or its parent", number, dir.path)
		}
		if !own || dir.path != "" {
			return nil
		}
		r.findRock(rec.system)
	}
	e := &rootfs.Entry{Type: rootfs.File, Mode: 0o444, ModTime: rec.time, Size: rec.size, Origin: r.v.Name}
	if rec.flags&isDirectory != 0 {
		e.Type, e.Mode, e.Size = rootfs.Dir, 0o555, 0
	}
	name, err := r.describe(e, rec)
	if err != nil {
		return err
	}
	if own {
		name = ""
	} else if name, err = oneName(name); err != nil {
		return err
	}
	if e.Path = name; dir.path != "" {
		e.Path = dir.path + "/" + name
	}
	if len(e.Path) > maxName {
		return invalid("a path of %d bytes", len(e.Path))
	}
	f := File{e, -1}
	switch {
	case e.Type == rootfs.Dir && !own:
		r.dirs = append(r.dirs, directory{e.Path, rec, dir.record.off})
	case e.Type == rootfs.File && e.Size > 0:
		if rec.size > r.v.Size-rec.off || rec.off < 16*isoSector {
			return invalid("%w: %q, of %d bytes at byte %d", io.ErrUnexpectedEOF, e.Path, rec.size, rec.off)
		}
		f.Offset = rec.off
		r.taken = append(r.taken, extent{rec.off, rec.size, e.Path})
	}
	r.v.Files = append(r.v.Files, f)
	return r.spend(e)
}

// oneName returns a name that is one part of a path.
func oneName(name string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return "", invalid("the name %.80q", name)
	}
	return name, nil
}

// sums works out the digests of files. No content may overlap another, if it is not
// the same.
func (r *isoReader) sums() error {
	slices.SortStableFunc(r.taken, func(a, b extent) int { return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(b.size, a.size)) })
	for i, x := range r.taken {
		if i == 0 {
			continue
		}
		if last := r.taken[i-1]; x.off < last.off+last.size && (x.off != last.off || x.size != last.size) {
			return located(x.off, "file", invalid("%q overlaps %q", x.path, last.path))
		}
	}
	known := map[int64]rootfs.Digest{}
	for _, f := range r.v.Files {
		if f.Type != rootfs.File {
			continue
		}
		sum, ok := known[f.Offset]
		if !ok {
			var err error
			if sum, err = r.digest(max(f.Offset, 0), f.Size); err != nil {
				return err
			}
			known[f.Offset] = sum
		}
		f.Digest = sum
	}
	return nil
}
