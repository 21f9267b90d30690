package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Disk is a disk or a partition of one.
type Disk struct {
	Name      string // "vda", "vda1"
	Path      string // "/dev/vda1"
	Size      int64  // bytes
	Removable bool   // the medium can be taken out: a CD, a card
	ReadOnly  bool   //
	Partition bool   //
	Divided   bool   // it has partitions, or something else is made of it
	FS        FS     // what is on it
}

// Place is where the kernel shows disks.
type Place struct {
	Sys string // "/sys/block"
	Dev string // "/dev"
}

// System is the running system's.
func System() Place { return Place{Sys: "/sys/block", Dev: "/dev"} }

// virtual are the beginnings of names that are no disks of the machine.
var virtual = []string{"loop", "ram", "zram", "nbd", "fd", "mtdblock"}

// List returns all disks that have a size, each followed by its partitions, in the
// order of their names; vda2 is before vda10, and sdb before sdaa. What cannot be
// read, such as a drive without a medium, has no file system.
func (p Place) List() ([]Disk, error) {
	names, err := os.ReadDir(p.Sys)
	if err != nil {
		return nil, err
	}
	var disks []Disk
	for _, n := range names {
		if slices.ContainsFunc(virtual, func(prefix string) bool { return strings.HasPrefix(n.Name(), prefix) }) {
			continue
		}
		whole, parts := p.disk(n.Name())
		if whole.Size > 0 {
			disks = append(append(disks, whole), parts...)
		}
	}
	slices.SortFunc(disks, func(a, b Disk) int { return compare(a.Name, b.Name) })
	return disks, nil
}

// disk reads one disk and its partitions.
func (p Place) disk(name string) (Disk, []Disk) {
	dir := filepath.Join(p.Sys, name)
	whole := p.read(dir, name)
	whole.Removable = number(filepath.Join(dir, "removable")) == 1
	holders, _ := os.ReadDir(filepath.Join(dir, "holders"))
	whole.Divided = len(holders) > 0
	below, _ := os.ReadDir(dir)
	var parts []Disk
	for _, b := range below {
		sub := filepath.Join(dir, b.Name())
		if number(filepath.Join(sub, "partition")) == 0 {
			continue
		}
		part := p.read(sub, b.Name())
		part.Partition, part.Removable = true, whole.Removable
		parts = append(parts, part)
		whole.Divided = true
	}
	return whole, parts
}

func (p Place) read(dir, name string) Disk {
	const sector = 512 // the unit of the file size, whatever the disk's own is
	d := Disk{Name: name, Path: filepath.Join(p.Dev, strings.ReplaceAll(name, "!", "/"))}
	d.Size = number(filepath.Join(dir, "size")) * sector
	d.ReadOnly = number(filepath.Join(dir, "ro")) == 1
	if d.Size == 0 {
		return d
	}
	if f, err := os.Open(d.Path); err == nil {
		defer f.Close()
		if fs, err := Probe(f); err == nil {
			d.FS = fs
		}
	}
	return d
}

// number reads a file of one number; 0 if there is none.
func number(path string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// compare orders names of disks: digits as numbers, and among names of letters the
// shorter first.
func compare(a, b string) int {
	stemA, stemB := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if stemA != stemB {
		if len(stemA) != len(stemB) && sameKind(stemA, stemB) {
			return len(stemA) - len(stemB)
		}
		return strings.Compare(stemA, stemB)
	}
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// sameKind tells whether both are disks of one driver: sdb and sdaa.
func sameKind(a, b string) bool {
	return len(a) >= 2 && len(b) >= 2 && a[:2] == b[:2] && !strings.ContainsAny(a+b, "0123456789")
}

// poll is how often Await looks.
const poll = 100 * time.Millisecond

// Await calls found until it is done or fails, or for the time of limit at most,
// and once at least. It is for disks that the kernel has not found yet.
func Await(ctx context.Context, limit time.Duration, found func() (done bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		done, err := found()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s: %w", limit, ErrAbsent)
		case <-tick.C:
		}
	}
}

// ErrAbsent says that what was waited for has not come.
var ErrAbsent = errors.New("it has not come")
