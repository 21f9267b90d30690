package contents

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/rootfs"
)

// layer reads a layer and holds it against its diffID, and returns its index in
// Layers. One that has been read for another image is not read again.
func (d *reader) layer(m *member, l Layer, stated statedLayer) (int, error) {
	want, err := digestOf(stated.diffID)
	if err != nil {
		return 0, err
	}
	n, known := d.layers[m]
	if !known {
		l.CreatedBy = stated.createdBy
		if err := d.readLayer(m, &l); err != nil {
			return 0, located(m.Offset, m.Name, err)
		}
		n = len(d.img.Layers)
		d.layers[m] = n
		d.img.Layers = append(d.img.Layers, l)
	}
	switch have := &d.img.Layers[n]; {
	case have.Kind != l.Kind:
		return 0, invalid("it is named as %s and as %s", have.Kind, l.Kind)
	case have.DiffID != want:
		return 0, invalid("its diffID is %s, not %s as the configuration says", have.DiffID, want)
	}
	return n, nil
}

// readLayer reads the entries of a layer. The digest of one that is not compressed
// is its diffID too, and worked out once.
func (d *reader) readLayer(m *member, l *Layer) (err error) {
	m.Kind, l.Size, l.Plain = l.Kind, m.Size, m.Size
	if l.Kind != Tar {
		if err := d.sum(m); err != nil {
			return err
		}
	}
	var entries []*rootfs.Entry
	name := fmt.Sprintf("layer %d", len(d.img.Layers))
	switch l.Kind {
	case opaque:
		l.DiffID = m.Digest
	case Tar:
		in := &meter{r: d.buffered(m.Offset, m.Size)}
		if m.Digest == (rootfs.Digest{}) {
			in.sum = sha256.New()
		}
		entries, err = d.readTar(in, name, true)
		if in.sum != nil {
			m.Digest = in.digest()
		}
		l.DiffID = m.Digest
	default:
		l.DiffID, entries, err = d.unpackTar(&m.Part, name, true)
		l.Plain = m.Plain
	}
	l.Digest, l.Entries, m.Entries = m.Digest, len(entries), len(entries)
	d.img.Entries = append(d.img.Entries, entries...)
	return err
}

// digestOf returns a digest that a document states.
func digestOf(h v1.Hash) (sum rootfs.Digest, err error) {
	if h.Algorithm != "sha256" || !isHex(h.Hex) {
		return sum, invalid("the digest %.100q is not a SHA-256", h.String())
	}
	_, err = hex.Decode(sum[:], []byte(h.Hex))
	return sum, err
}

// named returns the digest of 64 hexadecimal digits.
func named(digits string) (sum rootfs.Digest) {
	_, _ = hex.Decode(sum[:], []byte(digits))
	return sum
}

// merge makes one list of the layers' entries, where they are those of one image
// of which no layer hides anything: then no path is twice in it but directories
// that layers repeat, and the list is in path order.
func (d *reader) merge() {
	hides := func(e *rootfs.Entry) bool {
		return strings.HasPrefix(path.Base(e.Path), ".wh.") || e.Type == rootfs.HardLink
	}
	if len(d.img.Containers) != 1 || slices.ContainsFunc(d.img.Entries, hides) {
		return
	}
	dirs := map[string]*rootfs.Entry{}
	merged := make([]*rootfs.Entry, 0, len(d.img.Entries))
	for _, e := range d.img.Entries {
		if e.Type == rootfs.Dir {
			if first := dirs[e.Path]; first != nil && sameDir(first, e) {
				continue
			}
			dirs[e.Path] = e
		}
		merged = append(merged, e)
	}
	slices.SortStableFunc(merged, func(a, b *rootfs.Entry) int { return rootfs.Compare(a.Path, b.Path) })
	for i := 1; i < len(merged); i++ {
		if merged[i].Path == merged[i-1].Path {
			return
		}
	}
	d.img.Entries, d.img.Merged = merged, true
}

// sameDir tells whether a layer repeats a directory as it was.
func sameDir(a, b *rootfs.Entry) bool {
	return a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.ModTime == b.ModTime && slices.Equal(a.Xattrs, b.Xattrs)
}
