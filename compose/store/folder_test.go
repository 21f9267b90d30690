package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestFolder shows that a folder is one's own, stays while its process lives, and
// goes with all that is in it, also where the process was killed.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	fill := func(folder string) {
		t.Helper()
		must(t, os.MkdirAll(filepath.Join(folder, "a", "b"), 0o700))
		put(t, filepath.Join(folder, "a", "b", "file"), "content")
	}
	gone := func(folder string) bool {
		_, err := os.Lstat(folder)
		return errors.Is(err, fs.ErrNotExist)
	}
	first, removeFirst, err := s.Folder("x")
	must(t, err)
	second, removeSecond, err := s.Folder("x")
	must(t, err)
	if first == second {
		t.Fatalf("%s twice", first)
	}
	fill(first)
	fill(second)
	killed := s.path(tmpDir, "x.killed")
	fill(killed)

	openStore(t, dir)
	if gone(first) || gone(second) {
		t.Error("a folder that is in use was removed")
	}
	if !gone(killed) {
		t.Error("what a killed process left is there")
	}
	removeFirst()
	if !gone(first) || gone(second) {
		t.Error("removing one has not removed that one alone")
	}
	removeSecond()
	if !gone(second) {
		t.Error("the second one is there")
	}
}
