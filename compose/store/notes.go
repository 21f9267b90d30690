package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// SignatureNote is the kind of notes about the blob whose digest is their key
// that stay as long as a ref leads to the blob.
const SignatureNote = "signature"

// Note returns what SetNote kept under that key. It wraps fs.ErrNotExist where
// there is no note; a damaged one is as if it were not there. A note is a hint
// that saves work: who reads one checks that it still holds.
func (s *Store) Note(kind, key string) ([]byte, error) {
	path, err := s.notePath(kind, key)
	if err != nil {
		return nil, err
	}
	data, err := sealedAs("note", kind+" "+key, path)
	if errors.Is(err, ErrDamaged) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("note %s %q: %w", kind, key, err)
	}
	touch(path)
	return data, nil
}

// SetNote keeps data under a key, of at most 16 MB with it. kind is a word of
// a-z, 0-9 and "-"; the key is any string.
func (s *Store) SetNote(kind, key string, data []byte) error {
	path, err := s.notePath(kind, key)
	if err != nil {
		return err
	}
	if len(key)+len(data) > maxSealed-128 {
		return fmt.Errorf("note %s: %d bytes are too many", kind, len(key)+len(data))
	}
	if err := os.MkdirAll(s.path(notesDir, kind), 0o755); err != nil {
		return fmt.Errorf("note %s %q: %w", kind, key, s.cannotWrite(err))
	}
	if err := s.write("note-"+hexOf(key), path, seal("note", kind+" "+key, data)); err != nil {
		return fmt.Errorf("note %s %q: %w", kind, key, err)
	}
	return nil
}

func (s *Store) notePath(kind, key string) (string, error) {
	ok := kind != "" && len(kind) <= 64
	for _, c := range []byte(kind) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return "", fmt.Errorf("note kind %q: want a word of a-z, 0-9 and -", kind)
	}
	return s.path(notesDir, kind, hexOf(key)), nil
}
