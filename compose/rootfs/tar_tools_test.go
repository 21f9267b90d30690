package rootfs_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
)

// listers list the names in the archive $1 as the bytes they are, a line each.
var listers = []struct {
	name   string
	argv   []string
	excuse []string // what it may say
}{
	{"tar", []string{"--quoting-style=literal", "-tf", "ARCHIVE"}, nil},
	// It reads a pax path that is not of the locale's characters as it is, and grumbles.
	{"bsdtar", []string{"-tf", "ARCHIVE"}, []string{"converted from UTF-8", "Error exit delayed", "exit status 1"}},
	{"python3", []string{"-c", `
import os, sys, tarfile
for m in tarfile.open(sys.argv[1], "r:"):
    sys.stdout.buffer.write(os.fsencode(m.name) + (b"/" if m.isdir() else b"") + b"\n")
    if m.size > 8 << 30: assert m.size == (8 << 30) + 1, m.size
    for k, v in m.pax_headers.items():
        if k.startswith("SCHILY.xattr.security"): assert len(os.fsencode(v)) == 20, v
`, "ARCHIVE"}, nil},
}

// TestTarListings lists the torture set, and files of over 8 GiB, with other
// people's readers, in two locales.
func TestTarListings(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "a.tar")
	entries := append(torture(), bigFiles()...)
	writeSparse(t, archive, entries)
	for _, l := range listers {
		for _, locale := range []string{"C", "C.UTF-8"} {
			t.Run(l.name+"/"+locale, func(t *testing.T) {
				got, messages := run(t, locale, l.name, replace(l.argv, archive)...)
				if l.name == "bsdtar" {
					got = unescape(got)
				}
				if want := listing(entries); got != want {
					n := differ(got, want)
					t.Errorf("listing differs at byte %d:\n got %.300q\nwant %.300q", n, got[n:], want[n:])
				}
				if messages = without(messages, l.excuse); messages != "" {
					t.Errorf("it says: %s", messages)
				}
			})
		}
	}
}

// without drops the lines of messages that hold one of the excuses.
func without(messages string, excuses []string) string {
	var kept strings.Builder
	for line := range strings.Lines(messages) {
		if !slices.ContainsFunc(excuses, func(x string) bool { return strings.Contains(line, x) }) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func bigFiles() []*rootfs.Entry {
	sizes := []int64{8<<30 - 1, 8 << 30, 8<<30 + 1}
	var entries []*rootfs.Entry
	for i, n := range sizes {
		name := "big" + string(rune('0'+i))
		entries = append(entries, &rootfs.Entry{Path: name, Type: rootfs.File, Mode: 0o644, Size: n, Body: zeros(n)})
	}
	return append(entries, &rootfs.Entry{Path: "end", Type: rootfs.Fifo})
}

// writeSparse writes an archive and leaves holes where files of zeros have
// their content.
func writeSparse(t *testing.T, path string, entries []*rootfs.Entry) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var codec rootfs.Tar
	for _, e := range entries {
		b, err := codec.AppendHeader(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		must(t, f, b)
		n := e.Payload()
		if _, ok := e.Body.(zeros); !ok && n > 0 {
			content := make([]byte, n)
			if _, err := e.Body.ReadAt(content, 0); err != nil {
				t.Fatal(err)
			}
			must(t, f, content)
			n = 0
		}
		if _, err := f.Seek(n+int64(codec.Pad(e.Payload())), 1); err != nil {
			t.Fatal(err)
		}
	}
	must(t, f, codec.Trailer())
}

// TestTarFromPipe holds that two blocks of zeros are end enough where a reader
// cannot seek.
func TestTarFromPipe(t *testing.T) {
	for _, tool := range []string{"tar", "bsdtar"} {
		t.Run(tool, func(t *testing.T) {
			need(t, tool)
			cmd := exec.Command(tool, "-tf", "-")
			var out, messages bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(encode(t, &rootfs.Entry{Path: "d", Type: rootfs.Dir})), &out, &messages
			if err := cmd.Run(); err != nil || out.String() != "d/\n" || messages.Len() > 0 {
				t.Fatalf("%v: %q %s", err, out.String(), messages.String())
			}
		})
	}
}

// TestTarExtractedByGNU unpacks the torture set and looks at what came out.
func TestTarExtractedByGNU(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make devices and owners")
	}
	dir := t.TempDir()
	archive := filepath.Join(dir, "a.tar")
	entries := torture()
	writeSparse(t, archive, entries)
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	_, messages := run(t, "C", "tar", "--xattrs", "--xattrs-include=*", "-xpf", archive, "-C", root)
	if messages = without(messages, []string{"tar: old: implausibly old time stamp", "tar: late: time stamp"}); messages != "" {
		t.Errorf("it says: %s", messages)
	}
	again, messages := run(t, "C", "tar", "--quoting-style=literal", "--xattrs", "--xattrs-include=*", "-df", archive, "-C", root)
	if again != "" || messages != "" {
		t.Errorf("tar -d finds differences: %s%s", again, messages)
	}
	for _, e := range entries {
		if len(e.Path) > 4000 {
			continue
		}
		compareStat(t, root, e)
	}
}

func compareStat(t *testing.T, root string, e *rootfs.Entry) {
	t.Helper()
	info, err := os.Lstat(filepath.Join(root, e.Path))
	if err != nil {
		t.Error(err)
		return
	}
	if e.First != "" {
		first, err := os.Lstat(filepath.Join(root, e.First))
		if err != nil || !os.SameFile(first, info) {
			t.Errorf("%q is not a link to %q: %v", e.Path, e.First, err)
		}
		return
	}
	if e.Path != "" && info.ModTime().Unix() != e.ModTime {
		t.Errorf("%q: mtime %d, want %d", e.Path, info.ModTime().Unix(), e.ModTime)
	}
	if got := uint32(info.Mode().Perm()); e.Type != rootfs.Symlink && got != e.Mode&0o777 {
		t.Errorf("%q: mode %#o, want %#o", e.Path, got, e.Mode)
	}
	if e.Type == rootfs.File && info.Size() != e.Size {
		t.Errorf("%q: size %d, want %d", e.Path, info.Size(), e.Size)
	}
}

// listing is what a lister must print.
func listing(entries []*rootfs.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		name := e.Path
		if e.Type == rootfs.Dir && e.First == "" {
			name += "/"
		}
		if e.Path == "" {
			name = "./"
		}
		b.WriteString(name + "\n")
	}
	return b.String()
}

// unescape undoes what bsdtar does to what cannot be printed.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; {
		case c == 'n':
			b.WriteByte('\n')
		case c == 't':
			b.WriteByte('\t')
		case c >= '0' && c <= '3' && i+2 < len(s):
			b.WriteByte((c-'0')<<6 | (s[i+1]-'0')<<3 | (s[i+2] - '0'))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func differ(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func replace(argv []string, archive string) []string {
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = strings.ReplaceAll(a, "ARCHIVE", archive)
	}
	return out
}

// need skips a test whose tool is not there; in CI it has to be.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func run(t *testing.T, locale, tool string, argv ...string) (stdout, stderr string) {
	t.Helper()
	need(t, tool)
	cmd := exec.Command(tool, argv...)
	cmd.Env = append(os.Environ(), "LC_ALL="+locale, "TZ=UTC")
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err != nil {
		messages.WriteString(err.Error())
	}
	return out.String(), messages.String()
}
