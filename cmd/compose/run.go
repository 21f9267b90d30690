package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/composeos/compose/compose/machine"
)

// machineCommand is "compose run".
type machineCommand struct {
	mem              machineSize
	cpus             int
	publish          forwardsFlag
	disks            disksFlag
	accel            choice
	uefi, bios       bool
	timeout          time.Duration
	append           string
	noReboot, dryRun bool
}

// accelAuto is KVM where that works.
const accelAuto = "auto"

// setupRun defines "compose run".
func setupRun(fs *flag.FlagSet) action {
	c := machineCommand{accel: choice{accelAuto, []string{accelAuto, machine.KVM, machine.TCG}}}
	fs.Var(&c.mem, "mem", "")
	fs.IntVar(&c.cpus, "cpus", 1, "")
	fs.Var(&c.publish, "publish", "")
	fs.Var(&c.disks, "disk", "")
	fs.Var(&c.accel, "accel", "")
	fs.BoolVar(&c.uefi, "uefi", false, "")
	fs.BoolVar(&c.bios, "bios", false, "")
	fs.DurationVar(&c.timeout, "timeout", 0, "")
	fs.StringVar(&c.append, "append", "", "")
	fs.BoolVar(&c.noReboot, "no-reboot", false, "")
	fs.BoolVar(&c.dryRun, "dry-run", false, "")
	return c.run
}

// powerOffTime is how long a guest may take to turn itself off.
const powerOffTime = 30 * time.Second

// maxCPUs is what every machine of QEMU's can have.
const maxCPUs = 64

func (c *machineCommand) run(ctx context.Context, s *session, operands []string) error {
	b, err := c.image(operands)
	if err != nil {
		return err
	}
	o, err := c.options(ctx, s, b)
	if err != nil {
		return err
	}
	program := machine.Program(o.Arch)
	if c.dryRun {
		_, err := fmt.Fprintln(s.stdout, machine.Quoted(append([]string{program}, o.Args()...)))
		return shown(err)
	}
	for _, d := range c.disks {
		if err := d.Make(); err != nil {
			return err
		}
	}
	if o.Forwards, err = machine.Claim(ctx, c.publish); err != nil {
		return err
	}
	for i, f := range o.Forwards {
		if c.publish[i] != f {
			s.ui.notef("%s leads to port %d of the guest", f.Host, f.Guest)
		}
	}
	s.ui.notef("starting %s with %d MiB of memory; Ctrl-C turns it off", b.files[0], o.Memory>>20)
	return c.start(ctx, s, program, o)
}

// image checks the flags and finds what is to be started.
func (c *machineCommand) image(operands []string) (*built, error) {
	switch {
	case len(operands) == 0:
		return nil, usagef("run", "nothing is named: want the NAME of what was built, or a FILE of it")
	case len(operands) > 1:
		return nil, usagef("run", "%q is too much: one machine starts one image", operands[1])
	case c.cpus < 1 || c.cpus > maxCPUs:
		return nil, usagef("run", "flag -cpus: %d is not from 1 to %d", c.cpus, maxCPUs)
	case c.timeout < 0:
		return nil, usagef("run", "flag -timeout: %s is less than 0", c.timeout)
	case c.uefi && c.bios:
		return nil, usagef("run", "-uefi and -bios both say what starts the machine")
	}
	b, err := findBuilt(operands[0])
	if err != nil {
		return nil, err
	}
	switch {
	case c.bios && b.needsUEFI():
		return nil, usagef("run", "flag -bios: %s is for UEFI alone", b.files[0])
	case c.bios && b.arch == machine.ARM64:
		return nil, usagef("run", "flag -bios: %s is for arm64, which has no BIOS", b.files[0])
	case c.append != "" && b.kind != kindKernel:
		return nil, usagef("run", "flag -append: the command line of %s is in it; that of kernel and initramfs can be longer", b.files[0])
	}
	return b, nil
}

// options are the machine that the flags ask for.
func (c *machineCommand) options(ctx context.Context, s *session, b *built) (machine.Options, error) {
	o := machine.Options{Arch: b.arch, CPUs: c.cpus, Forwards: c.publish, NoReboot: c.noReboot}
	err := b.plugIn(&o)
	if err != nil {
		return o, err
	}
	o.Cmdline = joinWords(o.Cmdline, c.append)
	if b.kind == kindKernel && !hasConsole(o.Cmdline, b.arch) {
		s.ui.warnf("the kernel's command line has no %s: what it says is not seen here; -append adds words", console(b.arch))
	}
	for _, d := range c.disks {
		o.Disks = append(o.Disks, d.File)
	}
	if c.uefi || b.needsUEFI() {
		if o.Firmware, err = machine.FindUEFI("/", b.arch); err != nil {
			return o, withHint(err, "install it: of Debian's packages it is "+firmwarePackage(b.arch))
		}
	}
	program := machine.Program(b.arch)
	if _, err := exec.LookPath(program); err != nil && !c.dryRun {
		return o, hinted(program+" is not installed", "install it: of Debian's packages it is "+qemuPackage(b.arch)+" (and "+firmwarePackage(b.arch)+" for -uefi)")
	}
	o.Accel = c.accelerator(ctx, s, b.arch)
	o.Memory, err = c.memory(ctx, s, b)
	return o, err
}

// qemuPackage and firmwarePackage are packages of Debian.
func qemuPackage(arch string) string {
	if arch == machine.ARM64 {
		return "qemu-system-arm"
	}
	return "qemu-system-x86"
}

func firmwarePackage(arch string) string {
	if arch == machine.ARM64 {
		return "qemu-efi-aarch64"
	}
	return "ovmf"
}

// accelerator is what -accel says, or the best that works.
func (c *machineCommand) accelerator(ctx context.Context, s *session, arch string) string {
	if c.accel.value != accelAuto {
		return c.accel.value
	}
	var err error
	switch _, missing := os.Stat("/dev/kvm"); {
	case s.arch != arch:
		err = fmt.Errorf("the processor here is no %s", arch)
	case missing != nil:
		err = errors.New("there is no /dev/kvm")
	case arch != machine.AMD64:
		err = errors.New("it is tried for amd64 alone, and taken with -accel kvm")
	default:
		err = machine.Probe(ctx, machine.Program(arch))
	}
	if err == nil {
		return machine.KVM
	}
	s.ui.notef("without KVM the machine is emulated, which is slow: %v", err)
	return machine.TCG
}

// start runs the machine to its end, with its serial port on the terminal.
func (c *machineCommand) start(ctx context.Context, s *session, program string, o machine.Options) (err error) {
	restore, err := s.giveTerminal()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	stop := s.takeInterrupts()
	m, err := machine.Start(ctx, program, o.Args(), machine.Streams{In: s.stdin, Out: s.stdout})
	if err != nil {
		return err
	}
	return m.Wait(machine.Control{
		Stop: stop, Timeout: c.timeout, Patience: powerOffTime,
		Say: func(text string) { s.ui.notef("%s", text) },
	})
}
