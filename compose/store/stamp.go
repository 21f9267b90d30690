package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// Stamp tells one state of one file from every other: a file whose stamp is
// still the one that was taken when it was hashed has not been written to, nor
// copied, nor touched. The zero Stamp is of no file.
type Stamp struct {
	Device     uint64 `json:"device"`
	Inode      uint64 `json:"inode"`
	Size       int64  `json:"size"`       // bytes
	ModTime    int64  `json:"modTime"`    // nanoseconds since 1970
	ChangeTime int64  `json:"changeTime"` // nanoseconds since 1970; no program can set it
}

// StampOf returns the stamp of a file, and the zero Stamp where fi does not
// come from a file system.
func StampOf(fi fs.FileInfo) Stamp {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return Stamp{}
	}
	return Stamp{Device: st.Dev, Inode: st.Ino, Size: st.Size, ModTime: st.Mtim.Nano(), ChangeTime: st.Ctim.Nano()}
}

// Equal tells whether both are of one file in one state. The zero Stamp equals
// nothing.
func (s Stamp) Equal(t Stamp) bool { return s == t && s != Stamp{} }

// String returns the stamp as it stands in a sidecar.
func (s Stamp) String() string {
	return fmt.Sprintf("compose stamp 1 %d %d %d %d %d\n", s.Device, s.Inode, s.Size, s.ModTime, s.ChangeTime)
}

// stamped tells whether the sidecar at path has that stamp. If so it is
// touched: its time is when the entry was used last. The kernel's clock is
// good enough for that, and nothing depends on whether it works.
func stamped(path string, s Stamp) bool {
	if s == (Stamp{}) || readStamp(path) != s.String() {
		return false
	}
	touch(path)
	return true
}

// readStamp returns the text of a sidecar, and "" where it cannot be read. It
// is read for every entry that is used: os.ReadFile takes three times as many
// system calls.
func readStamp(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	for errors.Is(err, unix.EINTR) {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	}
	if err != nil {
		return ""
	}
	var text [256]byte // more than any stamp has
	n, err := unix.Read(fd, text[:])
	if closed := unix.Close(fd); err != nil || closed != nil {
		return ""
	}
	return string(text[:n])
}

// touch sets the times of a file to now.
func touch(path string) {
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	_ = unix.UtimesNanoAt(unix.AT_FDCWD, path, now, 0)
}

// stamp records that the file has been found right as it is now.
func (s *Store) stamp(key, path string, st Stamp) {
	// Without its stamp the entry is hashed again; that is all.
	_ = s.write(key, path, []byte(st.String()))
}
