package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/internal/disk"
)

// settled is how long no disk has to come or go before one is written on.
const settled = time.Second

// maxLabel is how many bytes a label of ext4 has.
const maxLabel = 16

// formatter is one run of the program.
type formatter struct {
	device, label, fsType string
	timeout               time.Duration
	force                 bool
	place                 disk.Place
	make                  func(ctx context.Context, device, fsType, label string) error
	out                   io.Writer
}

// check finds what the command line should not have.
func (f *formatter) check(operands int) error {
	switch {
	case operands > 1:
		return errors.New("one DEVICE at most")
	case f.force && f.device == "":
		return errors.New("-force needs a DEVICE")
	case f.label == "" || len(f.label) > maxLabel:
		return fmt.Errorf("-label %q: it takes 1 to %d bytes", f.label, maxLabel)
	case !slices.Contains([]string{"ext4", "ext3", "ext2"}, f.fsType):
		return fmt.Errorf("-type %q: it is ext4, ext3 or ext2", f.fsType)
	}
	return nil
}

// run waits for a disk, and makes the file system unless it is there.
func (f *formatter) run(ctx context.Context) error {
	path, err := f.choose(ctx)
	if err != nil || path == "" {
		return err
	}
	if err := unused(path); err != nil {
		return err
	}
	if err := f.make(ctx, path, f.fsType, f.label); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	made, err := disk.Probe(file)
	if err != nil {
		return err
	}
	if made.Label != f.label {
		return fmt.Errorf("%s: there is no %s with the label %q on it afterwards", path, f.fsType, f.label)
	}
	_, err = fmt.Fprintf(f.out, "format: %s is now %s, label %s\n", path, f.fsType, f.label)
	return err
}

// choose returns the disk to write on; "" when there is nothing to do. The
// disks have to stay the same for a second before one is chosen: the one with the
// label may come after a blank one.
func (f *formatter) choose(ctx context.Context) (string, error) {
	var path string
	var last, disks []disk.Disk
	var since time.Time
	err := disk.Await(ctx, f.timeout, func() (bool, error) {
		last = disks
		var err error
		if disks, err = f.place.List(); err != nil {
			return false, err
		}
		if i := slices.IndexFunc(disks, f.done); i >= 0 {
			_, err := fmt.Fprintf(f.out, "format: %s has the label %s already\n", disks[i].Path, f.label)
			return true, err
		}
		if !slices.Equal(last, disks) {
			since = time.Now()
		}
		if time.Since(since) < settled {
			return false, nil
		}
		path, err = f.pick(disks)
		return path != "", err
	})
	if errors.Is(err, disk.ErrAbsent) {
		return "", fmt.Errorf("no %s%w", f.wanted(), describe(disks, err))
	}
	return path, err
}

// done tells whether d is what this run would make: a removable disk only if it is named.
func (f *formatter) done(d disk.Disk) bool {
	return d.FS.Label == f.label && !f.force && (f.device == d.Path || f.device == "" && !d.Removable)
}

func (f *formatter) wanted() string {
	if f.device != "" {
		return f.device
	}
	return "blank disk, nor one with the label " + f.label
}

// describe adds to err what disks there are.
func describe(disks []disk.Disk, err error) error {
	text := "; there is none at all"
	for i, d := range disks {
		sep := ", "
		if i == 0 {
			text, sep = "", "; there is "
		}
		text += sep + d.Path
		switch {
		case d.FS.Type != "":
			text += fmt.Sprintf(" (%s, label %q)", d.FS.Type, d.FS.Label)
		case d.Removable:
			text += " (removable)"
		}
	}
	return fmt.Errorf("%s: %w", text, err)
}

// pick returns the disk to write on, or "" where there is none yet.
func (f *formatter) pick(disks []disk.Disk) (string, error) {
	for _, d := range disks {
		if f.device != "" && d.Path != f.device {
			continue
		}
		if f.device != "" && f.force {
			return d.Path, nil
		}
		blank, err := blank(d)
		switch {
		case f.device == "" && (err != nil || !blank || d.Partition || d.Removable):
			continue
		case err != nil:
			return "", err
		case !blank:
			return "", fmt.Errorf("%s has something on it: -force destroys it", d.Path)
		}
		return d.Path, nil
	}
	return "", nil
}

// blank tells whether a disk may be written on.
func blank(d disk.Disk) (bool, error) {
	if d.ReadOnly || d.Divided || d.FS.Type != "" {
		return false, nil
	}
	f, err := os.Open(d.Path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return disk.Blank(f, d.Size)
}

// unused finds a disk that is mounted or otherwise in use: the kernel does not
// open it exclusively then.
func unused(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return fmt.Errorf("is it in use? %w", err)
	}
	return f.Close()
}
