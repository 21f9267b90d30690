package clients

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// entry is a path, as "compose inspect -json" tells of it.
type entry struct {
	Path, Type, Mode    string // the mode in octal
	UID, GID            uint32
	MTime, Size         int64
	Digest, Link, First string
	Device              string
	Xattrs              map[string]string // hexadecimal
	nanoseconds         int64             // of the time on a disk; never in a tree
}

// sameTree compares what a client has unpacked in dir with what compose says of
// its tree. The root itself is in no tree.
func sameTree(t *testing.T, r *room, want []entry, dir string) {
	t.Helper()
	var got []entry
	err := r.do(func() (err error) {
		got, err = readDisk(dir)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if faults := differences(want, got); len(faults) > 0 {
		t.Errorf("%d of %d paths differ:\n%s", len(faults), len(want), strings.Join(faults[:min(len(faults), 20)], "\n"))
	}
}

// differences tells of every path that is not the same in both.
func differences(want, got []entry) []string {
	var faults []string
	at := map[string]entry{}
	for _, e := range got {
		at[e.Path] = e
	}
	for _, w := range want {
		g, ok := at[w.Path]
		delete(at, w.Path)
		switch diff := cmp.Diff(w, g, cmp.AllowUnexported(entry{})); {
		case !ok:
			faults = append(faults, w.Path+" is missing")
		case diff != "":
			faults = append(faults, fmt.Sprintf("%s (-want +got):\n%s", w.Path, diff))
		}
	}
	for p := range at {
		faults = append(faults, p+" should not be there")
	}
	return faults
}

// readDisk reads what is in a folder. The first name of a file is the first that
// is met, in path order.
func readDisk(dir string) ([]entry, error) {
	var all []entry
	first := map[[2]uint64]int{} // by device and inode
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		e := entry{
			Path: strings.TrimPrefix(path, dir+"/"), Mode: fmt.Sprintf("%04o", st.Mode&0o7777),
			UID: st.Uid, GID: st.Gid, MTime: st.Mtim.Sec, nanoseconds: st.Mtim.Nsec,
		}
		inode := [2]uint64{st.Dev, st.Ino}
		if i, ok := first[inode]; ok {
			e.First = all[i].Path
		} else if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			first[inode] = len(all)
		}
		if err := e.read(path, &st); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, e)
		return nil
	})
	return all, err
}

// read takes in what lies behind the inode.
func (e *entry) read(path string, st *unix.Stat_t) (err error) {
	device := fmt.Sprintf("%d,%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Type, e.Size = "file", st.Size
		e.Digest, err = digestOf(path)
	case unix.S_IFDIR:
		e.Type = "directory"
	case unix.S_IFLNK:
		e.Type = "symbolic link"
		e.Link, err = os.Readlink(path)
	case unix.S_IFCHR:
		e.Type, e.Device = "character device", device
	case unix.S_IFBLK:
		e.Type, e.Device = "block device", device
	case unix.S_IFIFO:
		e.Type = "fifo"
	default:
		e.Type = fmt.Sprintf("file of type %#o", st.Mode&unix.S_IFMT)
	}
	if err == nil {
		err = e.readXattrs(path)
	}
	return err
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

func (e *entry) readXattrs(path string) error {
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, names)
	if n == 0 || err != nil {
		return err
	}
	e.Xattrs = map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return fmt.Errorf("xattr %s: %w", name, err)
		}
		e.Xattrs[name] = hex.EncodeToString(value[:n])
	}
	return nil
}

func TestReadDisk(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(
		os.Mkdir(filepath.Join(dir, "d"), 0o700),
		os.WriteFile(filepath.Join(dir, "d", "a"), []byte("text"), 0o600),
		os.Link(filepath.Join(dir, "d", "a"), filepath.Join(dir, "d.b")),
		os.Symlink("d/a", filepath.Join(dir, "link")),
		unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	got, err := readDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		e := &got[i]
		if now := time.Now().Unix(); e.MTime < now-60 || e.MTime > now+60 {
			t.Errorf("%s: time %d", e.Path, e.MTime)
		}
		e.MTime, e.nanoseconds, e.UID, e.GID = 0, 0, 0, 0
	}
	const sum = "sha256:982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"
	want := []entry{
		{Path: "d", Type: "directory", Mode: "0700"},
		{Path: "d/a", Type: "file", Mode: "0600", Size: 4, Digest: sum},
		{Path: "d.b", Type: "file", Mode: "0600", Size: 4, Digest: sum, First: "d/a"},
		{Path: "link", Type: "symbolic link", Mode: "0777", Link: "d/a"},
		{Path: "pipe", Type: "fifo", Mode: "0600"},
	}
	if faults := differences(want, got); len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
}

func TestDifferences(t *testing.T) {
	tree := func() []entry {
		return []entry{
			{Path: "a", Type: "file", Mode: "0644", Size: 1, Digest: "sha256:1"},
			{Path: "b", Type: "file", Mode: "0644", Size: 1, Digest: "sha256:1", First: "a"},
		}
	}
	for _, tc := range []struct {
		name   string
		change func(got []entry) []entry
		want   string // what the one difference begins with
	}{
		{"nothing", func(got []entry) []entry { return got }, ""},
		{"mode", func(got []entry) []entry { got[0].Mode = "0600"; return got }, "a (-want"},
		{"owner", func(got []entry) []entry { got[0].GID = 1; return got }, "a (-want"},
		{"part of a second", func(got []entry) []entry { got[0].nanoseconds = 1; return got }, "a (-want"},
		{"attribute", func(got []entry) []entry { got[1].Xattrs = map[string]string{"user.x": ""}; return got }, "b (-want"},
		{"copy", func(got []entry) []entry { got[1].First = ""; return got }, "b (-want"},
		{"too few", func(got []entry) []entry { return got[:1] }, "b is missing"},
		{"too many", func(got []entry) []entry { return append(got, entry{Path: "c"}) }, "c should not be there"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			faults := differences(tree(), tc.change(tree()))
			ok := len(faults) == 1 && strings.HasPrefix(faults[0], tc.want)
			if tc.want == "" {
				ok = len(faults) == 0
			}
			if !ok {
				t.Errorf("differences %q, want one that begins with %q", faults, tc.want)
			}
		})
	}
}
