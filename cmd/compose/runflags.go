package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/composeos/compose/compose/machine"
	"github.com/composeos/compose/outputs"
)

// machineSize is a flag for a number of bytes of a machine; 0 until it is given.
type machineSize int64

func (m *machineSize) String() string { return strconv.FormatInt(int64(*m), 10) }

// leastMemory is less than any kernel starts with.
const leastMemory = 16 << 20

// Set reads a size that is at least leastMemory.
func (m *machineSize) Set(s string) error {
	n, err := parseMachineSize(s)
	if err != nil {
		return err
	}
	if n < leastMemory {
		return fmt.Errorf("%q is too little: want a number and a unit, such as 512M or 2G", s)
	}
	*m = machineSize(n)
	return nil
}

// parseMachineSize reads a number of bytes with a unit. What machines have is
// counted in powers of 1024: 1G is 1GiB here, as it is to QEMU.
func parseMachineSize(s string) (int64, error) {
	t := s
	if t != "" && strings.ContainsAny(t[len(t)-1:], "KkMmGgTt") {
		t += "iB"
	}
	n, err := parseSize(t)
	if err != nil || n == noLimit || n > maxDisk {
		return 0, fmt.Errorf("%q is not the size of anything in a machine: want a number and a unit, such as 512M or 2G", s)
	}
	return n, nil
}

// disksFlag are disks, in the order in which they are plugged in.
type disksFlag []machine.Disk

func (d *disksFlag) String() string { return "" }

func (d *disksFlag) repeats() {}

// Set adds a disk: "size=1G,file=x", or "file=x" where it is there.
func (d *disksFlag) Set(s string) error {
	var disk machine.Disk
	for part := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch {
		case key == "file" && value != "" && disk.File == "":
			disk.File = value
		case key == "size" && disk.Size == 0:
			n, err := parseMachineSize(value)
			if n -= n % outputs.Sector; err == nil && n == 0 {
				err = fmt.Errorf("%q is no size of a disk", value)
			}
			if err != nil {
				return err
			}
			disk.Size = n
		default:
			return fmt.Errorf("%q in %q: want size=SIZE,file=FILE", part, s)
		}
	}
	if disk.File == "" {
		return fmt.Errorf("%q names no file: want size=SIZE,file=FILE", s)
	}
	for _, other := range *d {
		if other.File == disk.File {
			return fmt.Errorf("%s is a disk twice", disk.File)
		}
	}
	*d = append(*d, disk)
	return nil
}

// forwardsFlag are ports that lead into the guest.
type forwardsFlag []machine.Forward

func (f *forwardsFlag) String() string { return "" }

func (f *forwardsFlag) repeats() {}

// Set adds a port, as [machine.ParseForward] reads it.
func (f *forwardsFlag) Set(s string) error {
	p, err := machine.ParseForward(s)
	if err != nil {
		return err
	}
	*f = append(*f, p)
	return nil
}

// joinWords joins command lines.
func joinWords(lines ...string) string {
	var words []string
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" {
			words = append(words, l)
		}
	}
	return strings.Join(words, " ")
}

// console is the word of a kernel's command line by which it speaks on the serial
// port, without what may follow it.
func console(arch string) string {
	if arch == machine.ARM64 {
		return "console=ttyAMA0"
	}
	return "console=ttyS0"
}

// hasConsole tells whether a command line has it. On arm64 the firmware tells the
// kernel of the port, so that it needs none.
func hasConsole(cmdline, arch string) bool {
	if arch == machine.ARM64 {
		return true
	}
	for word := range strings.FieldsSeq(cmdline) {
		if name, _, _ := strings.Cut(word, ","); name == console(arch) {
			return true
		}
	}
	return false
}
