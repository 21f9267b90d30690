package root

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Move moves what is in the folder from into the folder to, which is on another
// file system: contents, owners, modes, times, extended attributes and hard links
// among the files. Files are removed as soon as they are written; folders stay.
// Of another file system that is mounted below from it makes the folder alone.
func Move(from, to string) error {
	var s unix.Stat_t
	if err := unix.Lstat(from, &s); err != nil {
		return fmt.Errorf("stat %s: %w", from, err)
	}
	m := mover{dev: s.Dev, links: map[uint64]string{}}
	if err := m.folder(from, to); err != nil {
		return err
	}
	return like(from, to, &s)
}

// mover moves the files of one file system.
type mover struct {
	dev   uint64
	links map[uint64]string // by inode: where a file of several names has gone
}

// folder moves what is in a folder.
func (m *mover) folder(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := m.one(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// one moves a file, or a folder with what is in it.
func (m *mover) one(from, to string) error {
	var s unix.Stat_t
	if err := unix.Lstat(from, &s); err != nil {
		return fmt.Errorf("stat %s: %w", from, err)
	}
	if s.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
		if s.Dev == m.dev {
			if err := m.folder(from, to); err != nil {
				return err
			}
		}
		return like(from, to, &s)
	}
	if err := m.file(from, to, &s); err != nil {
		return err
	}
	return os.Remove(from)
}

// file moves what is no folder.
func (m *mover) file(from, to string, s *unix.Stat_t) error {
	if first, ok := m.links[s.Ino]; ok {
		return os.Link(first, to)
	}
	var err error
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		err = contents(from, to)
	case unix.S_IFLNK:
		var target string
		if target, err = os.Readlink(from); err == nil {
			err = os.Symlink(target, to)
		}
	default:
		if err = unix.Mknod(to, s.Mode, int(s.Rdev)); err != nil {
			err = fmt.Errorf("mknod %s: %w", to, err)
		}
	}
	if err != nil {
		return err
	}
	if s.Nlink > 1 {
		m.links[s.Ino] = to
	}
	return like(from, to, s)
}

// contents copies a regular file.
func contents(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// like gives to what from has beside its contents; s is from's. The owner comes
// first, as a change of it takes capabilities and the set-user-ID bit away.
func like(from, to string, s *unix.Stat_t) error {
	if err := os.Lchown(to, int(s.Uid), int(s.Gid)); err != nil {
		return err
	}
	if s.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Chmod(to, s.Mode&0o7777); err != nil {
			return fmt.Errorf("chmod %s: %w", to, err)
		}
	}
	if err := attributes(from, to); err != nil {
		return err
	}
	times := []unix.Timespec{s.Atim, s.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, to, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("times of %s: %w", to, err)
	}
	return nil
}

// attributes copies extended attributes; a file system without them has none.
func attributes(from, to string) error {
	size, err := unix.Llistxattr(from, nil)
	if err != nil || size == 0 {
		return nil
	}
	names := make([]byte, size)
	if size, err = unix.Llistxattr(from, names); err != nil {
		return fmt.Errorf("attributes of %s: %w", from, err)
	}
	for _, name := range split(names[:size]) {
		value := make([]byte, 1<<16) // no attribute is longer (xattr(7))
		n, err := unix.Lgetxattr(from, name, value)
		if err == nil {
			err = unix.Lsetxattr(to, name, value[:n], 0)
		}
		if err != nil {
			return fmt.Errorf("%s of %s: %w", name, from, err)
		}
	}
	return nil
}

// split splits names that end with a zero byte.
func split(names []byte) []string {
	var all []string
	begin := 0
	for i, c := range names {
		if c == 0 {
			all = append(all, string(names[begin:i]))
			begin = i + 1
		}
	}
	return all
}
