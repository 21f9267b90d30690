package outputs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/composeos/compose/compose/rootfs"
)

// stream is bytes that are known before they are written: a file, or a part of
// one. Formats build the files that they write out of streams, one joined to
// the other, and [writeFile] writes them.
type stream interface {
	// size is how many bytes there are.
	size() int64
	// key names the bytes without reading them: two streams of one key have the
	// same bytes.
	key() rootfs.Digest
	// write appends the bytes to w, and tells done of content as it is written.
	write(ctx context.Context, w writer, done func(int64)) error
	// close lets go of what the stream holds. It must not be written after.
	close()
}

// writer is what streams are written to.
type writer interface {
	io.Writer
	Copy(ctx context.Context, r io.ReaderAt, off, n int64) error
	Skip(ctx context.Context, n int64) error
}

// writeFile creates a file of env's sink and writes s to it.
func writeFile(ctx context.Context, env Env, name string, s stream) (err error) {
	f, err := env.Sink.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	return writeSummed(ctx, env, f, s)
}

// sumOf returns the SHA-256 of a stream.
func sumOf(ctx context.Context, env Env, s stream) (rootfs.Digest, error) {
	if sum, ok := recallSum(env.Cache, s.key()); ok {
		return sum, nil
	}
	h := sha256.New()
	if err := s.write(ctx, newPlainWriter(h), untold); err != nil {
		return rootfs.Digest{}, err
	}
	sum := rootfs.Digest(h.Sum(nil))
	env.Cache.Remember(s.key(), sum[:])
	return sum, nil
}

// untold is the progress of what is not told.
func untold(int64) {}

// keyOf begins a key of a kind of stream.
func keyOf(kind string) hash.Hash {
	h := sha256.New()
	_, _ = io.WriteString(h, "compose stream "+kind+"\x00")
	return h
}

// literal is a stream of bytes in memory.
type literal []byte

func (l literal) size() int64 { return int64(len(l)) }
func (l literal) close()      {}

func (l literal) key() rootfs.Digest {
	h := keyOf("bytes")
	h.Write(l)
	return rootfs.Digest(h.Sum(nil))
}

func (l literal) write(_ context.Context, w writer, _ func(int64)) error {
	_, err := w.Write(l)
	return err
}

// content is a stream of what is in a file of the tree.
type content struct{ *rootfs.Entry }

func (c content) size() int64 { return c.Size }
func (c content) close()      {}

func (c content) key() rootfs.Digest {
	h := keyOf("content")
	h.Write(c.Digest[:])
	return rootfs.Digest(h.Sum(nil))
}

func (c content) write(ctx context.Context, w writer, done func(int64)) error {
	return copyContent(ctx, w, c.Entry, done)
}

// step is how much of a large file is written between two words of progress.
const step = 4 << 20

// copyContent appends all of e's content.
func copyContent(ctx context.Context, w writer, e *rootfs.Entry, done func(int64)) error {
	if e.Body == nil && e.Size > 0 {
		return entryError(e, errors.New("has no content"))
	}
	for off := int64(0); off < e.Size; off += step {
		n := min(step, e.Size-off)
		err := w.Copy(ctx, e.Body, off, n)
		if _, ok := errors.AsType[*ReadError](err); ok {
			return entryError(e, fmt.Errorf("read content of %d bytes: %w", e.Size, err))
		}
		if err != nil {
			return err
		}
		done(n)
	}
	return nil
}

// entryError says which entry err is about.
func entryError(e *rootfs.Entry, err error) error {
	if e.Origin == "" {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	return fmt.Errorf("%s (%s): %w", e.Path, e.Origin, err)
}

// joined is streams one after the other.
type joined []stream

func (j joined) size() int64 {
	total := int64(0)
	for _, s := range j {
		total += s.size()
	}
	return total
}

func (j joined) key() rootfs.Digest {
	h := keyOf("joined")
	for _, s := range j {
		k := s.key()
		h.Write(k[:])
	}
	return rootfs.Digest(h.Sum(nil))
}

func (j joined) write(ctx context.Context, w writer, done func(int64)) error {
	for _, s := range j {
		if err := s.write(ctx, w, done); err != nil {
			return err
		}
	}
	return nil
}

func (j joined) close() {
	for _, s := range j {
		s.close()
	}
}

// zeros is a stream of n zeros, n being small.
func zeros(n int) stream { return literal(bytes.Repeat([]byte{0}, n)) }

// ReadError is an error of what was to be copied, not of where to.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return e.Err.Error() }

// Unwrap returns the reader's error.
func (e *ReadError) Unwrap() error { return e.Err }

// readFull fills p with r's bytes from off on. Errors are a [ReadError].
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return &ReadError{fmt.Errorf("it ends after %d: %w", off+int64(n), io.ErrUnexpectedEOF)}
	}
	return &ReadError{err}
}

// plainWriter makes any [io.Writer] a writer.
type plainWriter struct {
	io.Writer
	buf []byte
}

func newPlainWriter(w io.Writer) *plainWriter { return &plainWriter{Writer: w} }

// Skip appends n zeros.
func (p *plainWriter) Skip(ctx context.Context, n int64) error { return p.Copy(ctx, noughts{}, 0, n) }

// noughts is zeros without an end.
type noughts struct{}

// ReadAt implements [io.ReaderAt].
func (noughts) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// Copy appends n bytes of r from off on.
func (p *plainWriter) Copy(ctx context.Context, r io.ReaderAt, off, n int64) error {
	if p.buf == nil {
		p.buf = make([]byte, 128<<10)
	}
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := p.buf[:min(n, int64(len(p.buf)))]
		if err := readFull(r, b, off); err != nil {
			return err
		}
		if _, err := p.Write(b); err != nil {
			return err
		}
		off += int64(len(b))
		n -= int64(len(b))
	}
	return nil
}
