package outputs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/composeos/compose/compose/rootfs"
)

// Four buffers of 256 KiB: one is being filled, and a reader that is faster than
// SHA-256 can be three ahead of it. Larger or more is not faster.
const (
	bufferSize  = 256 << 10
	bufferCount = 4
)

var (
	errClosed  = errors.New("write after close")
	errAborted = errors.New("aborted")
)

// file is the [File] of the sinks here. Buffers go round: the caller's goroutine
// fills one (content is read straight into it) and writes it out; a goroutine of
// the file's own hashes it and gives it back.
type file struct {
	name   string // for messages
	w      io.Writer
	closer func() error // completes w; may be nil
	abort  func() bool  // whether the sink was aborted

	buf    []byte // the one being filled; its length is how far
	free   chan []byte
	hashed chan []byte
	sum    chan rootfs.Digest

	err    error // stays
	closed bool
	size   int64
	digest rootfs.Digest // after Close
}

func newFile(name string, w io.Writer, closer func() error, abort func() bool) *file {
	f := &file{
		name: name, w: w, closer: closer, abort: abort,
		free:   make(chan []byte, bufferCount),
		hashed: make(chan []byte, bufferCount),
		sum:    make(chan rootfs.Digest, 1),
	}
	for range bufferCount - 1 {
		f.free <- nil // made when it is first needed: small files need one
	}
	f.buf = make([]byte, 0, bufferSize)
	go f.hash()
	return f
}

func (f *file) hash() {
	h := sha256.New()
	for b := range f.hashed {
		h.Write(b)
		f.free <- b[:0]
	}
	f.sum <- rootfs.Digest(h.Sum(nil))
}

// Write implements [File].
func (f *file) Write(p []byte) (int, error) {
	if f.closed && f.err == nil {
		f.err = fmt.Errorf("%s: %w", f.name, errClosed)
	}
	for rest := p; f.err == nil; {
		n := copy(f.space(), rest)
		f.buf, rest = f.buf[:len(f.buf)+n], rest[n:]
		if len(rest) == 0 {
			return len(p), nil
		}
		f.flush()
	}
	return 0, f.err
}

// Body implements [File].
func (f *file) Body(ctx context.Context, e *rootfs.Entry, off, n int64) error {
	if f.closed && f.err == nil {
		f.err = fmt.Errorf("%s: %w", f.name, errClosed)
	}
	for n > 0 && f.err == nil {
		if len(f.buf) == cap(f.buf) {
			if err := ctx.Err(); err != nil {
				return err
			}
			f.flush()
			continue
		}
		space := f.space()
		space = space[:min(int64(len(space)), n)]
		if err := readBody(e, space, off); err != nil {
			return err
		}
		f.buf = f.buf[:len(f.buf)+len(space)]
		off += int64(len(space))
		n -= int64(len(space))
	}
	return f.err
}

// readBody fills p with e's content from off on.
func readBody(e *rootfs.Entry, p []byte, off int64) error {
	if e.Body == nil {
		return entryError(e, errors.New("has no content"))
	}
	n, err := e.Body.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		err = fmt.Errorf("%d of %d bytes: %w", off+int64(n), e.Size, io.ErrUnexpectedEOF)
	}
	return entryError(e, fmt.Errorf("read content: %w", err))
}

// space is what of the buffer is not filled.
func (f *file) space() []byte { return f.buf[len(f.buf):cap(f.buf)] }

// flush writes the buffer out, hands it on to be hashed, and takes another.
func (f *file) flush() {
	if f.err != nil || len(f.buf) == 0 {
		return
	}
	if f.abort() {
		f.err = fmt.Errorf("%s: %w", f.name, errAborted)
		return
	}
	if _, err := f.w.Write(f.buf); err != nil {
		f.err = fmt.Errorf("write %s: %w", f.name, plain(err))
		return
	}
	f.size += int64(len(f.buf))
	f.hashed <- f.buf
	if f.buf = <-f.free; f.buf == nil {
		f.buf = make([]byte, 0, bufferSize)
	}
}

// Close implements [File].
func (f *file) Close() error {
	if f.closed {
		return nil
	}
	f.flush()
	f.closed = true
	close(f.hashed)
	f.digest = <-f.sum
	f.buf = nil
	if f.closer == nil {
		return f.err
	}
	if err := f.closer(); f.err == nil && err != nil {
		f.err = fmt.Errorf("write %s: %w", f.name, plain(err))
	}
	return f.err
}
