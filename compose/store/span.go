package store

import (
	"errors"
	"io"
)

// section is where something begins: a byte of something that can be read.
type section struct {
	at   io.ReaderAt
	base int64
}

// span is a section of some size: the body of an entry.
type span struct {
	section
	size int64
}

// ReadAt implements [io.ReaderAt].
func (s *span) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= s.size {
		if off < 0 {
			return 0, errors.New("read at a negative offset")
		}
		return 0, io.EOF
	}
	short := int64(len(p)) > s.size-off
	if short {
		p = p[:s.size-off]
	}
	n, err := s.at.ReadAt(p, s.base+off)
	if n == len(p) {
		err = nil
		if short {
			err = io.EOF
		}
	} else if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the tar was longer when it was indexed
	}
	return n, err
}
