package outputs

import (
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
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
// the file's own hashes it and gives it back. Where the digest is known there is
// nothing to hash: then that goroutine writes, while the caller reads what is next.
type file struct {
	name   string // for messages
	w      io.Writer
	hole   func(n int64) error // leaves n bytes of w out; nil where w has no holes
	closer func() error        // completes w; may be nil
	abort  func() bool         // whether the sink was aborted

	buf   []byte // the one being filled; its length is how far
	free  chan []byte
	full  chan piece
	sum   chan rootfs.Digest
	wrong chan error // what the file's goroutine could not write

	err    error // stays
	closed bool
	size   int64
	skip   int64         // as many bytes at the beginning are not hashed
	digest rootfs.Digest // after Close, unless it is known
	known  bool
}

// piece is what the file's goroutine is told: to hash, to write, or to say how far
// it has come.
type piece struct {
	buf   []byte
	hole  int64         // instead of buf: so many zeros
	skip  int           // of buf, or of the hole, is not hashed
	write bool          // buf or hole is written, and not hashed
	hash  hash.Hash     // goes on with this one; may be nil
	mark  chan<- marked // wants to know how far; may be nil
}

type marked struct {
	state []byte
	err   error
}

func newFile(name string, w io.Writer, closer func() error, abort func() bool) *file {
	f := &file{
		name: name, w: w, closer: closer, abort: abort,
		free:  make(chan []byte, bufferCount),
		full:  make(chan piece, bufferCount),
		sum:   make(chan rootfs.Digest, 1),
		wrong: make(chan error, 1),
	}
	for range bufferCount - 1 {
		f.free <- nil // made when it is first needed: small files need one
	}
	f.buf = make([]byte, 0, bufferSize)
	go f.take()
	return f
}

// take does with each piece what it is told.
func (f *file) take() {
	h := sha256.New()
	var wrong error
	for p := range f.full {
		switch {
		case p.hole > 0 && p.write:
			if wrong == nil {
				if wrong = f.hole(p.hole); wrong != nil {
					f.wrong <- wrong
				}
			}
		case p.hole > 0:
			hashZeros(h, p.hole-int64(p.skip))
		case p.write:
			if wrong == nil {
				if _, wrong = f.w.Write(p.buf); wrong != nil {
					f.wrong <- wrong
				}
			}
			f.free <- p.buf[:0]
		case p.hash != nil:
			h = p.hash
		case p.mark != nil:
			state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
			p.mark <- marked{state, err}
		default:
			h.Write(p.buf[p.skip:])
			f.free <- p.buf[:0]
		}
	}
	f.sum <- rootfs.Digest(h.Sum(nil))
}

// hashZeros appends n zeros to what is hashed.
func hashZeros(h hash.Hash, n int64) {
	zeros := make([]byte, min(n, 64<<10))
	for ; n > 0; n -= int64(len(zeros)) {
		h.Write(zeros[:min(n, int64(len(zeros)))])
	}
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

// Copy implements [File].
func (f *file) Copy(ctx context.Context, r io.ReaderAt, off, n int64) error {
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
		if err := readFull(r, space, off); err != nil {
			return err
		}
		f.buf = f.buf[:len(f.buf)+len(space)]
		off += int64(len(space))
		n -= int64(len(space))
	}
	return f.err
}

// smallHole is what is rather written than left out, and largeHole what is hashed of
// one at once, bytes.
const (
	smallHole = 64 << 10
	largeHole = 64 << 20
)

// Skip implements [File].
func (f *file) Skip(ctx context.Context, n int64) error {
	if f.hole == nil || n < smallHole || f.closed {
		return f.Copy(ctx, noughts{}, 0, n)
	}
	f.flush()
	if f.err == nil && f.known {
		f.full <- piece{hole: n, write: true}
		f.size += n
		return f.err
	}
	if f.err == nil {
		f.fail(f.hole(n))
	}
	for n > 0 && f.err == nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := piece{hole: min(n, largeHole)}
		p.skip = int(min(f.skip, p.hole))
		f.skip -= int64(p.skip)
		f.size += p.hole
		f.full <- p
		n -= p.hole
	}
	return f.err
}

// Known implements [File].
func (f *file) Known(sum rootfs.Digest) { f.digest, f.known = sum, true }

// Resume implements [File].
func (f *file) Resume(state []byte, n int64) error {
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return err
	}
	f.skip = n
	f.full <- piece{hash: h}
	return nil
}

// State implements [File].
func (f *file) State() ([]byte, error) {
	f.flush()
	if f.err != nil {
		return nil, f.err
	}
	mark := make(chan marked, 1)
	f.full <- piece{mark: mark}
	m := <-mark
	return m.state, m.err
}

// Sum implements [File].
func (f *file) Sum() rootfs.Digest { return f.digest }

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
	p := piece{buf: f.buf, write: f.known}
	if f.known {
		f.check()
	} else {
		_, err := f.w.Write(f.buf)
		f.fail(err)
	}
	if f.err != nil {
		return
	}
	f.size += int64(len(f.buf))
	p.skip = int(min(f.skip, int64(len(f.buf))))
	f.skip -= int64(p.skip)
	f.full <- p
	if f.buf = <-f.free; f.buf == nil {
		f.buf = make([]byte, 0, bufferSize)
	}
}

// check takes over an error of the file's goroutine.
func (f *file) check() {
	select {
	case err := <-f.wrong:
		f.fail(err)
	default:
	}
}

// fail keeps the first error of writing.
func (f *file) fail(err error) {
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("write %s: %w", f.name, plain(err))
	}
}

// Close implements [File].
func (f *file) Close() error {
	if f.closed {
		return nil
	}
	f.flush()
	f.closed = true
	close(f.full)
	if sum := <-f.sum; !f.known {
		f.digest = sum
	}
	f.check()
	f.buf = nil
	if f.closer == nil {
		return f.err
	}
	f.fail(f.closer())
	return f.err
}
