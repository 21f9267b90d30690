package rootfs_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/compose/rootfs"
)

// cpioTools are other people's readers, as commands of a shell: ARCHIVE is read,
// root is the folder to unpack into. Both read what gzip has made; GNU cpio asks
// gzip for it.
var cpioTools = []struct{ name, names, list, unpack string }{
	{"cpio", `cpio -it --quiet <"$1"`, `cpio -itvn --quiet <"$1"`, `gzip -dcf "$1" | cpio -idm --quiet --no-absolute-filenames -D "$2"`},
	{"bsdtar", `bsdtar -tf "$1"`, `bsdtar --numeric-owner -tvf "$1"`, `bsdtar --numeric-owner -xpf "$1" -C "$2"`},
}

// shell runs a command of cpioTools.
func shell(t *testing.T, locale, tool, command string, args ...string) (stdout, stderr string) {
	t.Helper()
	need(t, tool)
	return run(t, locale, "sh", append([]string{"-c", command, tool}, args...)...)
}

// saved writes b to a file.
func saved(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCpioNames lists the torture set in two locales.
func TestCpioNames(t *testing.T) {
	entries := cpioTorture(t)
	archive := saved(t, cpioArchive(t, entries...))
	var want strings.Builder
	for _, e := range entries {
		want.WriteString(e.Path + "\n")
	}
	for _, tool := range cpioTools {
		for _, locale := range []string{"C", "C.UTF-8"} {
			t.Run(tool.name+"/"+locale, func(t *testing.T) {
				got, messages := shell(t, locale, tool.name, tool.names, archive)
				if tool.name == "bsdtar" {
					got = unescape(got)
				}
				if got != want.String() {
					n := differ(got, want.String())
					t.Errorf("listing differs at byte %d:\n got %.300q\nwant %.300q", n, got[n:], want.String()[n:])
				}
				if messages != "" {
					t.Errorf("it says: %s", messages)
				}
			})
		}
	}
}

// verbose is a line of a long listing: mode, links, owner, group, size or device,
// date, name.
var verbose = regexp.MustCompile(`^(\S{10}) +(\d+) +(\d+) +(\d+) +(\d+|(?:\d+), *(?:\d+)) (\w{3} [ \d]\d +\d{4}) (.*)$`)

// TestCpioListings compares what readers say of each entry, word by word.
func TestCpioListings(t *testing.T) {
	var entries []*rootfs.Entry
	for _, e := range cpioTorture(t) {
		if len(e.Path) < 300 && utf8.ValidString(e.Path) && !strings.ContainsAny(e.Path, "\n\t\\\x01") {
			e.ModTime = rootfs.DefaultModTime
			entries = append(entries, e)
		}
	}
	archive := saved(t, cpioArchive(t, entries...))
	for _, tool := range cpioTools {
		t.Run(tool.name, func(t *testing.T) {
			out, messages := shell(t, "C.UTF-8", tool.name, tool.list, archive)
			if messages != "" {
				t.Errorf("it says: %s", messages)
			}
			var got, want []string
			for line := range strings.Lines(out) {
				m := verbose.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
				if m == nil {
					t.Fatalf("what is %q?", line)
				}
				m[5], m[6] = strings.ReplaceAll(m[5], " ", ""), strings.Join(strings.Fields(m[6]), " ")
				got = append(got, strings.Join(m[1:], "|"))
			}
			for _, e := range entries {
				want = append(want, longLine(e, tool.name == "bsdtar"))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// longLine is what a long listing must say of e. libarchive knows what is a link
// to what; GNU cpio shows the entries.
func longLine(e *rootfs.Entry, links bool) string {
	mode := []byte(string("?-dlcbp"[e.Type]) + "rwxrwxrwx")
	for i := range 9 {
		if e.Mode>>(8-i)&1 == 0 {
			mode[1+i] = '-'
		}
	}
	for i, c := range []byte("sst") {
		if at := 3 * (i + 1); e.Mode>>(11-i)&1 != 0 {
			if mode[at] == '-' {
				c -= 'a' - 'A'
			}
			mode[at] = c
		}
	}
	nlink, size, name := max(e.Nlink, 1), fmt.Sprint(e.Payload()), e.Path
	switch e.Type {
	case rootfs.Dir:
		nlink = 2
	case rootfs.Symlink:
		size, name = fmt.Sprint(len(e.Link)), name+" -> "+e.Link
	case rootfs.Char, rootfs.Block:
		size = fmt.Sprintf("%d,%d", e.Major, e.Minor)
	}
	if e.First != "" && links {
		name += " link to " + e.First
	}
	date := time.Unix(e.ModTime, 0).UTC().Format("Jan 2 2006")
	return fmt.Sprintf("%s|%d|%d|%d|%s|%s|%s", mode, nlink, e.UID, e.GID, size, date, name)
}

// TestCpioLargest lists a file of 2^32-1 bytes, and what follows it.
func TestCpioLargest(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "archive")
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 1<<32 - 1
	large, err := rootfs.Cpio{}.AppendHeader(nil, &rootfs.Entry{Path: "large", Type: rootfs.File, Size: size, Body: zeros(size)})
	if err != nil {
		t.Fatal(err)
	}
	hole := size + int64(rootfs.Cpio{}.Pad(size))
	next := cpioArchive(t, &rootfs.Entry{Path: "next", Type: rootfs.Fifo})
	must(t, f, large)
	if _, err := f.Seek(hole, io.SeekCurrent); err != nil {
		t.Fatal(err)
	}
	must(t, f, next)
	bsdtar := cpioTools[1] // it seeks; GNU cpio reads, for 20 s
	if got, messages := shell(t, "C", bsdtar.name, bsdtar.names, archive); got != "large\nnext\n" || messages != "" {
		t.Errorf("%s: %s%s", bsdtar.name, got, messages)
	}
	r := io.MultiReader(bytes.NewReader(large), io.NewSectionReader(zeros(hole), 0, hole), bytes.NewReader(next))
	var got []string
	err = rootfs.ReadCpio(r, func(e *rootfs.Entry, _ io.Reader) error {
		got = append(got, fmt.Sprint(e.Path, " ", e.Size))
		return nil
	})
	if d := cmp.Diff([]string{"large 4294967295", "next 0"}, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

// TestCpioExtracted unpacks the torture set and looks at what came out.
func TestCpioExtracted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make devices and owners")
	}
	entries := cpioTorture(t)
	archive := saved(t, cpioArchive(t, entries...))
	for _, tool := range cpioTools {
		t.Run(tool.name, func(t *testing.T) {
			dir := t.TempDir()
			_, messages := shell(t, "C.UTF-8", tool.name, tool.unpack, archive, dir)
			if messages != "" {
				t.Errorf("it says: %s", messages)
			}
			compareUnpacked(t, dir, entries, tool.name != "cpio")
		})
	}
}

// compareUnpacked holds what is below dir against entries, one by one. GNU cpio
// sets the time of a directory before it writes into it, and none of a symbolic
// link: times tells whether to look at these.
func compareUnpacked(t *testing.T, dir string, entries []*rootfs.Entry, times bool) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	n := 0
	err = fs.WalkDir(root.FS(), ".", func(_ string, _ fs.DirEntry, err error) error {
		n++
		return err
	})
	if err != nil || n != len(entries)+1 {
		t.Errorf("%d paths were unpacked of %d: %v", n-1, len(entries), err)
	}
	for _, e := range entries {
		got, err := unpacked(root, e.Path)
		if err != nil {
			t.Error(err)
			continue
		}
		want := inCpio(e)
		if want.First = ""; !times && (want.Type == rootfs.Dir || want.Type == rootfs.Symlink) {
			want.ModTime = got.ModTime
		}
		if first := rootfs.Find(entries, e.First); e.First != "" && first != nil {
			want.Size, want.Digest = inCpio(first).Size, inCpio(first).Digest
			if a, b := stat(t, root, e.Path), stat(t, root, e.First); a.Ino != b.Ino {
				t.Errorf("%q is not a link to %q", e.Path, e.First)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%.100q (-want +got):\n%s", e.Path, d)
		}
	}
}

func stat(t *testing.T, root *os.Root, path string) *syscall.Stat_t {
	t.Helper()
	info, err := root.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t)
}

// unpacked returns the entry that lies at path.
func unpacked(root *os.Root, path string) (*rootfs.Entry, error) {
	info, err := root.Lstat(path)
	if err != nil {
		return nil, err
	}
	s := info.Sys().(*syscall.Stat_t)
	e := &rootfs.Entry{Path: path, Mode: s.Mode & 0o7777, UID: s.Uid, GID: s.Gid, ModTime: s.Mtim.Sec, Nlink: 1}
	switch s.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		content, err := root.ReadFile(path)
		if err != nil {
			return nil, err
		}
		e.Type, e.Size, e.Digest, e.Nlink = rootfs.File, s.Size, sha256.Sum256(content), uint32(s.Nlink)
	case syscall.S_IFDIR:
		e.Type = rootfs.Dir
	case syscall.S_IFLNK:
		e.Type = rootfs.Symlink
		if e.Link, err = root.Readlink(path); err != nil {
			return nil, err
		}
	case syscall.S_IFCHR:
		e.Type, e.Major, e.Minor = rootfs.Char, unix.Major(s.Rdev), unix.Minor(s.Rdev)
	case syscall.S_IFBLK:
		e.Type, e.Major, e.Minor = rootfs.Block, unix.Major(s.Rdev), unix.Minor(s.Rdev)
	case syscall.S_IFIFO:
		e.Type = rootfs.Fifo
	}
	return e, nil
}
