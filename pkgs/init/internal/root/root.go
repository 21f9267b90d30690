// Package root makes the root that containers start from.
//
// The kernel unpacks an initramfs into a file system that pivot_root(2), which
// runc calls, does not leave: it is the mount that all others hang on. So the
// same file system is mounted once more and moved over it, which takes no time
// ([Bind]); or all files move into a tmpfs ([Copy]), one by one, so that no more
// memory is needed than for the largest.
//
// The root is read-only in a running system, as linuxkit's is: what has to be
// written lies in /run, /tmp and /var, or in a volume. In /var is what the image
// has there; where linuxkit mounts an empty tmpfs over it, [Var] moves it into
// one, so that files of the manifest below /var are seen.
package root

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// aside is where the new root is put together.
const aside = "/mnt"

// Kind is what a root is made of.
type Kind int

// The kinds of root.
const (
	Disk  Kind = iota // or another file system that is not memory
	Tmpfs             // extended attributes of security and trusted can be set
	Ramfs             // no extended attributes; it takes all memory if it is let
)

// KindOf tells what the file system at path is.
func KindOf(path string) (Kind, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Disk, fmt.Errorf("statfs %s: %w", path, err)
	}
	switch uint32(s.Type) {
	case unix.TMPFS_MAGIC:
		return Tmpfs, nil
	case unix.RAMFS_MAGIC:
		return Ramfs, nil
	}
	return Disk, nil
}

// Bind mounts the root once more, over itself.
func Bind() error {
	if err := os.MkdirAll(aside, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/", aside, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind /: %w", err)
	}
	if err := enter(aside); err != nil {
		return errors.Join(err, unix.Unmount(aside, unix.MNT_DETACH))
	}
	return nil
}

// Copy moves the root's files into a tmpfs, and that to where the root is.
func Copy() error {
	if err := os.MkdirAll(aside, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("root", aside, "tmpfs", 0, "mode=0755,size=100%,nr_inodes=0"); err != nil {
		return fmt.Errorf("tmpfs for /: %w", err)
	}
	if err := Move("/", aside); err != nil {
		return err
	}
	return enter(aside)
}

// enter makes dir, a mount point, the root.
func enter(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return fmt.Errorf("enter %s: %w", dir, err)
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return errors.Join(fmt.Errorf("move the root: %w", err), unix.Chdir("/"))
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return unix.Chdir("/")
}

// Var gives the system a /var that can be written, with what the image has
// there. dirs are folders that are in it in any case.
func Var(dirs []string) error {
	if err := os.MkdirAll(aside, 0o755); err != nil {
		return err
	}
	const flags = unix.MS_NODEV | unix.MS_NOSUID
	if err := unix.Mount("var", aside, "tmpfs", flags, "mode=0755,size=100%,nr_inodes=0"); err != nil {
		return fmt.Errorf("tmpfs for /var: %w", err)
	}
	err := os.MkdirAll("/var", 0o755)
	if err == nil {
		err = Move("/var", aside)
	}
	if err == nil {
		err = unix.Mount(aside, "/var", "", unix.MS_MOVE, "")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("/var: %w", err), unix.Unmount(aside, unix.MNT_DETACH))
	}
	// Half of memory, as every tmpfs, unless the image has more there already.
	_ = unix.Mount("", "/var", "", unix.MS_REMOUNT|flags, "size=50%")
	var faults []error
	for _, dir := range dirs {
		faults = append(faults, os.MkdirAll(filepath.Join("/var", dir), 0o755))
	}
	return errors.Join(faults...)
}

// Seal makes the root read-only, and what is mounted below it not; and lets what
// is mounted later be seen in containers that bind it.
func Seal(writable bool) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share /: %w", err)
	}
	if writable {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make / read-only: %w", err)
	}
	return nil
}
