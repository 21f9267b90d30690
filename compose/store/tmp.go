package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// create makes a file in tmp/ to be written and then published. It holds a
// shared lock on it, which tells other processes that it is not left over, and
// which becomes the lease's hold once the file is in its place.
func (s *Store) create(key string) (*os.File, error) {
	for n := 0; ; n++ {
		path := s.path(tmpDir, key+"."+strconv.Itoa(n))
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o444)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, s.cannotWrite(err)
		}
		if err := flock(f, unix.LOCK_SH); err != nil {
			discard(f)
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		// Before the lock was there, another process may have taken the file for a leftover.
		if ok, err := linked(f, path); err != nil || !ok {
			_ = f.Close()
			if err != nil {
				return nil, err
			}
			continue
		}
		return f, nil
	}
}

// unnamed makes a file in dir that has no name there and is gone when it is
// closed, however the process ends.
func unnamed(dir, key string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) {
		return f, err
	}
	return unlinked(dir, key)
}

// unlinked is unnamed for file systems that know no files without a name: a
// process that is killed at the wrong moment leaves an empty file.
func unlinked(dir, key string) (*os.File, error) {
	for n := 0; ; n++ {
		path := filepath.Join(dir, "compose-"+key+"."+strconv.Itoa(n))
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			_ = f.Close()
			return nil, err
		}
		return f, nil
	}
}

// Folder makes an empty folder of this process's own, for files of a moment. remove
// removes it with all that is in it; what a killed process leaves, the next [Open]
// does. While the cache cannot be written to it is in [Options].Temp, where a kill
// leaves it; without Temp the error wraps [ErrReadOnly].
func (s *Store) Folder(key string) (dir string, remove func(), err error) {
	dir, remove, err = s.folder(key)
	if !errors.Is(err, ErrReadOnly) || s.temp == "" {
		return dir, remove, err
	}
	if dir, err = os.MkdirTemp(s.temp, "compose-"+key+"-"); err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// folder makes one in the cache.
func (s *Store) folder(key string) (dir string, remove func(), err error) {
	for n := 0; ; n++ {
		path := s.path(tmpDir, key+"."+strconv.Itoa(n))
		err := os.Mkdir(path, 0o700)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", nil, s.cannotWrite(err)
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) { // another process has taken it for a leftover
			continue
		}
		if err == nil {
			err = flock(f, unix.LOCK_SH)
		}
		if err != nil {
			_ = os.RemoveAll(path)
			return "", nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if ok, err := linked(f, path); err != nil || !ok {
			_ = f.Close()
			if err != nil {
				return "", nil, err
			}
			continue
		}
		return path, func() {
			_ = os.RemoveAll(path)
			_ = f.Close()
		}, nil
	}
}

// discard removes a file that create made.
func discard(f *os.File) {
	_ = os.Remove(f.Name())
	_ = f.Close()
}

// publish gives a file that create made its name in the store.
func (s *Store) publish(f *os.File, path string) error {
	return s.cannotWrite(os.Rename(f.Name(), path))
}

// write makes a small file appear at path, whole or not at all.
func (s *Store) write(key, path string, data []byte) error {
	f, err := s.create(key)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		discard(f)
		return err
	}
	if err := s.publish(f, path); err != nil {
		discard(f)
		return err
	}
	return f.Close()
}

// removeLeftovers removes what killed processes left in tmp/, and what is in
// partial/ and of no use any more: of other downloads, Prune decides by their
// age. What cannot be removed harms nobody.
func (s *Store) removeLeftovers() {
	s.removeUnheld(tmpDir, func(fs.DirEntry) bool { return true })
	s.removeUnheld(partialDir, func(n fs.DirEntry) bool {
		fi, err := n.Info()
		_, whole := os.Lstat(s.path(blobsDir, n.Name()))
		return err == nil && (fi.Size() == 0 || whole == nil)
	})
}

// removeUnheld removes those files of a folder that nobody holds.
func (s *Store) removeUnheld(folder string, those func(fs.DirEntry) bool) {
	names, err := os.ReadDir(s.path(folder))
	if err != nil {
		return
	}
	for _, n := range names {
		if !those(n) {
			continue
		}
		path := s.path(folder, n.Name())
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if flock(f, unix.LOCK_EX|unix.LOCK_NB) == nil {
			if ok, err := linked(f, path); ok && err == nil {
				_ = os.RemoveAll(path)
			}
		}
		_ = f.Close()
	}
}
