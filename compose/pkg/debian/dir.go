package debian

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Blob is a stored file. It is read at any place, until it is closed.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Cache keeps files by their SHA-256 in 64 hexadecimal digits.
type Cache interface {
	// Get opens a file. The error of one that is not there is fs.ErrNotExist. What it
	// gives is verified by who asks, every time.
	Get(sum string) (Blob, error)
	// Put keeps what r gives. Where the bytes are not those of the sum, r ends with an
	// error instead of io.EOF: then nothing is kept, and Put returns that error.
	Put(sum string, r io.Reader) error
}

// Dir is a folder with files named by their SHA-256 in hexadecimal digits. As a Cache it
// is made when something is put into it.
type Dir string

// Get implements Cache.
func (d Dir) Get(sum string) (Blob, error) {
	f, err := os.Open(filepath.Join(string(d), sum))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a file", f.Name())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &blob{File: f, size: info.Size()}, nil
}

// Put implements Cache. The file appears whole or not at all.
func (d Dir) Put(sum string, r io.Reader) error {
	if err := os.MkdirAll(string(d), 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(string(d), ".part-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(string(d), sum))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Has says that the folder has a file of that sum; it does not read it.
func (d Dir) Has(sum string) (bool, error) {
	_, err := os.Stat(filepath.Join(string(d), sum))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// blob is an open file of a Dir.
type blob struct {
	*os.File
	size int64
}

// Size implements Blob.
func (b *blob) Size() int64 { return b.size }
