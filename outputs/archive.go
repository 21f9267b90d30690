package outputs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/composeos/compose/compose/rootfs"
)

// section is an archive, or a part of one that others can follow.
type section struct {
	entries []*rootfs.Entry
	codec   rootfs.Codec
	trailer bool // the end of the archive is part of it
}

// archive is the stream of a section.
type archive struct {
	section
	bytes int64
	name  rootfs.Digest // key
}

// newArchive encodes every header once, to know size and key.
func newArchive(s section) (*archive, error) {
	a := &archive{section: s}
	h := keyOf(fmt.Sprintf("archive %s trailer=%t", s.codec.Name(), s.trailer))
	var b []byte
	for _, e := range s.entries {
		var err error
		if b, err = s.codec.AppendHeader(b[:0], e); err != nil {
			return nil, entryError(e, err)
		}
		size := e.Payload()
		if size > 0 && e.Digest == (rootfs.Digest{}) {
			return nil, entryError(e, errors.New("its content has no digest"))
		}
		a.bytes += int64(len(b)) + size + int64(s.codec.Pad(size))
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(b))))
		_, _ = h.Write(b)
		if size > 0 {
			_, _ = h.Write(e.Digest[:])
		}
	}
	if s.trailer {
		a.bytes += int64(len(s.codec.Trailer()))
	}
	a.name = rootfs.Digest(h.Sum(nil))
	return a, nil
}

func (a *archive) size() int64        { return a.bytes }
func (a *archive) key() rootfs.Digest { return a.name }
func (a *archive) close()             {}

// write appends the archive. What goes between two contents, padding and the
// next headers, is gathered and written at once.
func (a *archive) write(ctx context.Context, w writer, done func(int64)) error {
	var b []byte
	var told progressed
	for _, e := range a.entries {
		var err error
		if b, err = a.codec.AppendHeader(b, e); err != nil {
			return entryError(e, err)
		}
		told.add(int64(len(b)), done)
		if _, err := w.Write(b); err != nil {
			return err
		}
		size := e.Payload()
		if size > 0 {
			if err := copyContent(ctx, w, e, func(n int64) { told.add(n, done) }); err != nil {
				return err
			}
		}
		b = b[:0]
		for range a.codec.Pad(size) {
			b = append(b, 0)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if a.trailer {
		b = append(b, a.codec.Trailer()...)
	}
	_, err := w.Write(b)
	told.flush(int64(len(b)), done)
	return err
}

// progressed gathers small progress into larger.
type progressed int64

func (p *progressed) add(n int64, done func(int64)) {
	*p += progressed(n)
	if *p >= step/4 {
		done(int64(*p))
		*p = 0
	}
}

func (p *progressed) flush(n int64, done func(int64)) {
	if *p += progressed(n); *p > 0 {
		done(int64(*p))
	}
	*p = 0
}

// maxReasons is how many faults of one tree are told; a tree that has one often has
// thousands of the kind.
const maxReasons = 20

// encodable returns why codec cannot write the entries.
func encodable(entries rootfs.Entries, codec rootfs.Codec) error {
	var reasons []error
	var b []byte
	more := 0
	for e := range entries {
		var err error
		if b, err = codec.AppendHeader(b[:0], e); err == nil {
			continue
		}
		if len(reasons) == maxReasons {
			more++
			continue
		}
		reasons = append(reasons, entryError(e, err))
	}
	if more > 0 {
		reasons = append(reasons, fmt.Errorf("and %d more entries", more))
	}
	return errors.Join(reasons...)
}
