package contents

import (
	"encoding/binary"
	"io"
)

// checkPathTables holds the two path tables against the directories (ECMA-119, 9.4):
// some readers know directories by them alone.
func (r *isoReader) checkPathTables() error {
	for i, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		off := r.tables[i] * isoSector
		if r.tabled > maxDir || r.tabled > r.v.Size-off || off < 16*isoSector {
			return located(off, "path table", invalid("%w: %d bytes", io.ErrUnexpectedEOF, r.tabled))
		}
		b, err := r.head(off, int(r.tabled))
		if err != nil {
			return err
		}
		if err := r.checkPathTable(b, order); err != nil {
			return located(off, "path table", err)
		}
	}
	return nil
}

// checkPathTable checks one: each of its records says where a directory is, and the
// number of the record of its parent, which comes before it.
func (r *isoReader) checkPathTable(b []byte, order binary.ByteOrder) error {
	var places []int64
	for len(b) > 0 {
		n := 8 + (int(b[0])+1)&^1
		if len(b) < n || b[0] == 0 {
			return invalid("%w: record %d", io.ErrUnexpectedEOF, len(places)+1)
		}
		off, number := int64(order.Uint32(b[2:]))*isoSector, int(order.Uint16(b[6:]))
		places = append(places, off)
		parent, ok := r.parents[off]
		if !ok || number < 1 || number > len(places) || places[number-1] != parent {
			return invalid("record %d is for byte %d, in the directory of record %d: the directories say something else", len(places), off, number)
		}
		b = b[n:]
	}
	if len(places) != len(r.parents) {
		return invalid("%d records for %d directories", len(places), len(r.parents))
	}
	return nil
}
