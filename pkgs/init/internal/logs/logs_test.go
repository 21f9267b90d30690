package logs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/composeos/compose/pkgs/init/internal/logs"
)

func open(t *testing.T, limit int64) (*logs.File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log", "nginx.log")
	f, err := logs.Open(path, limit, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, path
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

func TestRotation(t *testing.T) {
	for _, c := range []struct {
		name     string
		writes   []string
		old, now string
	}{
		{"fits", []string{"0123\n", "5678\n"}, "", "0123\n5678\n"},
		{"full", []string{"0123\n", "56789\n"}, "0123\n", "56789\n"},
		{"a line goes on over the limit", []string{"0123", "56789ab\nx\n"}, "012356789ab\n", "x\n"},
		{"several lines at once", []string{"0123\n", "56\n78\n"}, "0123\n56\n", "78\n"},
		{"one large write", []string{"0123\n5678\nabc\n"}, "0123\n5678\n", "abc\n"},
		{"no end in sight", []string{"0123456789", "0123456789", "xy"}, "01234567890123456789", "xy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, path := open(t, 10)
			for _, w := range c.writes {
				if n, err := io.WriteString(f, w); n != len(w) || err != nil {
					t.Fatal(n, err)
				}
			}
			if old, now := read(t, path+".1"), read(t, path); old != c.old || now != c.now {
				t.Errorf("got %q, %q; want %q, %q", old, now, c.old, c.now)
			}
		})
	}
}

// Whatever is written, the files stay bounded, and together are the end of it.
func TestRotationIsBounded(t *testing.T) {
	f, path := open(t, 100)
	var all strings.Builder
	for i := range 500 {
		text := strings.Repeat("x", i%37) + strings.Repeat("\n", i%3)
		all.WriteString(text)
		if _, err := io.WriteString(f, text); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, path + ".1", path + ".2"} {
			if n := len(read(t, p)); n > 200 {
				t.Fatalf("%s has %d bytes", p, n)
			}
		}
		if kept := read(t, path+".2") + read(t, path+".1") + read(t, path); !strings.HasSuffix(all.String(), kept) {
			t.Fatalf("after %d writes, %q is not the end", i, kept)
		}
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 3 {
		t.Errorf("got %v", left)
	}
}

func TestOpenContinues(t *testing.T) {
	f, path := open(t, 10)
	io.WriteString(f, "0123456")
	f.Close()
	if _, err := io.WriteString(f, "x"); err == nil {
		t.Error("a closed log takes lines")
	}
	f, err := logs.Open(path, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	io.WriteString(f, "789ab\nc\n")
	if old, now := read(t, path+".1"), read(t, path); old != "0123456789ab\n" || now != "c\n" {
		t.Errorf("got %q, %q", old, now)
	}
}

// What somebody has put in the place of a log is left alone.
func TestOpenIsOfAFile(t *testing.T) {
	for _, c := range []struct {
		name string
		put  func(path string) error
	}{
		{"link", func(path string) error { return os.Symlink("elsewhere", path) }},
		{"pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }},
		{"folder", func(path string) error { return os.Mkdir(path, 0o700) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "nginx.log")
			if err := c.put(path); err != nil {
				t.Fatal(err)
			}
			if _, err := logs.Open(path, 0, 0); err == nil {
				t.Error("it was opened")
			}
			if _, err := os.Stat(filepath.Join(dir, "elsewhere")); err == nil {
				t.Error("the link was followed")
			}
		})
	}
}

// A log that could not be rotated goes on when it can be.
func TestRotatesLater(t *testing.T) {
	f, path := open(t, 10)
	if err := os.MkdirAll(path+".2/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".1", []byte("older\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "0123456\n")
	for range 2 {
		if _, err := io.WriteString(f, "lost\n"); err == nil || errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
	if err := os.RemoveAll(path + ".2"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "kept\n"); err != nil || read(t, path) != "kept\n" || read(t, path+".1") != "0123456\n" {
		t.Errorf("%v, %q after %q", err, read(t, path), read(t, path+".1"))
	}
}

func TestLastLines(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"", 3, ""},
		{"a\nb\nc\n", 2, "b\nc\n"},
		{"a\nb\nc", 2, "b\nc"},
		{"a\nb\n", 2, "a\nb\n"},
		{"a\nb\n", 9, "a\nb\n"},
		{"a\nb\n", -1, "a\nb\n"},
		{"a\nb", 0, ""},
		{"\n\n\n", 1, "\n"},
	} {
		if got := string(logs.LastLines([]byte(c.text), c.n)); strings.TrimRight(got, "\n") != strings.TrimRight(c.want, "\n") || (c.n != 0 && got != c.want) {
			t.Errorf("LastLines(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}

func TestFollow(t *testing.T) {
	f, _ := open(t, 20)
	io.WriteString(f, "one\ntwo\n")
	in, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Tail(ctx, out, 1, true); out.Close() }()
	expect := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != want {
			t.Fatalf("got %q %v, want %q", got, err, want)
		}
	}
	expect("two\n")
	for i := range 10 { // over several rotations
		line := fmt.Sprintf("line %d\n", i)
		io.WriteString(f, line)
		expect(line)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFollowEndsWithTheLog(t *testing.T) {
	f, _ := open(t, 20)
	io.WriteString(f, "one\n")
	var got bytes.Buffer
	ended := make(chan error, 1)
	go func() { ended <- f.Tail(t.Context(), &got, -1, true) }()
	f.Close()
	if err := <-ended; err != nil || got.String() != "one\n" {
		t.Errorf("got %q %v", got.String(), err)
	}
}

func TestLines(t *testing.T) {
	var got []string
	l := logs.NewLines(func(line string) { got = append(got, line) })
	long := strings.Repeat("x", 5000)
	for _, part := range []string{"a", "b\nc\r\n\n", long, "\nend"} {
		io.WriteString(l, part)
	}
	l.Flush()
	l.Flush()
	if want := []string{"ab", "c", "", long[:4096], long[4096:], "end"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	r := logs.NewRing(2)
	for _, line := range got {
		r.Add(line)
	}
	if want := got[len(got)-2:]; !slices.Equal(r.Lines(), want) {
		t.Errorf("got %q", r.Lines())
	}
}
