package contents

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/composeos/compose/compose/rootfs"
)

// bufSize is the size of steps, bytes.
const bufSize = 64 << 10

// file is the bytes of a file.
type file struct {
	io.ReaderAt
	size int64
}

// section is n bytes from off on, by themselves.
func (f file) section(off, n int64) *io.SectionReader { return io.NewSectionReader(f, off, n) }

// head returns the n bytes from off on, or as many as there are.
func (f file) head(off int64, n int) ([]byte, error) {
	b := make([]byte, max(min(int64(n), f.size-off), 0))
	got, err := f.ReadAt(b, off)
	if got == len(b) {
		return b, nil
	}
	return nil, atEnd(err)
}

// atEnd is the error of bytes that a file should have: it was cut while it was read.
func atEnd(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// zerosFrom returns where behind off the next byte is that is not zero; the
// file's end if there is none.
func (f file) zerosFrom(off int64) (int64, error) {
	b := make([]byte, 4096)
	for off < f.size {
		b = b[:min(int64(cap(b)), f.size-off)]
		if n, err := f.ReadAt(b, off); n < len(b) {
			return 0, atEnd(err)
		}
		if n := len(b) - len(bytes.TrimLeft(b, "\x00")); n < len(b) {
			return off + int64(n), nil
		}
		off += int64(len(b))
	}
	return f.size, nil
}

// stopping reads until stop returns an error.
type stopping struct {
	io.ReaderAt
	stop func() error
}

// ReadAt implements [io.ReaderAt].
func (s stopping) ReadAt(p []byte, off int64) (int, error) {
	if err := s.stop(); err != nil {
		return 0, err
	}
	return s.ReaderAt.ReadAt(p, off)
}

// meter counts what is read through it, hashes it if there is a sum, and keeps
// the error that is not the end.
type meter struct {
	r     io.Reader
	n     int64
	zeros int64 // at the end of what was read
	sum   hash.Hash
	err   error
}

// Read implements [io.Reader].
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if end := len(bytes.TrimRight(p[:n], "\x00")); end > 0 {
		m.zeros = int64(n - end)
	} else {
		m.zeros += int64(n)
	}
	if m.sum != nil {
		m.sum.Write(p[:n])
	}
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

// digest is the SHA-256 of what was read.
func (m *meter) digest() rootfs.Digest { return rootfs.Digest(m.sum.Sum(nil)) }

// onlyZeros reads to the end, and reports whether there is nothing but zeros from
// byte off on.
func (m *meter) onlyZeros(off int64, b []byte) (bool, error) {
	for m.zeros >= m.n-off {
		_, err := m.Read(b)
		if errors.Is(err, io.EOF) {
			return m.zeros >= m.n-off, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// invalid is an error of the file's content.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

// located says where err is.
func located(off int64, what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s at byte %d: %w", what, off, err)
}

// wants compares a digest that the file states with that of the bytes.
func wants(stated, have rootfs.Digest) error {
	if stated != have {
		return invalid("its digest is %s, not %s as the file says", have, stated)
	}
	return nil
}
