package logs_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/logs"
)

// A file that somebody else writes is followed, also when it begins anew.
func TestTailOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.log")
	write := func(flags int, text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write(0, "one\ntwo\nthree\n")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		ended := make(chan error, 1)
		go func() { ended <- logs.Tail(ctx, &out, path, 2, true) }()
		for _, step := range []struct {
			flags      int
			text, want string
		}{
			{os.O_APPEND, "", "two\nthree\n"},
			{os.O_APPEND, "four\n", "two\nthree\nfour\n"},
			{os.O_TRUNC, "new\n", "two\nthree\nfour\nnew\n"},
		} {
			synctest.Wait()
			write(step.flags, step.text)
			time.Sleep(time.Second)
			synctest.Wait()
			if out.String() != step.want {
				t.Errorf("got %q, want %q", &out, step.want)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Of a large file it is the end that is read.
func TestTailOfMuch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.log")
	if err := os.WriteFile(path, []byte(strings.Repeat("0123456789abcde\n", 300000)+"end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := logs.Tail(t.Context(), &out, path, 2, false); err != nil || out.String() != "0123456789abcde\nend\n" {
		t.Errorf("got %q, %v", &out, err)
	}
}

// What is put in a log's place leads nowhere.
func TestTailStaysInItsFolder(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "log")
	for _, err := range []error{
		os.Mkdir(folder, 0o755),
		os.WriteFile(filepath.Join(dir, "secret"), []byte("secret\n"), 0o600),
		os.Symlink("../secret", filepath.Join(folder, "link.log")),
		os.Symlink(filepath.Join(dir, "secret"), filepath.Join(folder, "far.log")),
		unix.Mkfifo(filepath.Join(folder, "pipe.log"), 0o600),
		os.Mkdir(filepath.Join(folder, "folder.log"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"link.log", "far.log", "pipe.log", "folder.log", "none.log"} {
		var out bytes.Buffer
		if err := logs.Tail(t.Context(), &out, filepath.Join(folder, name), -1, false); err != nil || out.Len() > 0 {
			t.Errorf("%s: %q, %v", name, &out, err)
		}
	}
}
