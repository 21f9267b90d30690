// Package mounts is what a running system has mounted beside its root. What is to
// be mounted is a list, so that it can be looked at without being root.
package mounts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Mount is an argument of mount(2).
type Mount struct {
	Source, Target, Type string
	Flags                uintptr
	Data                 string
	Optional             bool // the kernel may be without it
}

// A Link is a symbolic link that a folder of devices has.
type Link struct{ Path, Target string }

const (
	nodev  = unix.MS_NODEV
	nosuid = unix.MS_NOSUID
	noexec = unix.MS_NOEXEC
)

// Plan returns what every system has, in the order in which it is mounted. /var
// is not here: it keeps what the image has, see package root.
func Plan() []Mount {
	return []Mount{
		{"proc", "/proc", "proc", nodev | nosuid | noexec, "", false},
		{"sysfs", "/sys", "sysfs", nodev | nosuid | noexec, "", false},
		{"devtmpfs", "/dev", "devtmpfs", nosuid, "mode=0755", false},
		{"devpts", "/dev/pts", "devpts", nosuid | noexec, "gid=5,mode=0620,ptmxmode=0666", false},
		{"shm", "/dev/shm", "tmpfs", nodev | nosuid | noexec, "mode=1777", false},
		{"mqueue", "/dev/mqueue", "mqueue", nodev | nosuid | noexec, "", true},
		{"run", "/run", "tmpfs", nodev | nosuid, "mode=0755", false},
		{"tmp", "/tmp", "tmpfs", nodev | nosuid, "mode=1777", false},
		{"cgroup2", "/sys/fs/cgroup", "cgroup2", nodev | nosuid | noexec, "nsdelegate", false},
		{"securityfs", "/sys/kernel/security", "securityfs", nodev | nosuid | noexec, "", true},
		{"bpf", "/sys/fs/bpf", "bpf", nodev | nosuid | noexec, "mode=0700", true},
	}
}

// Links returns the names that programs expect below /dev and that devtmpfs is
// without.
func Links() []Link {
	return []Link{
		{"/dev/fd", "/proc/self/fd"},
		{"/dev/stdin", "/proc/self/fd/0"},
		{"/dev/stdout", "/proc/self/fd/1"},
		{"/dev/stderr", "/proc/self/fd/2"},
		{"/dev/core", "/proc/kcore"},
	}
}

// Do mounts the plan, through mount, in its order, and makes the folders that are
// missing. What is optional and cannot be mounted is left out; what else fails is
// in the error, and does not stop the rest. What is mounted already stays.
func Do(plan []Mount, mount func(Mount) error) error {
	var faults []error
	for _, m := range plan {
		err := os.MkdirAll(m.Target, 0o755)
		if err == nil {
			err = mount(m)
		}
		if err != nil && !m.Optional && !errors.Is(err, unix.EBUSY) {
			faults = append(faults, fmt.Errorf("mount %s: %w", m.Target, err))
		}
	}
	return errors.Join(faults...)
}

// Call is mount(2).
func Call(m Mount) error {
	return unix.Mount(m.Source, m.Target, m.Type, m.Flags, m.Data)
}

// Make makes links below root. One that is there stays.
func Make(root string, links []Link) error {
	var faults []error
	for _, l := range links {
		if err := os.Symlink(l.Target, filepath.Join(root, l.Path)); err != nil && !errors.Is(err, os.ErrExist) {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}
