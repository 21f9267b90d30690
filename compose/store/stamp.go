package store

import (
	"fmt"
	"io/fs"
	"os"
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
	text, err := os.ReadFile(path)
	if err != nil || s == (Stamp{}) || string(text) != s.String() {
		return false
	}
	touch(path)
	return true
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
