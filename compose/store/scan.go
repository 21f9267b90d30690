package store

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/composeos/compose/compose/rootfs"
)

// maxText bounds the names, link targets and attributes of one layer, in bytes.
const maxText = 512 << 20

// record is one entry of a tar, in the order of the tar.
type record struct {
	path, link   string
	xattrs       []rootfs.Xattr
	modTime      int64
	size, offset int64 // of the payload
	mode         uint32
	uid, gid     uint32
	major, minor uint32
	inode        uint32
	digest       rootfs.Digest
	typ          rootfs.Type
	hidden       bool // not part of the layer; hard links may name it
}

// scanner reads a tar to its end and keeps what an index needs.
type scanner struct {
	feed    *feed
	plain   bool // names like ".wh.x" mean nothing, as in an archive that is no layer
	entries int  // how many there may be
	buf     []byte

	tar     *tar.Reader
	content hash.Hash
	records []record
	text    int64
}

// scan returns the records of a whole tar. Errors of the bytes wrap
// [ErrInvalid]; others are those of the feed.
func (s *scanner) scan(ctx context.Context) ([]record, error) {
	s.tar, s.content = tar.NewReader(s.feed), sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		h, err := s.tar.Next()
		if errors.Is(err, io.EOF) && s.feed.given%512 == 0 {
			break
		}
		if errors.Is(err, io.EOF) { // package tar forgives a last block that is cut
			err = io.ErrUnexpectedEOF
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			where := "its first entry"
			if n := len(s.records); n > 0 {
				where = fmt.Sprintf("what follows %q", s.records[n-1].path)
			}
			return nil, s.broken(where, err)
		}
		if err := s.take(ctx, h); err != nil {
			return nil, err
		}
	}
	zeros, err := s.feed.zeros()
	if err == nil && !zeros {
		err = fmt.Errorf("%w: data after the end of the tar, behind byte %d", ErrInvalid, s.feed.given)
	}
	return s.records, err
}

// broken says where a tar cannot be read.
func (s *scanner) broken(where string, err error) error {
	if failed := s.feed.failed(); failed != nil {
		return failed
	}
	return fmt.Errorf("%w: read %s: %w", ErrInvalid, where, err)
}

func (s *scanner) take(ctx context.Context, h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	r, err := newRecord(h)
	if err != nil {
		return err
	}
	if !s.plain {
		if r, err = hide(r); err != nil {
			return err
		}
	}
	if len(s.records) >= s.entries {
		return fmt.Errorf("%w: more than %d entries", ErrInvalid, s.entries)
	}
	if s.text += textLen(&r); s.text > maxText {
		return fmt.Errorf("%w: names and attributes of more than %d bytes", ErrInvalid, maxText)
	}
	if r.typ == rootfs.File {
		r.offset = s.feed.given
		if err := s.digest(ctx, &r); err != nil {
			return err
		}
	}
	s.records = append(s.records, r)
	return nil
}

// digest reads a file's payload. The size in the header counts; a tar that
// ends before is broken.
func (s *scanner) digest(ctx context.Context, r *record) error {
	s.content.Reset()
	for left := r.size; left > 0; {
		n, err := s.tar.Read(s.buf[:min(left, int64(len(s.buf)))])
		s.content.Write(s.buf[:n])
		left -= int64(n)
		if err != nil && left > 0 {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return s.broken(fmt.Sprintf("%q", r.path), err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	s.content.Sum(r.digest[:0])
	return nil
}

// hide turns the names of whiteouts into what they hide.
func hide(r record) (record, error) {
	path, t, hidden, err := unhide(r.path)
	switch {
	case err != nil:
		return r, err
	case hidden:
		r.hidden = true
		return r, nil
	case t == 0:
		return r, nil
	case r.typ == rootfs.Dir:
		return r, fmt.Errorf("%w: whiteout %q is a directory", ErrInvalid, r.path)
	case r.size != 0:
		return r, fmt.Errorf("%w: whiteout %q is not empty", ErrInvalid, r.path)
	}
	return record{path: path, typ: t}, nil
}

// textLen is how many bytes of text a record has.
func textLen(r *record) int64 {
	n := len(r.path) + len(r.link)
	for _, x := range r.xattrs {
		n += len(x.Name) + len(x.Value)
	}
	return int64(n)
}
