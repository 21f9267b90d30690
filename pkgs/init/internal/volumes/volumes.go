// Package volumes mounts the volumes of the manifest. Of the volume NAME there is,
// in /containers/volumes/NAME: lower, what it begins with; tmp; and merged, the
// path by which containers bind it. A volume is memory: what is written to it goes
// when the system goes.
package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/mounts"
)

// Dir is where the volumes are.
const Dir = "/containers/volumes"

// A Volume is what is to be mounted for one.
type Volume struct {
	Name   string
	Lower  string
	Upper  string // a folder to make like Lower, once the first mount is there; "" for none
	Work   string // another
	Mounts []mounts.Mount
}

// Plan returns what is to be mounted for the volumes in dir, by name: a tmpfs and
// an overlay of it and lower, or, where there is no tmp, lower itself and
// read-only, as linuxkit has it.
func Plan(dir string) ([]Volume, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("volumes: %w", err)
	}
	var all []Volume
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, plan(e.Name(), filepath.Join(dir, e.Name())))
		}
	}
	return all, nil
}

func plan(name, dir string) Volume {
	in := func(name string) string { return filepath.Join(dir, name) }
	v := Volume{Name: name, Lower: in("lower")}
	if _, err := os.Stat(in("tmp")); err != nil {
		v.Mounts = []mounts.Mount{
			{Source: v.Lower, Target: in("merged"), Flags: unix.MS_BIND},
			{Target: in("merged"), Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY},
		}
		return v
	}
	v.Upper, v.Work = in("tmp/upper"), in("tmp/work")
	v.Mounts = []mounts.Mount{
		{Source: "tmpfs", Target: in("tmp"), Type: "tmpfs", Data: "mode=0700"},
		{Source: "overlay", Target: in("merged"), Type: "overlay", Data: "lowerdir=" + escape(v.Lower) + ",upperdir=" + escape(v.Upper) + ",workdir=" + escape(v.Work)},
	}
	return v
}

// escape writes a path as overlay takes it: a comma and a colon would end it.
func escape(path string) string {
	b := make([]byte, 0, len(path))
	for _, c := range []byte(path) {
		if c == ',' || c == ':' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return string(b)
}

// Mount mounts all volumes in dir, through mount. One that fails does not stop the
// others; the errors are joined.
func Mount(dir string, mount func(mounts.Mount) error) error {
	all, err := Plan(dir)
	faults := []error{err}
	for _, v := range all {
		if err := v.mount(mount); err != nil {
			faults = append(faults, fmt.Errorf("volume %s: %w", v.Name, err))
		}
	}
	return errors.Join(faults...)
}

func (v *Volume) mount(mount func(mounts.Mount) error) error {
	for i, m := range v.Mounts {
		if err := mount(m); err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
		if i == 0 && v.Upper != "" {
			if err := v.writable(); err != nil {
				return err
			}
		}
	}
	return nil
}

// writable makes the folders of what is written. The upper one is the volume's
// own folder to who looks at it, so it has the mode and the owner of the lower.
func (v *Volume) writable() error {
	var s unix.Stat_t
	if err := unix.Stat(v.Lower, &s); err != nil {
		return fmt.Errorf("%s: %w", v.Lower, err)
	}
	if err := os.Mkdir(v.Work, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(v.Upper, 0o700); err != nil {
		return err
	}
	if err := os.Chown(v.Upper, int(s.Uid), int(s.Gid)); err != nil {
		return err
	}
	return unix.Chmod(v.Upper, s.Mode&0o7777)
}
