package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// readDisk reads what is in a directory. The directory itself is the root.
func readDisk(dir string) (*tree, error) {
	t := newTree()
	seen := map[uint64]*record{} // by inode, of files with several names
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		p := strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		r, err := readPath(path, &st, seen)
		t.entries[p] = r
		return err
	})
	return t, err
}

func readPath(path string, st *unix.Stat_t, seen map[uint64]*record) (*record, error) {
	r := &record{
		mode: st.Mode & 0o7777, uid: st.Uid, gid: st.Gid, mtime: st.Mtim.Sec, nsec: st.Mtim.Nsec,
	}
	linked := st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR
	if linked {
		r.group = fmt.Sprint(st.Ino)
		if first := seen[st.Ino]; first != nil {
			c := *first
			c.xattrs = maps.Clone(first.xattrs)
			return &c, nil
		}
		seen[st.Ino] = r
	}
	var err error
	if r.xattrs, err = readXattrs(path); err != nil {
		return nil, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		r.kind, r.size = "file", st.Size
		return r, r.readFile(path)
	case unix.S_IFDIR:
		r.kind = "directory"
	case unix.S_IFLNK:
		r.kind = "symlink"
		r.link, err = os.Readlink(path)
	case unix.S_IFCHR:
		r.kind, r.device = "char", device(st)
	case unix.S_IFBLK:
		r.kind, r.device = "block", device(st)
	case unix.S_IFIFO:
		r.kind = "fifo"
	default:
		err = fmt.Errorf("%s: file type %#o", path, st.Mode&unix.S_IFMT)
	}
	return r, err
}

func device(st *unix.Stat_t) string {
	return fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
}

func (r *record) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.read(f, false)
}

func readXattrs(path string) (map[string]string, error) {
	n, err := unix.Llistxattr(path, nil)
	if n == 0 || err != nil {
		return nil, err
	}
	names := make([]byte, n)
	if n, err = unix.Llistxattr(path, names); err != nil {
		return nil, fmt.Errorf("%s: list xattrs: %w", path, err)
	}
	x := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, fmt.Errorf("%s: xattr %s: %w", path, name, err)
		}
		x[name] = string(value[:n])
	}
	return x, nil
}
