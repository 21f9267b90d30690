package logs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// tailLimit is the most that Tail reads of each file, in bytes.
	tailLimit = 4 << 20
	// look is how often a file is looked at that somebody else writes.
	look = 250 * time.Millisecond
)

// Tail writes the last n lines to w; a negative n means all that is kept. With
// follow it goes on with what is written, until ctx ends, w fails or the log is
// closed.
func (f *File) Tail(ctx context.Context, w io.Writer, n int, follow bool) error {
	f.mu.Lock()
	text := f.last(n)
	offset, generation, changed, closed := f.size, f.generation, f.changed, f.closed
	f.mu.Unlock()
	if _, err := w.Write(text); err != nil || !follow {
		return err
	}
	for !closed {
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
		f.mu.Lock()
		var more []byte
		if f.generation > generation {
			// The rest of what is now the first older file; of more than one
			// rotation since, the lines between have been missed.
			more = readFrom(f.path+".1", offset)
			offset, generation = 0, f.generation
		}
		more = append(more, readFrom(f.path, offset)...)
		offset, changed, closed = f.size, f.changed, f.closed
		f.mu.Unlock()
		if _, err := w.Write(more); err != nil {
			return err
		}
	}
	return nil
}

// Tail is the Tail of a file that somebody else writes, which is looked at every
// while. Of a large one it reads the end.
func Tail(ctx context.Context, w io.Writer, path string, n int, follow bool) error {
	offset := max(sizeOf(path)-tailLimit, 0)
	text := readFrom(path, offset)
	offset += int64(len(text))
	_, err := w.Write(LastLines(text, n))
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for follow && err == nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if sizeOf(path) < offset {
			offset = 0 // it has begun anew
		}
		more := readFrom(path, offset)
		offset += int64(len(more))
		_, err = w.Write(more)
	}
	return err
}

// last returns the last n lines of the current and the first older file; f.mu is held.
func (f *File) last(n int) []byte {
	text := append(readFrom(f.path+".1", 0), readFrom(f.path, 0)...)
	return LastLines(text, n)
}

// LastLines returns the end of text that begins with the last n lines; a
// negative n means all.
func LastLines(text []byte, n int) []byte {
	if n < 0 {
		return text
	}
	at := len(text)
	if at > 0 && text[at-1] == '\n' {
		at--
	}
	for ; n > 0 && at >= 0; n-- {
		at = bytes.LastIndexByte(text[:at], '\n')
	}
	if n > 0 || at < 0 {
		return text
	}
	if at == len(text) {
		return nil
	}
	return text[at+1:]
}

// open opens a regular file to read it. Containers that have the folder may have
// put another thing in its place: a link that leads out of the folder is refused.
func open(path string) (*os.File, int64, error) {
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, 0, err
	}
	defer folder.Close()
	file, err := folder.OpenFile(filepath.Base(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("this is no file")
	}
	if err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// sizeOf returns how many bytes a file has, 0 where there is none.
func sizeOf(path string) int64 {
	file, size, err := open(path)
	if err != nil {
		return 0
	}
	_ = file.Close()
	return size
}

// readFrom returns what a file has from an offset on, or nothing.
func readFrom(path string, offset int64) []byte {
	file, _, err := open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, offset, tailLimit))
	if err != nil {
		return nil
	}
	return text
}
