package outputs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// output is a file on its way to its place.
type output struct {
	*file
	path   string   // as the user named it
	target string   // what it becomes; "" if it is written through
	f      *os.File // nil for a stream; of a target it stays open, and locked, until that is in its place
	temp   string   // its name until then; "" if it has none; once exchanged, that of what was there before
	old    *os.File // what was there before, locked until it is let go of; nil if it is not
	done   published
}

type published int

const (
	notYet    published = iota
	appeared            // where nothing was
	exchanged           // with what was there
	replaced            // what was there is gone
)

// open finds out what is at the output's path and opens what to write to.
func (o *output) open(temp func(string) (*os.File, string, error)) error {
	target, through, err := follow(o.path)
	if err != nil {
		return err
	}
	if through {
		o.f, err = openThrough(target)
		return err
	}
	o.target = target
	o.f, o.temp, err = temp(target)
	return err
}

// start makes the output's file.
func (o *output) start(s *Files) {
	var w io.Writer = o.f
	var closer func() error
	switch {
	case o.f == nil:
		w = s.w
	case o.target == "":
		closer = o.f.Close
	default:
		closer = o.settle
	}
	hole := func(n int64) error {
		end, err := o.f.Seek(n, io.SeekCurrent)
		if err != nil {
			return err
		}
		return o.f.Truncate(end) // says at once if the file cannot be as large
	}
	name := o.path
	if o.f == nil {
		name = "standard output"
	}
	o.file = newFile(name, w, closer, s.isAborted)
	if o.target != "" {
		o.hole = hole
	}
}

// settle gives the file its size, also where it ends in a hole, and makes a network
// file system say now what it would say on close. The file itself stays open: it may
// have no name yet.
func (o *output) settle() error {
	if err := o.f.Truncate(o.size); err != nil {
		return err
	}
	fd, err := unix.Dup(int(o.f.Fd()))
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// publish puts the output in its place.
func (o *output) publish() error {
	if o.target == "" {
		return nil
	}
	info, err := os.Lstat(o.target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := o.appear(); !errors.Is(err, fs.ErrExist) {
			return err
		}
	case err != nil:
		return err
	case info.IsDir():
		return ErrDirectory
	case !info.Mode().IsRegular():
		return errors.New("what is there is not a regular file any more")
	}
	return o.replace()
}

// appear puts the output where nothing is.
func (o *output) appear() error {
	if o.temp == "" {
		if err := linkUnnamed(o.f, o.target); err != nil {
			return err
		}
		o.done = appeared
		return nil
	}
	err := unix.Renameat2(unix.AT_FDCWD, o.temp, unix.AT_FDCWD, o.target, unix.RENAME_NOREPLACE)
	if unsupported(err) {
		err = os.Rename(o.temp, o.target)
	}
	if err != nil {
		return err
	}
	o.done, o.temp = appeared, ""
	return nil
}

// replace puts the output where a regular file is. They are exchanged, so that
// the old one can come back; also, ext4 flushes what is renamed over another file.
func (o *output) replace() error {
	if o.temp == "" {
		temp, err := inSlot(o.target, func(path string) error { return linkUnnamed(o.f, path) })
		if err != nil {
			return err
		}
		o.temp = temp
	}
	o.old = lockThere(o.target)
	err := o.exchange()
	if err == nil {
		o.done = exchanged
		return nil
	}
	o.letGo()
	if !unsupported(err) {
		return err
	}
	if err := os.Rename(o.temp, o.target); err != nil {
		return err
	}
	o.done, o.temp = replaced, ""
	return nil
}

// letGo ends the lock on what was there before.
func (o *output) letGo() {
	if o.old != nil {
		_ = o.old.Close()
		o.old = nil
	}
}

func (o *output) exchange() error {
	return unix.Renameat2(unix.AT_FDCWD, o.temp, unix.AT_FDCWD, o.target, unix.RENAME_EXCHANGE)
}

// unsupported tells whether a file system cannot rename like that.
func unsupported(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP)
}

// takeBack undoes publish.
func (o *output) takeBack() error {
	var err error
	switch o.done {
	case appeared:
		err = os.Remove(o.target)
	case exchanged:
		err = o.exchange()
	case replaced:
		err = errors.New("it has replaced what was there")
	}
	o.letGo()
	o.done = notYet
	if err != nil {
		return fmt.Errorf("take back %s: %w", o.path, plain(err))
	}
	return nil
}

// finish lets go of an output that is in its place, and says what it is there;
// nil for what was written through, and where the system does not say.
func (o *output) finish() fs.FileInfo {
	if o.target == "" {
		return nil
	}
	if o.temp != "" {
		_ = os.Remove(o.temp) // what was there before; the next build removes it if this one cannot
	}
	o.letGo()
	info, err := o.f.Stat()
	_ = o.f.Close() // settled before
	if err != nil {
		return nil
	}
	return info
}

// discard removes an output that is not in its place.
func (o *output) discard() {
	if o.f == nil {
		return
	}
	if o.temp != "" {
		_ = os.Remove(o.temp)
	}
	_ = o.f.Close()
}

// maxHops is how many symbolic links a path may end in, as in Linux.
const maxHops = 40

// follow returns what the symbolic links that path ends in lead to, and whether
// that is to be written through. It need not exist.
func follow(path string) (target string, through bool, err error) {
	for range maxHops {
		if _, ok := openDescriptor(path); ok {
			return path, true, nil
		}
		if path == "" || strings.HasSuffix(path, "/") {
			return "", false, ErrDirectory
		}
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, false, nil
		case err != nil:
			return "", false, err
		case info.IsDir():
			return "", false, ErrDirectory
		case info.Mode()&fs.ModeSymlink == 0:
			return path, !info.Mode().IsRegular(), nil
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", false, err
		}
		if !filepath.IsAbs(link) { // not cleaned: ".." after a link is the link target's parent
			link = path[:strings.LastIndexByte(path, '/')+1] + link
		}
		path = link
	}
	return "", false, unix.ELOOP
}

// openDescriptor returns the number of the open file that path stands for; where
// /dev/stdout leads to, for one.
func openDescriptor(path string) (int, bool) {
	for _, dir := range []string{"/proc/self/fd/", "/dev/fd/"} {
		if digits, ok := strings.CutPrefix(path, dir); ok {
			fd, err := strconv.ParseUint(digits, 10, 31)
			return int(fd), err == nil
		}
	}
	return 0, false
}

// openThrough opens what is written through. An open file is shared rather than
// opened again: what is written goes behind what others have written.
func openThrough(path string) (*os.File, error) {
	fd, ok := openDescriptor(path)
	if !ok {
		return os.OpenFile(path, os.O_WRONLY, 0)
	}
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}
