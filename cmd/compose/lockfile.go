package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/composeos/compose/spec"
)

// saveLock writes a lock to path, whole or not at all.
func saveLock(path string, l *spec.Lock) error {
	text, err := l.Marshal()
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	if err := replaceFile(path, text); err != nil {
		return lockPlace(path, err)
	}
	return nil
}

// probeLock tells whether a file can be made where the lock will be.
func probeLock(path string) error {
	f, err := os.CreateTemp(filepath.Dir(followed(path)), "."+filepath.Base(path)+".*")
	if err != nil {
		return lockPlace(path, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// lockPlace is the error of a place where no lock can be written. It names the
// lock, not the file beside it that could not be made.
func lockPlace(path string, err error) error {
	if beside, ok := errors.AsType[*fs.PathError](err); ok {
		err = beside.Err
	}
	return withHint(fmt.Errorf("write lock %s: %w", path, err), "name a place for the lock that can be written, with -lock FILE")
}

// followed is where path leads to if it is a link, else path.
func followed(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

// replaceFile makes data the content of path: in a file beside it, which then
// takes its place. A link is followed, and a mode that is there is kept.
func replaceFile(path string, data []byte) error {
	path = followed(path)
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
