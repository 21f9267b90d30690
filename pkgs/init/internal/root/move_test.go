package root_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/pkgs/init/internal/root"
)

// must fails the test where making its files fails.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// look returns what a file is: its mode, time and contents or target.
func look(t *testing.T, file string) string {
	t.Helper()
	info, err := os.Lstat(file)
	must(t, err)
	text := info.Mode().String() + " " + info.ModTime().UTC().Format(time.RFC3339) + " "
	switch {
	case info.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink(file)
		must(t, err)
		text += target
	case info.Mode().IsRegular():
		content, err := os.ReadFile(file)
		must(t, err)
		text += string(content)
	}
	return text
}

func TestMove(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), t.TempDir()
	in := func(name string) string { return filepath.Join(from, name) }
	must(t, os.MkdirAll(in("lib/deep"), 0o755), os.Mkdir(in("closed"), 0o755),
		os.WriteFile(in("lib/deep/file"), []byte("contents"), 0o640),
		os.WriteFile(in("empty"), nil, 0o644), os.Chmod(in("empty"), 0o755|os.ModeSetuid),
		os.Symlink("../nowhere", in("lib/link")),
		os.Link(in("lib/deep/file"), in("second")), unix.Mkfifo(in("fifo"), 0o600))
	attribute := unix.Setxattr(in("lib/deep/file"), "user.test", []byte("value"), 0)
	when := time.Unix(1700000000, 0)
	must(t, os.Chmod(in("closed"), 0o511))
	files := []string{"closed", "empty", "fifo", "lib/deep/file", "second", "lib/deep", "lib", "."}
	for _, name := range files {
		must(t, os.Chtimes(in(name), when, when))
	}
	files = append(files, "lib/link")
	want := map[string]string{}
	for _, name := range files {
		want[name] = look(t, in(name))
	}
	must(t, root.Move(from, to))
	got := map[string]string{}
	for _, name := range files {
		got[name] = look(t, filepath.Join(to, name))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	first, err := os.Stat(filepath.Join(to, "second"))
	must(t, err)
	second, err := os.Stat(filepath.Join(to, "lib/deep/file"))
	must(t, err)
	if !os.SameFile(first, second) || first.Sys().(*syscall.Stat_t).Nlink != 2 {
		t.Error("the two names are of two files")
	}
	if attribute == nil {
		value := make([]byte, 10)
		n, err := unix.Getxattr(filepath.Join(to, "second"), "user.test", value)
		if err != nil || string(value[:n]) != "value" {
			t.Errorf("the attribute: %q, %v", value[:max(n, 0)], err)
		}
	}
	for _, name := range []string{"empty", "fifo", "lib/deep/file", "lib/link", "second"} {
		if _, err := os.Lstat(in(name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", name)
		}
	}
}

// A file is removed only once it is written.
func TestMoveError(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(from, "a"), []byte("a"), 0o644), os.WriteFile(filepath.Join(to, "a"), []byte("there"), 0o644))
	if err := root.Move(from, to); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v, want os.ErrExist", err)
	}
	for dir, want := range map[string]string{from: "a", to: "there"} {
		if got, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if err := root.Move(filepath.Join(from, "nowhere"), to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want os.ErrNotExist", err)
	}
}

func TestKindOf(t *testing.T) {
	if kind, err := root.KindOf("/proc"); kind != root.Disk || err != nil {
		t.Errorf("/proc: %v, %v", kind, err)
	}
	if _, err := root.KindOf(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want os.ErrNotExist", err)
	}
}
