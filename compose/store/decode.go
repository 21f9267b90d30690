package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/composeos/compose/compose/rootfs"
)

// decode reads an index file: that of a tar with that digest, which lies at
// tar. It trusts nothing: what it returns is in order and lies within the tar,
// or it is an error that wraps errIndex. size is that of the tar.
func decode(data []byte, digest rootfs.Digest, tar section) (entries []rootfs.Entry, size int64, err error) {
	if len(data) < headerSize+sha256.Size || !bytes.HasPrefix(data, []byte(indexMagic)) {
		return nil, 0, fmt.Errorf("%w: of another version", errIndex)
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:]) {
		return nil, 0, fmt.Errorf("%w: checksum", errIndex)
	}
	return decodeBody(body, digest, tar)
}

// decoder reads an index into entries.
type decoder struct {
	size    int64 // of the tar
	records []byte
	attrs   []byte
	text    string
	short   bool           // there was less text than the lengths say
	xattrs  []rootfs.Xattr // those not given to an entry yet
	spans   []span
	entries []rootfs.Entry
}

// decodeBody reads an index without its checksum.
func decodeBody(data []byte, digest rootfs.Digest, tar section) ([]rootfs.Entry, int64, error) {
	d := &decoder{}
	counts, err := d.cut(data, digest)
	if err != nil {
		return nil, 0, err
	}
	d.entries = make([]rootfs.Entry, counts[0])
	d.spans = make([]span, counts[0])
	d.xattrs = make([]rootfs.Xattr, counts[1])
	attrs := d.xattrs
	for i := range d.entries {
		if err := d.entry(i); err != nil {
			return nil, 0, err
		}
		if e := &d.entries[i]; e.Type == rootfs.File && e.Size > 0 {
			d.spans[i].section = section{tar.at, tar.base + d.spans[i].base}
			e.Body = &d.spans[i]
		}
	}
	for i := range attrs {
		n, v := le.Uint32(d.attrs[i*xattrSize:]), le.Uint32(d.attrs[i*xattrSize+4:])
		attrs[i].Name, attrs[i].Value = d.cutText(int64(n)), d.cutText(int64(v))
	}
	if d.short || d.text != "" || len(d.xattrs) != 0 {
		return nil, 0, fmt.Errorf("%w: lengths", errIndex)
	}
	return d.entries, d.size, nil
}

// cut divides the file into its parts; counts are those of the entries and of
// the attributes, which fit into it.
func (d *decoder) cut(data []byte, digest rootfs.Digest) (counts [2]int, err error) {
	if len(data) < headerSize || !bytes.Equal(data[len(indexMagic):][:sha256.Size], digest[:]) {
		return counts, fmt.Errorf("%w: of another tar", errIndex)
	}
	h := data[len(indexMagic)+sha256.Size:]
	d.size = int64(le.Uint64(h))
	entries, attrs, text := int64(le.Uint32(h[8:])), int64(le.Uint32(h[12:])), le.Uint64(h[16:])
	rest := data[headerSize:]
	need := entries*int64(recordSize) + attrs*xattrSize
	if d.size < 0 || need > int64(len(rest)) || text != uint64(int64(len(rest))-need) {
		return counts, fmt.Errorf("%w: sizes", errIndex)
	}
	n := int(entries) * recordSize
	d.records, d.attrs, d.text = rest[:n], rest[n:need], string(rest[need:])
	return [2]int{int(entries), int(attrs)}, nil
}

// entry reads record i.
func (d *decoder) entry(i int) error {
	b := d.records[i*recordSize:][:recordSize]
	e := &d.entries[i]
	e.Path = d.cutText(int64(le.Uint16(b)))
	e.Link = d.cutText(int64(le.Uint16(b[2:])))
	if n := int(le.Uint16(b[4:])); n > 0 {
		if n > len(d.xattrs) {
			return fmt.Errorf("%w: attributes", errIndex)
		}
		e.Xattrs, d.xattrs = d.xattrs[:n:n], d.xattrs[n:]
	}
	e.Type = rootfs.Type(b[6])
	e.Mode, e.UID, e.GID = le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint32(b[16:])
	e.Major, e.Minor, e.Inode = le.Uint32(b[20:]), le.Uint32(b[24:]), le.Uint32(b[28:])
	e.ModTime, e.Size = int64(le.Uint64(b[32:])), int64(le.Uint64(b[40:]))
	offset := int64(le.Uint64(b[48:]))
	copy(e.Digest[:], b[56:])
	d.spans[i] = span{section: section{base: offset}, size: e.Size}
	switch {
	case e.Type < rootfs.File || e.Type > rootfs.Opaque || e.Mode > maxModeBits || e.ModTime < 0:
		return fmt.Errorf("%w: record %d", errIndex, i)
	case e.Size < 0 || offset < 0 || e.Size > d.size || offset > d.size-e.Size:
		return fmt.Errorf("%w: record %d lies outside the tar", errIndex, i)
	case i > 0 && !ordered(&d.entries[i-1], e):
		return fmt.Errorf("%w: order at record %d", errIndex, i)
	}
	return nil
}

// ordered tells whether b may follow a in an index.
func ordered(a, b *rootfs.Entry) bool {
	c := rootfs.Compare(a.Path, b.Path)
	return c < 0 || c == 0 && class(a.Type) < class(b.Type)
}

// cutText takes n bytes off the text; what is not there is left out, which the
// end of decode notices.
func (d *decoder) cutText(n int64) string {
	if n > int64(len(d.text)) {
		d.short, d.text = true, ""
		return ""
	}
	s := d.text[:n]
	d.text = d.text[n:]
	return s
}
