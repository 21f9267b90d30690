package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// files are the files of a layout or an archive, by slash-separated path. They
// may be read by many goroutines at once.
type files interface {
	// open returns a file's bytes and their number. The error wraps ErrNotFound.
	open(name string) (io.ReadCloser, int64, error)
	// lay adds blobs that are not there, and then replaces index.json: all of it
	// appears, or index.json is as it was. What is open shows what was there.
	lay(ctx context.Context, blobs [][]byte, index []byte) error
	io.Closer
}

// openFiles opens a folder, or a tar of one, and tells which it is by looking.
func openFiles(path string) (files, error) {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", path, ErrNotFound)
	case err != nil:
		return nil, err
	case fi.IsDir():
		return folder(path), nil
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s: it is neither a folder nor a file", path)
	}
	return openTar(path)
}

// readFile returns a small file whole.
func readFile(ctx context.Context, from files, name string) ([]byte, error) {
	r, size, err := from.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > maxDocument {
		return nil, fmt.Errorf("%s: %w: %d bytes; at most %d are read", name, ErrInvalid, size, maxDocument)
	}
	data, err := readSized(ctx, r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// folder is the files below a folder. Symbolic links are followed wherever
// they lead, as some builders make layouts of links to their own cache: what is
// read is content of a known digest.
type folder string

func (f folder) open(name string) (io.ReadCloser, int64, error) {
	path := filepath.Join(string(f), filepath.FromSlash(name))
	fi, err := os.Stat(path) // before it is opened, which waits on a named pipe
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, fmt.Errorf("%s: %w", name, ErrNotFound)
	case err != nil:
		return nil, 0, err
	case !fi.Mode().IsRegular():
		return nil, 0, fmt.Errorf("%s: %w: it is not a file", name, ErrInvalid)
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	return r, fi.Size(), nil
}

// Close does nothing: each file is closed by who opened it.
func (f folder) Close() error { return nil }
