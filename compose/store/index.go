package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/composeos/compose/compose/rootfs"
)

// An index is a file of little-endian numbers:
//
//	header      magic and version, digest of the tar, size of the tar, number of
//	            records, number of attributes, bytes of text
//	records     of one size, in path order
//	attributes  of one size, those of the first record that has some, and so on
//	text        of each record its path and its link; of each attribute its name
//	            and its value; nothing between them
//	checksum    SHA-256 of all before
//
// A program that writes another form, or other entries for the same tar, has
// another version: indexes of a version that is not this one are made again.
const (
	indexMagic  = "compose index 1\n"
	headerSize  = len(indexMagic) + sha256.Size + 8 + 4 + 4 + 8
	recordSize  = 2 + 2 + 2 + 1 + 1 + 4 + 4 + 4 + 4 + 4 + 4 + 8 + 8 + 8 + sha256.Size
	xattrSize   = 4 + 4
	maxXattrs   = 1<<16 - 1
	maxModeBits = 0o7777
)

var (
	errIndex = errors.New("bad index")
	le       = binary.LittleEndian
)

// encode writes the records that order names, in that order, as an index of the
// tar with that digest and size.
func encode(records []record, order []int32, digest rootfs.Digest, size int64) ([]byte, error) {
	var text, attrs int
	for _, i := range order {
		r := &records[i]
		if len(r.xattrs) > maxXattrs {
			return nil, fmt.Errorf("%w: %q has %d attributes", ErrInvalid, r.path, len(r.xattrs))
		}
		text += int(textLen(r))
		attrs += len(r.xattrs)
	}
	b := make([]byte, 0, headerSize+len(order)*recordSize+attrs*xattrSize+text+sha256.Size)
	b = append(b, indexMagic...)
	b = append(b, digest[:]...)
	b = le.AppendUint64(b, uint64(size))
	b = le.AppendUint32(b, uint32(len(order)))
	b = le.AppendUint32(b, uint32(attrs))
	b = le.AppendUint64(b, uint64(text))
	for _, i := range order {
		b = appendRecord(b, &records[i])
	}
	for _, i := range order {
		for _, x := range records[i].xattrs {
			b = le.AppendUint32(b, uint32(len(x.Name)))
			b = le.AppendUint32(b, uint32(len(x.Value)))
		}
	}
	for _, i := range order {
		b = append(b, records[i].path...)
		b = append(b, records[i].link...)
	}
	for _, i := range order {
		for _, x := range records[i].xattrs {
			b = append(b, x.Name...)
			b = append(b, x.Value...)
		}
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

func appendRecord(b []byte, r *record) []byte {
	b = le.AppendUint16(b, uint16(len(r.path))) // clean allows no longer ones
	b = le.AppendUint16(b, uint16(len(r.link)))
	b = le.AppendUint16(b, uint16(len(r.xattrs)))
	b = append(b, byte(r.typ), 0)
	for _, n := range [...]uint32{r.mode, r.uid, r.gid, r.major, r.minor, r.inode} {
		b = le.AppendUint32(b, n)
	}
	for _, n := range [...]int64{r.modTime, r.size, r.offset} {
		b = le.AppendUint64(b, uint64(n))
	}
	return append(b, r.digest[:]...)
}
