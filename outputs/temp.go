package outputs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// slots is how many processes can write one target at once where files without
// a name cannot be made.
const slots = 16

// slotPath returns one of the names that a file may have before it becomes
// target: hidden, in the same directory. They are few and known, so that those
// of dead processes can be found without reading the directory.
func slotPath(target string, slot int) string {
	cut := strings.LastIndexByte(target, '/') + 1
	base := target[cut:]
	base = base[:min(len(base), maxImageName)]
	return target[:cut] + "." + base + ".compose-" + strconv.Itoa(slot)
}

// inSlot calls create for one name after the other until it does not say that
// the name is taken, and returns the name.
func inSlot(target string, create func(path string) error) (string, error) {
	for slot := range slots {
		path := slotPath(target, slot)
		err := create(path)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		return path, err
	}
	return "", fmt.Errorf("%d other builds are writing it; if there are none, remove %s", slots, slotPath(target, 0))
}

// openTemp opens a new file that is to become target, locked for as long as it
// is open. temp is its name, "" if it has none.
func openTemp(target string) (f *os.File, temp string, err error) {
	sweep(target)
	dir := target[:strings.LastIndexByte(target, '/')+1]
	if f, err = os.OpenFile(dir+".", os.O_RDWR|unix.O_TMPFILE, 0o666); err == nil {
		if _, err := os.Lstat(descriptorPath(f)); err == nil { // /proc is needed to name it
			lock(f)
			return f, "", nil
		}
		_ = f.Close()
	}
	return openNamed(target)
}

func openNamed(target string) (f *os.File, temp string, err error) {
	temp, err = inSlot(target, func(path string) error {
		if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
			return err
		}
		lock(f)
		if !isAt(f, path) { // swept between the two calls
			_ = f.Close()
			return fs.ErrExist
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return f, temp, nil
}

// lock marks f as being written. Where there are no locks nothing is swept.
func lock(f *os.File) {
	var err error = unix.EINTR
	for errors.Is(err, unix.EINTR) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
}

// lockThere marks the file at path as in use, which takes the place of one that is
// being written, until it is closed; nil where that is not possible.
func lockThere(path string) *os.File {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		_ = f.Close()
		return nil
	}
	return f
}

// sweep removes what processes that have died left of target.
func sweep(target string) {
	for slot := range slots {
		path := slotPath(target, slot)
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		f := lockThere(path)
		if f == nil {
			continue
		}
		if isAt(f, path) {
			_ = os.Remove(path)
		}
		_ = f.Close()
	}
}

// isAt tells whether f is what is at path.
func isAt(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}

func descriptorPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// linkUnnamed gives a file that has no name one, which must not be taken
// (open(2), "O_TMPFILE").
func linkUnnamed(f *os.File, path string) error {
	err := unix.Linkat(unix.AT_FDCWD, descriptorPath(f), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.PathError{Op: "link", Path: path, Err: err}
	}
	return nil
}

// makeDirs makes dir and what is missing above it, and returns what it made,
// outermost first, also with an error.
func makeDirs(dir string) (made []string, err error) {
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return nil, unix.ENOTDIR
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if up := filepath.Dir(dir); up != dir {
		if made, err = makeDirs(up); err != nil {
			return made, err
		}
	}
	if err := os.Mkdir(dir, 0o777); errors.Is(err, fs.ErrExist) {
		return made, nil
	} else if err != nil {
		return made, err
	}
	return append(made, dir), nil
}

// plain takes the call and the path off an error, for messages that name the
// path as the user knows it.
func plain(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
