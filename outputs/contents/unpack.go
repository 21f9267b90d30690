package contents

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The kinds of parts, beside the formats and the kinds of kernels.
const (
	plainKind = "plain" // not compressed
	gzipKind  = "gzip"
	zstdKind  = "zstd"
	cpioKind  = "cpio"
	jsonKind  = "JSON"
	textKind  = "text"
	opaque    = "opaque" // a layer that is no archive
	unknown   = "unknown"
)

// compressionOf tells by its first bytes how content is stored (RFC 1952, 2.3.1;
// RFC 8878, 3.1.1 and 3.1.2).
func compressionOf(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzipKind
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}):
		return zstdKind
	}
	return plainKind
}

// unpacked reads compressed bytes uncompressed: gzip members or zstd frames, as
// many as follow each other, as one. Its errors are of the content, or the file's.
type unpacked struct {
	members int    // as many as have been begun
	end     int64  // in the file: behind the last; known at the end of reading
	total   *int64 // bytes that came out, of all that is compressed in the file
	in      *meter
	where   func() (what string, off int64) // what is being read, in the file
	read    func([]byte) (int, error)
	close   func()
}

// Read implements [io.Reader].
func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.read(p)
	*u.total += int64(n)
	switch {
	case *u.total > maxPlain:
		return n, invalid("more than %d bytes uncompressed", int64(maxPlain))
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case u.in.err != nil:
		return n, u.in.err // of the file, whatever the decoder made of it
	}
	what, off := u.where()
	return n, located(off, what, invalid("%w", err))
}

// unpack reads what is compressed in that way from off on, at most up to limit.
// Close must be called.
func (d *reader) unpack(f file, kind string, off, limit int64) (u *unpacked, err error) {
	if kind == gzipKind {
		u = gunzip(f, off, limit)
	} else if u, err = unzstd(f, off, limit); err != nil {
		return nil, err
	}
	u.total = &d.plain
	return u, nil
}

// gunzip reads members one by one: package gzip would take what follows the last
// for a damaged one.
func gunzip(f file, off, limit int64) *unpacked {
	u := &unpacked{in: &meter{r: f.section(off, limit-off)}, close: func() {}}
	in := bufio.NewReaderSize(u.in, bufSize)
	begin := off
	u.where = func() (string, int64) { return "member", begin }
	var z gzip.Reader
	open := false
	u.read = func(p []byte) (int, error) {
		for {
			if !open {
				head, err := in.Peek(2)
				if err != nil && !errors.Is(err, io.EOF) {
					return 0, err
				}
				begin = off + u.in.n - int64(in.Buffered())
				if compressionOf(head) != gzipKind && u.members > 0 {
					u.end = begin
					return 0, io.EOF
				}
				if err := z.Reset(in); err != nil {
					return 0, atEnd(err)
				}
				z.Multistream(false)
				u.members, open = u.members+1, true
			}
			n, err := z.Read(p)
			if errors.Is(err, io.EOF) {
				open, err = false, nil
			}
			if n > 0 || err != nil {
				return n, err
			}
		}
	}
	return u
}

// unzstd reads frames. Where the last ends is found by their headers.
func unzstd(f file, off, limit int64) (*unpacked, error) {
	u := &unpacked{}
	for u.end = off; u.end < limit; u.members++ {
		head, err := f.head(u.end, 4)
		if err != nil {
			return nil, err
		}
		if compressionOf(head) != zstdKind {
			break
		}
		if u.end, err = frameEnd(f, u.end, limit); err != nil {
			return nil, err
		}
	}
	u.in = &meter{r: f.section(off, u.end-off)}
	z, err := zstd.NewReader(u.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, invalid("zstd: %w", err)
	}
	u.read, u.close = z.Read, z.Close
	u.where = func() (string, int64) {
		at := off
		for {
			end, err := frameEnd(f, at, limit)
			if err != nil || end >= off+u.in.n {
				return "frame", at
			}
			at = end
		}
	}
	return u, nil
}

// frameEnd returns where the frame at off ends (RFC 8878, 3.1.1).
func frameEnd(f file, off, limit int64) (int64, error) {
	head, err := f.head(off, zstd.HeaderMaxSize)
	if err != nil {
		return 0, err
	}
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return 0, located(off, "frame", invalid("%w", err))
	}
	end := off + int64(h.HeaderSize) + int64(h.SkippableSize)
	for last := h.Skippable; !last; {
		b, err := f.head(end, 3)
		if err != nil {
			return 0, err
		}
		if len(b) < 3 || end > limit {
			return 0, located(off, "frame", invalid("%w", io.ErrUnexpectedEOF))
		}
		block := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16 // "Block_Header": last, type, size
		last = block&1 != 0
		size := block >> 3
		if block>>1&3 == 1 { // a byte that is repeated
			size = 1
		}
		end += 3 + size
	}
	if h.HasCheckSum {
		end += 4
	}
	if end > limit {
		return 0, located(off, "frame", invalid("%w", io.ErrUnexpectedEOF))
	}
	return end, nil
}
