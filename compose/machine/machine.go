// Package machine runs virtual machines: QEMU, with what an operating-system
// image needs and no more.
//
// [Options] say what the machine is, and are all that decides its command line,
// [Options.Args]: a person can be shown it, and run it. [Start] starts that, and
// [Machine.Wait] waits for the guest to turn itself off, presses its power button
// when told to, and ends what does not end.
//
//	o := machine.Options{Arch: "amd64", Accel: machine.TCG, Memory: 512 << 20, CPUs: 2, Kernel: "k", Initrd: "i", Cmdline: "console=ttyS0"}
//	m, err := machine.Start(ctx, machine.Program(o.Arch), o.Args(), machine.Streams{In: in, Out: out})
//	if err == nil { err = m.Wait(machine.Control{Stop: stop}) }
//
// Nothing that was built is written to: a medium is a snapshot, and what the guest
// changes on it is gone with the machine, as is what the firmware notes. Only a
// [Disk] keeps. Nothing lies anywhere else: QEMU is spoken to by a socket that has
// no name. And no machine is left behind: Linux ends QEMU when the program that
// started it ends, however that happens (prctl(2), PR_SET_PDEATHSIG).
package machine

import (
	"fmt"
	"strconv"
	"strings"
)

// The ways to run a guest's code.
const (
	KVM = "kvm" // the processor runs it
	TCG = "tcg" // QEMU translates it, which works everywhere and is some ten times slower
)

// The architectures of guests, in Go's words.
const (
	AMD64 = "amd64"
	ARM64 = "arm64"
)

// Options are what a machine is. Paths are as QEMU opens them.
type Options struct {
	Arch   string // AMD64 or ARM64
	Accel  string // KVM or TCG
	Memory int64  // bytes; rounded up to whole MiB
	CPUs   int

	// What is started is one of these: a kernel, or an EFI program, which needs a
	// Firmware; a CD; a disk. The guest changes none of them.
	Kernel          string
	Initrd, Cmdline string // of a kernel; "" for none
	CD, Image       string

	Firmware Firmware  // the zero value is what QEMU brings along: SeaBIOS
	Disks    []string  // files of disks that keep what is written to them, in order
	Forwards []Forward // into the guest's network; the guest reaches others in any case
	NoReboot bool      // a guest that restarts ends the machine
}

// Program returns the name of the QEMU that runs guests of an architecture.
func Program(arch string) string {
	if arch == ARM64 {
		return "qemu-system-aarch64"
	}
	return "qemu-system-x86_64"
}

// Args are what QEMU is told, without its own name. The guest's serial port is
// QEMU's standard input and output.
func (o Options) Args() []string {
	mib := (o.Memory + 1<<20 - 1) >> 20
	args := append([]string{"-nodefaults", "-display", "none", "-serial", "stdio", "-monitor", "none"}, o.board()...)
	args = append(args, "-smp", strconv.Itoa(o.CPUs), "-m", strconv.FormatInt(mib, 10))
	if o.NoReboot {
		args = append(args, "-no-reboot")
	}
	args = append(args, o.Firmware.args()...)
	args = append(args, o.started()...)
	for i, file := range o.Disks {
		id := fmt.Sprintf("disk%d", i)
		args = append(args, "-drive", "if=none,format=raw,discard=unmap,id="+id+",file="+path(file), "-device", "virtio-blk-pci,drive="+id)
	}
	return append(args, o.around()...)
}

// board is the machine without what is plugged in. Kernels for virtual machines
// have drivers for the IDE ports of "pc", and none for the SATA ports of "q35".
func (o Options) board() []string {
	switch {
	case o.Arch == ARM64 && o.Accel == KVM:
		return []string{"-machine", "virt,gic-version=host", "-accel", KVM, "-cpu", "host"}
	case o.Arch == ARM64:
		return []string{"-machine", "virt", "-accel", "tcg,thread=multi", "-cpu", "cortex-a57"}
	case o.Accel == KVM:
		return []string{"-machine", "pc", "-accel", KVM, "-cpu", "host"}
	}
	// Page tables of five levels are a fifth slower to emulate.
	return []string{"-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off"}
}

// started is what the machine starts.
func (o Options) started() []string {
	const medium = "if=none,format=raw,id=medium,"
	var args []string
	if o.Kernel != "" {
		args = append(args, "-kernel", o.Kernel)
	}
	if o.Initrd != "" {
		args = append(args, "-initrd", o.Initrd)
	}
	if o.Cmdline != "" {
		args = append(args, "-append", o.Cmdline)
	}
	if o.CD != "" {
		args = append(args, "-drive", medium+"readonly=on,file="+path(o.CD), "-device", "ide-cd,drive=medium,bootindex=0")
	}
	if o.Image != "" {
		args = append(args, "-drive", medium+"snapshot=on,file="+path(o.Image), "-device", "virtio-blk-pci,drive=medium,bootindex=0")
	}
	return args
}

// around is what every machine has: a network behind QEMU's own, from which no
// firmware tries to start anything, and random numbers.
func (o Options) around() []string {
	network := []string{"user", "id=net"}
	for _, f := range o.Forwards {
		network = append(network, "hostfwd="+f.hostfwd())
	}
	return []string{"-netdev", strings.Join(network, ","), "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"}
}

// path writes the path of a file as a value of an option: a comma would end that,
// and what stands before a colon would be a protocol.
func path(file string) string {
	if first, _, _ := strings.Cut(file, "/"); strings.Contains(first, ":") {
		file = "./" + file
	}
	return strings.ReplaceAll(file, ",", ",,")
}

// Quoted returns a command line as a shell reads it.
func Quoted(argv []string) string {
	quoted := make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = a
		if a == "" || strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+,./:@%") != "" {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
