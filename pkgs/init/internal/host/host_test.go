package host_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/host"
)

func TestName(t *testing.T) {
	const none = "\x00" // no file
	for _, tc := range []struct {
		name, word, file, kernel string
		want                     string
		warns                    bool
	}{
		{"nobody says", "", none, "(none)", "compose", false},
		{"the file", "", "web\n", "(none)", "web", false},
		{"the command line before the file", "edge-1.example.org", "web\n", "kernel", "edge-1.example.org", false},
		{"the kernel after the file", "", "# nothing\n\n", "kernel", "kernel", false},
		{"comments and blanks", "", "# the name\n\n  web_2  \nother\n", "", "web_2", false},
		{"no name in the file", "", "a b\n", "(none)", "compose", true},
		{"no name on the command line", "-a", "web", "", "web", true},
		{"too long", strings.Repeat("a", 65), "web", "", "web", true},
		{"just not too long", strings.Repeat("a", 64), "web", "", strings.Repeat("a", 64), false},
		{"not a letter of names", "a\x1b[2J", none, "", "compose", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "hostname")
			if tc.file != none {
				if err := os.WriteFile(file, []byte(tc.file), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			name, warning := host.Name(tc.word, file, tc.kernel)
			if name != tc.want || (warning != "") != tc.warns || strings.ContainsAny(warning, "\x1b\n") {
				t.Errorf("got %q and %q, want %q", name, warning, tc.want)
			}
		})
	}
}

func TestEpoch(t *testing.T) {
	dir := t.TempDir()
	for name, when := range map[string]int64{"old": 1000, "new": 3000, "sub/middle": 2000} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644), os.Chtimes(file, time.Unix(when, 0), time.Unix(when, 0))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("old", filepath.Join(dir, "sub/link")); err != nil { // a link is younger, and no file of the image
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name     string
		patterns []string
		want     int64
	}{
		{"the youngest", []string{filepath.Join(dir, "o*"), filepath.Join(dir, "*")}, 3000},
		{"of what is named", []string{filepath.Join(dir, "*/*")}, 2000},
		{"a wrong pattern counts for nothing", []string{"[", filepath.Join(dir, "old")}, 1000},
	} {
		if got := host.Epoch(tc.patterns...); got.Unix() != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got.Unix(), tc.want)
		}
	}
	if got := host.Epoch(filepath.Join(dir, "nothing")); !got.IsZero() {
		t.Errorf("of no file: %v", got)
	}
}

func TestSetClock(t *testing.T) {
	epoch := time.Unix(1700000000, 0)
	for _, tc := range []struct {
		name string
		now  time.Time
		set  bool
	}{
		{"no clock", time.Unix(30, 0), true},
		{"a clock that is right", epoch.AddDate(1, 0, 0), false},
		{"the same", epoch, false},
	} {
		var to time.Time
		set, err := host.SetClock(tc.now, epoch, func(t time.Time) error { to = t; return nil })
		if set != tc.set || err != nil || set && !to.Equal(epoch) || !set && !to.IsZero() {
			t.Errorf("%s: %v, %v, to %v", tc.name, set, err, to)
		}
	}
	broken := errors.New("broken")
	if set, err := host.SetClock(time.Unix(0, 0), epoch, func(time.Time) error { return broken }); set || !errors.Is(err, broken) {
		t.Errorf("got %v, %v, want the error", set, err)
	}
	if set, err := host.SetClock(time.Unix(0, 0), time.Time{}, func(time.Time) error { return broken }); set || err != nil {
		t.Errorf("of no epoch: %v, %v", set, err)
	}
}

func TestResolver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolvconf/resolv.conf")
	if err := host.Resolver(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("nameserver 192.0.2.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := host.Resolver(file); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); len(text) == 0 || err != nil {
		t.Errorf("what was there is gone: %v", err)
	}
}
