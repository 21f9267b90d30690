package isodisk

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/diskfs/go-diskfs/backend"
)

// pageSize is how much of an image is kept or left out at once, bytes.
const pageSize = 4096

type page [pageSize]byte

// memory is the bytes of an image that are not zero.
type memory struct {
	pages map[int64]*page // by number
}

// Written calls yield for each stretch of bytes between off and end that may have
// others than zeros, in order. Stretches do not touch. What yield is given must not
// be kept.
func (m *memory) Written(off, end int64, yield func(off int64, data []byte)) {
	var gathered []byte
	begin := int64(0)
	for _, number := range slices.Sorted(maps.Keys(m.pages)) {
		from, to := max(number*pageSize, off), min((number+1)*pageSize, end)
		if from >= to {
			continue
		}
		if len(gathered) > 0 && begin+int64(len(gathered)) != from {
			yield(begin, gathered)
			gathered = gathered[:0]
		}
		if len(gathered) == 0 {
			begin = from
		}
		gathered = append(gathered, m.pages[number][from%pageSize:][:to-from]...)
	}
	if len(gathered) > 0 {
		yield(begin, gathered)
	}
}

// ReadAt implements [io.ReaderAt]. What was never written is zero, and there is no
// end.
func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	for rest := p; len(rest) > 0; {
		n := min(int64(len(rest)), pageSize-off%pageSize)
		if have := m.pages[off/pageSize]; have != nil {
			copy(rest[:n], have[off%pageSize:])
		} else {
			clear(rest[:n])
		}
		rest, off = rest[n:], off+n
	}
	return len(p), nil
}

// WriteAt implements [io.WriterAt].
func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	if m.pages == nil {
		m.pages = map[int64]*page{}
	}
	for rest := p; len(rest) > 0; {
		n := min(int64(len(rest)), pageSize-off%pageSize)
		have := m.pages[off/pageSize]
		if have == nil && bytes.Count(rest[:n], []byte{0}) < int(n) {
			have = new(page)
			m.pages[off/pageSize] = have
		}
		if have != nil {
			copy(have[off%pageSize:], rest[:n])
		}
		rest, off = rest[n:], off+n
	}
	return len(p), nil
}

// bytes returns n bytes from off on, which are a copy.
func (m *memory) bytes(off int64, n int) []byte {
	b := make([]byte, n)
	_, _ = m.ReadAt(b, off) // memory has no errors
	return b
}

// put writes p at off.
func (m *memory) put(off int64, p ...byte) { _, _ = m.WriteAt(p, off) } // memory has no errors

// storage is memory as go-diskfs takes it.
type storage struct{ *memory }

var _ backend.Storage = storage{}

// errMemory is what only a file can do.
var errMemory = errors.New("is in memory")

// Writable implements [backend.Storage].
func (s storage) Writable() (backend.WritableFile, error) { return s, nil }

// The rest of [backend.Storage], of which what is used here uses nothing.

func (storage) Stat() (fs.FileInfo, error)     { return nil, errMemory }
func (storage) Read([]byte) (int, error)       { return 0, errMemory }
func (storage) Seek(int64, int) (int64, error) { return 0, errMemory }
func (storage) Close() error                   { return nil }
func (storage) Sys() (*os.File, error)         { return nil, errMemory }
func (storage) Path() string                   { return "" }
