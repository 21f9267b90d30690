package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/test/boot/list"
)

const fileTime = 1704164645 // 2024-01-02T03:04:05Z

// makeRoot makes a small root filesystem as an initramfs would, and its list.
func makeRoot(t *testing.T) (root string, l *list.List) {
	t.Helper()
	root = t.TempDir()
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	l = &list.List{Beside: []string{".compose", list.Memory, list.Complete, list.File}, Count: 9}
	big := strings.Repeat("big", 10000)
	for _, p := range []struct {
		list.Path
		content string
	}{
		{list.Path{Name: "dir", Type: unix.S_IFDIR, Mode: 0o1750}, ""},
		{list.Path{Name: "dir/a", Type: unix.S_IFREG, Mode: 0o640}, "linked"},
		{list.Path{Name: "dir/b", Type: unix.S_IFREG, Mode: 0o640, First: "dir/a"}, "linked"},
		{list.Path{Name: "dir/big", Type: unix.S_IFREG, Mode: 0o600}, big},
		{list.Path{Name: "dir/c", Type: unix.S_IFREG, Mode: 0o640}, "linked"},
		{list.Path{Name: "dir/link", Type: unix.S_IFLNK, Mode: 0o777, Link: "nowhere"}, ""},
		{list.Path{Name: "dir/pipe", Type: unix.S_IFIFO, Mode: 0o622}, ""},
	} {
		full := filepath.Join(root, p.Name)
		var err error
		switch {
		case p.First != "":
			err = os.Link(filepath.Join(root, p.First), full)
		case p.Type == unix.S_IFDIR:
			err = unix.Mkdir(full, 0o700)
		case p.Type == unix.S_IFLNK:
			err = os.Symlink(p.Link, full)
		case p.Type == unix.S_IFIFO:
			err = unix.Mkfifo(full, 0o600)
		default:
			err = os.WriteFile(full, []byte(p.content), 0o600)
		}
		if err == nil && p.Type != unix.S_IFLNK {
			err = unix.Chmod(full, p.Mode)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.UID, p.GID, p.MTime = uid, gid, fileTime
		if p.Type == unix.S_IFREG {
			p.Size, p.Digest = int64(len(p.content)), sha256.Sum256([]byte(p.content))
		}
		l.Paths = append(l.Paths, p.Path)
	}
	for _, p := range slices.Backward(l.Paths) {
		setTime(t, filepath.Join(root, p.Name), fileTime)
	}
	put(t, root, list.Memory, "104857600\n")
	put(t, root, list.Complete, "9\n")
	return root, l
}

func setTime(t *testing.T, name string, seconds int64) {
	t.Helper()
	at := unix.Timespec{Sec: seconds}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, root, name, content string) {
	t.Helper()
	full := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func putList(t *testing.T, root string, l *list.List) {
	t.Helper()
	var b bytes.Buffer
	if err := l.Write(&b); err != nil {
		t.Fatal(err)
	}
	put(t, root, list.File, b.String())
}

// TestCheck plants one fault at a time, in the system or in what is wanted of it.
// Each must be found, and nothing else.
func TestCheck(t *testing.T) {
	type system struct {
		root string
		*list.List
	}
	path := func(s system, name string) *list.Path {
		i := slices.IndexFunc(s.Paths, func(p list.Path) bool { return p.Name == name })
		return &s.Paths[i]
	}
	changed := func(name string, change func(p *list.Path)) func(*testing.T, system) {
		return func(_ *testing.T, s system) { change(path(s, name)) }
	}
	rewritten := func(name, content string) func(*testing.T, system) {
		return func(t *testing.T, s system) {
			put(t, s.root, name, content)
			setTime(t, filepath.Join(s.root, name), fileTime)
		}
	}
	relinked := func(first, name string) func(*testing.T, system) {
		return func(t *testing.T, s system) {
			full := filepath.Join(s.root, name)
			if err := os.Remove(full); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(filepath.Join(s.root, first), full); err != nil {
				t.Fatal(err)
			}
			setTime(t, filepath.Join(s.root, "dir"), fileTime)
		}
	}
	tests := []struct {
		name  string
		plant func(t *testing.T, s system)
		want  []string // beginnings
	}{
		{"nothing", func(*testing.T, system) {}, nil},
		{"missing", func(_ *testing.T, s system) { s.Beside = append(s.Beside, "other") }, []string{`"other" is missing`}},
		{"too much", func(t *testing.T, s system) { put(t, s.root, "other", "") }, []string{`"other" should not be there`}},
		{"type", changed("dir/pipe", func(p *list.Path) { p.Type = unix.S_IFREG }), []string{`"dir/pipe" is of type 010000, want 0100000`}},
		{"mode", changed("dir", func(p *list.Path) { p.Mode = 0o750 }), []string{`"dir" has mode 1750, want 0750`}},
		{"owner", changed("dir/a", func(p *list.Path) { p.UID++ }), []string{`"dir/a" belongs to `}},
		{"group", changed("dir/link", func(p *list.Path) { p.GID++ }), []string{`"dir/link" belongs to `}},
		{"time", changed("dir", func(p *list.Path) { p.MTime++ }), []string{`"dir" has time 1704164645.000000000, want 1704164646`}},
		{"target", changed("dir/link", func(p *list.Path) { p.Link = "x" }), []string{`"dir/link" leads to "nowhere", want "x"`}},
		{"content", rewritten("dir/a", "LINKED"), []string{`"dir/a": has content `}},
		{"content of a large file", rewritten("dir/big", strings.Repeat("BIG", 10000)), []string{`"dir/big": has content `}},
		{"length", rewritten("dir/c", "linkedd"), []string{`"dir/c" has 7 bytes, want 6`, `"dir/c": has content `}},
		{"two files that should be one", relinked("dir/c", "dir/b"), []string{
			`"dir/a" is a file of 1 names, want 2`, `"dir/b" is no name of "dir/a"`, `"dir/c" is a name of "dir/a"`,
		}},
		{"one file that should be two", relinked("dir/a", "dir/c"), []string{
			`"dir/a" is a file of 3 names, want 2`, `"dir/b" is a file of 3 names, want 2`, `"dir/c" is a name of "dir/a"`,
		}},
		{"a name outside", func(t *testing.T, s system) {
			if err := os.Link(filepath.Join(s.root, "dir/c"), filepath.Join(t.TempDir(), "c")); err != nil {
				t.Skip(err)
			}
		}, []string{`"dir/c" is a file of 2 names, want 1`}},
		{"count", rewritten(list.Complete, "8\n"), []string{".compose/complete says 8, want 9"}},
		{"memory", rewritten(list.Memory, "\n"), []string{".compose/memory says nothing"}},
		{"time in parts", func(t *testing.T, s system) {
			if err := os.Chtimes(filepath.Join(s.root, "dir/c"), time.Time{}, time.Unix(fileTime, 1)); err != nil {
				t.Fatal(err)
			}
		}, []string{`"dir/c" has time 1704164645.000000001, want 1704164645`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, l := makeRoot(t)
			tt.plant(t, system{root, l})
			putList(t, root, l)
			v := check(root, true)
			same := slices.EqualFunc(v.differences, tt.want, strings.HasPrefix)
			if v.truncated || !same {
				t.Errorf("truncated=%t %q, want %q", v.truncated, v.differences, tt.want)
			}
			if paths, links := len(l.Paths)+len(l.Beside), 2; tt.want == nil && (v.paths != paths || v.links != links) {
				t.Errorf("%d paths, %d links; want %d, %d", v.paths, v.links, paths, links)
			}
		})
	}
}

func TestTruncated(t *testing.T) {
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, root string) {
			if err := os.Remove(filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name string
		cut  func(t *testing.T, root string)
		need int64
	}{
		{"no last entry", remove(list.Complete), 104857600},
		{"last entry not filled", func(t *testing.T, root string) { put(t, root, list.Complete, "\x00\x00") }, 104857600},
		{"last entry half filled", func(t *testing.T, root string) { put(t, root, list.Complete, "9") }, 104857600},
		{"no list", remove(list.File), 104857600},
		{"nothing", func(t *testing.T, root string) {
			remove(list.Complete)(t, root)
			remove(list.Memory)(t, root)
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, l := makeRoot(t)
			putList(t, root, l)
			tt.cut(t, root)
			if v := check(root, true); !v.truncated || v.need != tt.need {
				t.Errorf("truncated=%t need=%d, want true, %d", v.truncated, v.need, tt.need)
			}
		})
	}
}

func TestPick(t *testing.T) {
	var paths []list.Path
	for i := range 200 {
		paths = append(paths, list.Path{Name: fmt.Sprint(i), Type: unix.S_IFREG, Size: 1 << 20})
	}
	paths[1].Size = 1
	paths[2].Type = unix.S_IFDIR
	paths[4].First = "3"
	var got []string
	for _, p := range pick(paths, false) {
		got = append(got, p.Name)
	}
	if want := []string{"0", "1", "3", "50", "100", "150"}; !slices.Equal(got, want) {
		t.Errorf("some are %q, want %q", got, want)
	}
	if got := len(pick(paths, true)); got != 198 {
		t.Errorf("all are %d, want 198", got)
	}
}

func TestComplaints(t *testing.T) {
	log := "<6>[    1.9] Trying to unpack rootfs image as initramfs...\n" +
		"<0>[    2.0] Initramfs unpacking failed: junk within compressed archive\n" +
		"<6>[    2.1] Freeing initrd memory: 1024K\n"
	want := []string{"the kernel says: <0>[    2.0] Initramfs unpacking failed: junk within compressed archive"}
	if got := complaints(log); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
