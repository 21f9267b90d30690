package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// version is the content of the file that marks a directory as a cache. A
// program that lays the cache out otherwise writes another number.
const (
	versionFile = "version"
	versionText = "compose cache 1\n"
)

// The folders below v1.
const (
	blobsDir    = "blobs/sha256" // HEX: bytes as stored; HEX.stamp
	layersDir   = "layers"       // HEX.tar: uncompressed, by diffID; HEX.idx; HEX.stamp
	archivesDir = "archives"     // HEX.idx: index of a tar that is a file of a layer, by its digest
	membersDir  = "members"      // HEX.member: made bytes and a footer, by the key of what they are made of; HEX.stamp
	refsDir     = "refs"         // HEX of the name
	notesDir    = "notes"        // KIND/HEX of the key
	partialDir  = "partial"      // HEX: the beginning of a blob whose download was broken off
	tmpDir      = "tmp"          // what is being written
	locksDir    = "locks"        // one file a key, while it is being made
)

// memberSuffix is how the names of members' files end.
const memberSuffix = ".member"

var folders = [...]string{blobsDir, layersDir, archivesDir, membersDir, refsDir, notesDir, partialDir, tmpDir, locksDir}

// layOut makes the directory a cache, or checks that it is one.
func (s *Store) layOut() error {
	if s.dir == "" {
		return errors.New("cache: no directory is given: name one with -cache")
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("cache: %w", s.cannotWrite(err))
	}
	marked, err := s.marked()
	if err != nil {
		return err
	}
	if !marked {
		if err := s.mark(); err != nil {
			return err
		}
	}
	for _, f := range folders {
		if err := os.MkdirAll(s.path(f), 0o755); err != nil && !unwritable(err) {
			return fmt.Errorf("cache: %w", err)
		}
	}
	return nil
}

// marked tells whether the version file is there. One of another version is an error.
func (s *Store) marked() (bool, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, versionFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("cache: %w", err)
	case string(text) != versionText:
		return false, fmt.Errorf("cache %s: %w: its version file says %.40q, want %q: name another directory with -cache",
			s.dir, ErrForeign, text, versionText)
	}
	return true, nil
}

// mark makes an empty directory a cache. The lock on the directory itself
// keeps two processes from meeting each other's half-made files.
func (s *Store) mark() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	defer d.Close()
	if err := flock(d, unix.LOCK_EX); err != nil {
		return fmt.Errorf("cache %s: lock: %w", s.dir, err)
	}
	if marked, err := s.marked(); marked || err != nil {
		return err
	}
	const draft = versionFile + ".tmp" // of a process that was killed here
	names, err := d.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	for _, n := range names {
		if n.Name() != draft && n.Name() != "lost+found" {
			return fmt.Errorf("cache %s: %w: it is not empty and has no version file: name another directory with -cache",
				s.dir, ErrForeign)
		}
	}
	path := filepath.Join(s.dir, draft)
	if err := os.WriteFile(path, []byte(versionText), 0o644); err != nil {
		return fmt.Errorf("cache: %w", s.cannotWrite(err))
	}
	if err := os.Rename(path, filepath.Join(s.dir, versionFile)); err != nil {
		return fmt.Errorf("cache: %w", s.cannotWrite(err))
	}
	return nil
}
