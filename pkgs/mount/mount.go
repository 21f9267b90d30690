package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/internal/disk"
)

// mounter is one run of the program.
type mounter struct {
	label, uuid, device     string // at most one is not empty
	target, fsType, options string
	timeout                 time.Duration
	place                   disk.Place
	mount                   func(source, target, fsType string, flags uintptr, data string) error
	out                     io.Writer
}

// operands takes [DEVICE] TARGET.
func (m *mounter) operands(args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("where to? It takes a TARGET")
	case len(args) > 2 || len(args) == 2 && m.device != "":
		return errors.New("it takes one DEVICE and one TARGET")
	case len(args) == 2:
		m.device = args[0]
	}
	m.target = args[len(args)-1]
	given := 0
	for _, s := range []string{m.label, m.uuid, m.device} {
		if s != "" {
			given++
		}
	}
	if given > 1 {
		return errors.New("one of -label, -uuid and a device, not more")
	}
	return nil
}

// run waits for the disk and mounts it.
func (m *mounter) run(ctx context.Context) error {
	var found disk.Disk
	err := disk.Await(ctx, m.timeout, func() (done bool, err error) {
		disks, err := m.place.List()
		if err != nil {
			return false, err
		}
		found, done = m.find(disks)
		return done, nil
	})
	if errors.Is(err, disk.ErrAbsent) {
		return fmt.Errorf("no %s: %w", m.wanted(), err)
	}
	if err != nil {
		return err
	}
	fsType := m.fsType
	if fsType == "" {
		fsType = found.FS.Type
	}
	flags, data := options(m.options)
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	err = m.mount(found.Path, m.target, fsType, flags, data)
	if errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%s: the kernel has no %s: load it with the modprobe package before", found.Path, fsType)
	}
	if err != nil {
		return fmt.Errorf("%s at %s as %s: %w", found.Path, m.target, fsType, err)
	}
	_, err = fmt.Fprintf(m.out, "mount: %s (%s) is at %s\n", found.Path, fsType, m.target)
	return err
}

// find returns the disk that is asked for, of several one that is not removable.
// Without a question it is the first that has a file system and is not removable.
func (m *mounter) find(disks []disk.Disk) (disk.Disk, bool) {
	device := m.device
	if target, err := filepath.EvalSymlinks(device); err == nil { // /dev/disk/by-…
		device = target
	}
	disks = slices.Clone(disks)
	slices.SortStableFunc(disks, func(a, b disk.Disk) int {
		switch {
		case a.Removable == b.Removable:
			return 0
		case b.Removable:
			return -1
		}
		return 1
	})
	for _, d := range disks {
		known := d.FS.Type != "" || m.fsType != ""
		var is bool
		switch {
		case m.device != "":
			is = d.Path == device && known
		case m.label != "":
			is = d.FS.Label == m.label
		case m.uuid != "":
			is = strings.EqualFold(d.FS.UUID, m.uuid)
		default:
			is = d.FS.Type != "" && !d.Removable
		}
		if is && (d.Partition || !d.Divided) {
			return d, true
		}
	}
	return disk.Disk{}, false
}

// wanted says what was looked for.
func (m *mounter) wanted() string {
	switch {
	case m.device != "":
		return m.device + " with a file system"
	case m.label != "":
		return "file system with the label " + m.label
	case m.uuid != "":
		return "file system with the UUID " + m.uuid
	}
	return "disk with a file system"
}

// flagNames are the options that mount(2) takes as bits; the others go to the file
// system.
var flagNames = map[string]uintptr{
	"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
	"sync": unix.MS_SYNCHRONOUS, "dirsync": unix.MS_DIRSYNC, "noatime": unix.MS_NOATIME,
	"nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME, "strictatime": unix.MS_STRICTATIME,
	"lazytime": unix.MS_LAZYTIME, "rw": 0, "defaults": 0,
}

// options splits those of fstab(5) into bits and what the file system is told.
func options(text string) (flags uintptr, data string) {
	var rest []string
	for option := range strings.SplitSeq(text, ",") {
		bit, ok := flagNames[option]
		switch {
		case ok:
			flags |= bit
		case option != "":
			rest = append(rest, option)
		}
	}
	return flags, strings.Join(rest, ",")
}
