package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/test/boot/list"
)

// look says how the machine was started, and what there is on its disks; or what is
// in the way.
func look() {
	s, err := sight()
	if err != nil {
		fmt.Printf("%s %v\n", list.Bad, err)
		return
	}
	words, err := json.Marshal(s)
	if err != nil {
		fmt.Printf("%s %v\n", list.Bad, err)
		return
	}
	fmt.Printf("%s %s\n", list.Started, words)
}

// sight loads the modules, mounts what tells of the kernel, and looks.
func sight() (*list.Sight, error) {
	if err := loadAll(path.Join("/", list.Modules)); err != nil {
		return nil, err
	}
	for _, m := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}} {
		if err := mount(m[0], m[0], m[1], 0); err != nil {
			return nil, err
		}
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil, err
	}
	s := &list.Sight{Cmdline: strings.TrimSpace(string(cmdline))}
	if _, err := os.Stat("/sys/firmware/efi"); err == nil {
		s.EFI = true
		if s.SecureBoot, err = secureBoot(); err != nil {
			return nil, err
		}
	}
	s.Volumes, err = volumes()
	return s, err
}

// loadAll loads all modules of a folder. Each may need others: it tries those that
// do not load again, as long as others do.
func loadAll(dir string) error {
	names, err := filepath.Glob(path.Join(dir, "*.ko"))
	if err != nil {
		return err
	}
	for len(names) > 0 {
		var left []string
		var faults []error
		for _, name := range names {
			if err := load(name); err != nil {
				left, faults = append(left, name), append(faults, err)
			}
		}
		if len(left) == len(names) {
			return errors.Join(faults...)
		}
		names = left
	}
	return nil
}

// load loads a module, unless it is there already or for what this machine has not.
// The disks that it finds are there when it is.
func load(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if err == nil || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return fmt.Errorf("load %s: %w", name, err)
}

// mount mounts on a folder that it makes.
func mount(kind, device, dir string, flags uintptr) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(device, dir, kind, flags, ""); err != nil {
		return fmt.Errorf("mount %s of %s: %w", kind, device, err)
	}
	return nil
}

// secureBoot asks the firmware whether it lets only start what is signed (UEFI
// 2.10, 3.3, "SecureBoot").
func secureBoot() (bool, error) {
	const dir = "/sys/firmware/efi/efivars"
	if err := mount("efivarfs", "efivarfs", dir, unix.MS_RDONLY); err != nil {
		return false, err
	}
	v, err := os.ReadFile(path.Join(dir, "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return len(v) == 5 && v[4] == 1, err // attributes, and a byte
}

// volumes returns the filesystems on all disks and partitions.
func volumes() (all []list.Volume, err error) {
	devices, err := os.ReadDir("/sys/class/block")
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		for _, kind := range []string{"iso9660", "vfat"} {
			paths, err := pathsOn(path.Join("/dev", d.Name()), kind)
			if errors.Is(err, unix.EINVAL) {
				continue // it is another filesystem, or none
			}
			if err != nil {
				return nil, err
			}
			all = append(all, list.Volume{Device: d.Name(), Type: kind, Paths: paths})
			break
		}
	}
	return all, nil
}

// pathsOn returns all that is on a device, if that has such a filesystem. When it
// is done that is no longer mounted: then a partition of the device can be.
func pathsOn(device, kind string) (all []list.Path, err error) {
	const dir = "/mnt"
	if err := mount(kind, device, dir, unix.MS_RDONLY); err != nil {
		return nil, err
	}
	all, err = pathsIn(dir)
	return all, errors.Join(err, unix.Unmount(dir, 0))
}

// pathsIn returns all that is below a folder, with the digests of files.
func pathsIn(dir string) (all []list.Path, err error) {
	found, err := walk(dir)
	if err != nil {
		return nil, err
	}
	for name, n := range found {
		p := list.Path{
			Name: name, Type: n.Mode & unix.S_IFMT, Mode: n.Mode &^ unix.S_IFMT, UID: n.Uid, GID: n.Gid, MTime: n.Mtim.Sec, Link: n.link,
		}
		if p.Type == unix.S_IFREG {
			if p.Digest, p.Size, err = digest(path.Join(dir, name)); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	return all, nil
}
