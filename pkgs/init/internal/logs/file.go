// Package logs keeps what containers write: files of bounded size in /var/log
// that can be read while they grow.
//
// A line that was taken is in the file before the next one is read: there is no
// buffer that a crash could lose. A file that is full becomes NAME.1, that one
// NAME.2, and the oldest goes.
package logs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

const (
	// DefaultMax is the size in bytes from which a file is rotated.
	DefaultMax = 1 << 20
	// DefaultKeep is the number of older files.
	DefaultKeep = 2
	// Suffix is what follows a name in that of its file.
	Suffix = ".log"
)

// File is a log file. Its methods may be called side by side.
type File struct {
	path string
	max  int64
	keep int

	mu         sync.Mutex
	file       *os.File
	size       int64
	cut        bool // the last line has no end yet
	generation int  // rotations so far
	changed    chan struct{}
	closed     bool
}

// Open opens or continues the log at path. A max of 0 is DefaultMax; keep is at
// least 1.
func Open(path string, limit int64, keep int) (*File, error) {
	if limit <= 0 {
		limit = DefaultMax
	}
	f := &File{path: path, max: limit, keep: max(keep, 1), changed: make(chan struct{})}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return f, f.open()
}

// open opens the current file at its end. A container may have the folder: a link
// there is not followed, and what is no file is not written to.
func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_RDWR|os.O_APPEND|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", f.path)
	}
	if err != nil {
		_ = file.Close()
		return err
	}
	f.file, f.size, f.cut = file, info.Size(), false
	if f.size > 0 {
		last := make([]byte, 1)
		_, err := file.ReadAt(last, f.size-1)
		f.cut = err == nil && last[0] != '\n'
	}
	return nil
}

// Write appends p, and rotates between two lines. A line without an end is cut
// where it alone would make the file twice as large as it may be.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, os.ErrClosed
	}
	written := 0
	for len(p) > 0 {
		part, err := f.next(p)
		if err != nil {
			return written, err
		}
		n, err := f.file.Write(part)
		written, f.size = written+n, f.size+int64(n)
		if n > 0 {
			f.cut = part[n-1] != '\n'
		}
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return written, nil
}

// next returns how much of p goes into the current file, which it may rotate first.
func (f *File) next(p []byte) ([]byte, error) {
	if f.size > 0 && f.size+int64(len(p)) > f.max {
		line := bytes.IndexByte(p, '\n') + 1
		if f.cut && f.size < 2*f.max {
			if line > 0 && f.size+int64(line) <= 2*f.max {
				return p[:line], nil
			}
			return p[:min(int64(len(p)), 2*f.max-f.size)], nil
		}
		if line > 0 && f.size+int64(line) <= f.max {
			return p[:line], nil
		}
		if err := f.rotate(); err != nil {
			return nil, err
		}
	}
	if int64(len(p)) <= f.max {
		return p, nil
	}
	if end := bytes.LastIndexByte(p[:f.max], '\n'); end >= 0 {
		return p[:end+1], nil
	}
	return p[:f.max], nil
}

// rotate makes room: the current file becomes the first of the older ones.
// After an error the file that was open still is, so that the next line tries again.
func (f *File) rotate() error {
	for i := f.keep; i > 1; i-- {
		err := os.Rename(fmt.Sprintf("%s.%d", f.path, i-1), fmt.Sprintf("%s.%d", f.path, i))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if err := os.Rename(f.path, f.path+".1"); err != nil && !os.IsNotExist(err) {
		return err
	}
	full := f.file
	if err := f.open(); err != nil {
		return err
	}
	f.generation++
	return full.Close()
}

// Close ends the log; who follows it comes to an end.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	close(f.changed)
	return f.file.Close()
}
