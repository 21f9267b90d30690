package outputs

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/isodisk"
)

// volume gathers the files of a volume, with what they are made of.
type volume struct {
	files   []isodisk.File
	streams map[string]stream // of the files that are given without content
}

// text adds a file whose content is laid out with the volume.
func (v *volume) text(path string, data []byte) {
	v.files = append(v.files, isodisk.File{Path: path, Size: int64(len(data)), Data: data})
}

// stream adds a file whose content is written behind what is laid out.
func (v *volume) stream(path string, s stream) {
	v.files = append(v.files, isodisk.File{Path: path, Size: s.size()})
	v.put(path, s)
}

// put says what is at an extent of an image.
func (v *volume) put(path string, s stream) {
	if v.streams == nil {
		v.streams = map[string]stream{}
	}
	v.streams[path] = s
}

// filled returns the whole of an image: what is laid out, and at its extents the
// streams.
func (v *volume) filled(m *isodisk.Image) (stream, error) {
	var all joined
	at := int64(0)
	for _, e := range m.Extents {
		s := v.streams[e.Path]
		if s == nil || s.size() != e.Size || e.Offset < at {
			return nil, fmt.Errorf("%s does not fit into its place: %d bytes at %d", e.Path, e.Size, e.Offset)
		}
		all = append(all, newLaidOut(m, at, e.Offset), s)
		at = e.Offset + e.Size
	}
	return append(all, newLaidOut(m, at, m.Size)), nil
}

// laidOut is the stream of a part of an image, in which files have no content.
type laidOut struct {
	*isodisk.Image
	from, to int64
	name     rootfs.Digest // key
}

func newLaidOut(m *isodisk.Image, from, to int64) laidOut {
	h := keyOf("laid out")
	_, _ = h.Write(binary.AppendVarint(nil, to-from))
	m.Written(from, to, func(off int64, data []byte) {
		_, _ = h.Write(binary.AppendVarint(binary.AppendVarint(nil, off-from), int64(len(data))))
		_, _ = h.Write(data)
	})
	return laidOut{m, from, to, rootfs.Digest(h.Sum(nil))}
}

func (l laidOut) size() int64        { return l.to - l.from }
func (l laidOut) key() rootfs.Digest { return l.name }
func (l laidOut) close()             {}

// write appends what is laid out; what is not, such as the room for data on a disk, is
// skipped.
func (l laidOut) write(ctx context.Context, w writer, _ func(int64)) error {
	var err error
	at := l.from
	l.Written(l.from, l.to, func(off int64, data []byte) {
		if err == nil {
			err = w.Skip(ctx, off-at)
		}
		if err == nil {
			_, err = w.Write(data)
		}
		at = off + int64(len(data))
	})
	if err != nil {
		return err
	}
	return w.Skip(ctx, l.to-at)
}
