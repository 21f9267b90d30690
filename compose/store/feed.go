package store

import (
	"errors"
	"fmt"
	"io"
)

// feed reads a stream in large steps and gives it out in small ones. Every byte
// passes each once, in order and in full buffers, on its way: so the digest,
// the file on the disk and the index are made of one reading.
type feed struct {
	src   io.Reader
	each  func(p []byte) error // may be nil
	limit int64                // bytes that src may have
	buf   []byte
	r, w  int   // what of buf is not given out
	given int64 // bytes given out: the offset of the next one
	taken int64 // bytes taken from src
	err   error // why there are no more bytes; io.EOF at the end of src
}

// Read implements [io.Reader].
func (f *feed) Read(p []byte) (int, error) {
	if f.r == f.w {
		if err := f.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.buf[f.r:f.w])
	f.r += n
	f.given += int64(n)
	return n, nil
}

func (f *feed) fill() error {
	if f.err != nil {
		return f.err
	}
	f.r, f.w = 0, 0
	for f.w < len(f.buf) && f.err == nil {
		var n int
		n, f.err = f.src.Read(f.buf[f.w:])
		f.w += n
	}
	f.taken += int64(f.w)
	if f.taken > f.limit {
		f.err = fmt.Errorf("%w: more than %d bytes uncompressed", ErrInvalid, f.limit)
	}
	if f.failed() == nil && f.each != nil && f.w > 0 {
		if err := f.each(f.buf[:f.w]); err != nil {
			f.err = err
		}
	}
	if f.failed() != nil || f.w == 0 {
		f.w = 0
		return f.err
	}
	return nil
}

// failed returns the error that ended the stream before its end.
func (f *feed) failed() error {
	if errors.Is(f.err, io.EOF) {
		return nil
	}
	return f.err
}

// zeros reads the stream to its end and tells whether nothing but zeros was left.
func (f *feed) zeros() (bool, error) {
	for {
		for _, b := range f.buf[f.r:f.w] {
			if b != 0 {
				return false, nil
			}
		}
		f.given += int64(f.w - f.r)
		f.r = f.w
		if err := f.fill(); err != nil {
			return true, f.failed()
		}
	}
}

// drain reads the stream to its end.
func (f *feed) drain() {
	for {
		if f.fill() != nil {
			return
		}
	}
}
