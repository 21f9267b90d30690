package bundle

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/cgroup"
)

// System is the Kernel of the running system.
type System struct{}

// Mount implements Kernel.
func (System) Mount(source, target, fstype string, flags uintptr, data string) error {
	return unix.Mount(source, target, fstype, flags, data)
}

// Unmount implements Kernel.
func (System) Unmount(target string, flags int) error {
	return unix.Unmount(target, flags|unix.UMOUNT_NOFOLLOW)
}

// Mkdir implements Kernel. What is there already, a file included, can be the
// target of a bind.
func (System) Mkdir(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return os.MkdirAll(path, 0o755)
}

// Touch implements Kernel.
func (System) Touch(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	return f.Close()
}

// Cgroup implements Kernel.
func (System) Cgroup(path string) error { return cgroup.Make(cgroup.Root, path) }
