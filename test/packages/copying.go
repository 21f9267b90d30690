package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// copying is a way to copy files; the zero value keeps permissions, and nothing else.
type copying struct {
	backwards bool                          // the last name is copied first
	at        time.Time                     // the files' time; zero: now
	mode      func(fs.FileMode) fs.FileMode // from the permissions of a file; nil: the same
}

// tree copies a file, or a folder with all that is in it.
func (c copying) tree(from, to string) error {
	var all []string
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		all = append(all, rel)
		return nil
	})
	if err != nil {
		return err
	}
	if c.backwards {
		slices.Reverse(all)
	}
	for _, rel := range all {
		if err := c.file(filepath.Join(from, rel), filepath.Join(to, rel)); err != nil {
			return err
		}
	}
	return nil
}

// file copies a file or a link.
func (c copying) file(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	mode := info.Mode().Perm()
	if c.mode != nil {
		mode = c.mode(mode)
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close(), os.Chmod(to, mode)); err != nil || c.at.IsZero() {
		return err
	}
	return os.Chtimes(to, c.at, c.at)
}
