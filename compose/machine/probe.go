package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probeTime is how long a probe may take. It needs a tenth of that.
const probeTime = 2 * time.Second

// Probe tells whether KVM works, nil if it does: that /dev/kvm can be opened says
// little, and there are hosts where a guest then stands still, or QEMU dies. So a
// machine is started by the QEMU at program, for [AMD64]: SeaBIOS loads a boot
// sector, which ends the machine by a device that is there for such.
func Probe(ctx context.Context, program string) error {
	return probe(ctx, program, probeOf{KVM, "host", probeTime})
}

// bootSector writes to the port of isa-debug-exit.
func bootSector() []byte {
	code := []byte{
		0xba, 0x01, 0x05, // mov dx, 0x501
		0xb0, probeSays, // mov al, probeSays
		0xee,       // out dx, al
		0xf4,       // hlt
		0xeb, 0xfd, // jmp to hlt
	}
	s := make([]byte, sector)
	copy(s, code)
	s[510], s[511] = 0x55, 0xaa
	return s
}

// What the boot sector says, and how QEMU ends then: with 2n+1.
const (
	probeSays = 0x10
	probeCode = 2*probeSays + 1
)

// probeOf is what is probed.
type probeOf struct {
	accel, cpu string
	limit      time.Duration
}

func probe(ctx context.Context, program string, of probeOf) (err error) {
	fd, err := unix.MemfdCreate("boot-sector", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	disk := os.NewFile(uintptr(fd), "boot-sector")
	defer func() { err = errors.Join(err, disk.Close()) }()
	if _, err := disk.Write(bootSector()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, of.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-nodefaults", "-display", "none", "-serial", "none", "-monitor", "none",
		"-machine", "pc", "-accel", of.accel, "-cpu", of.cpu, "-m", "16", "-device", "isa-debug-exit",
		"-drive", "if=floppy,format=raw,readonly=on,file=/dev/fd/3", "-boot", "a")
	cmd.ExtraFiles = []*os.File{disk}
	var said tail
	cmd.Stderr = &said
	runtime.LockOSThread() // see live
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.WaitDelay = of.limit
	err = cmd.Run()
	switch {
	case cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == probeCode:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("a machine stood still for %s", of.limit)
	case err == nil:
		err = errors.New("a machine ended too early")
	}
	if text, _, _ := strings.Cut(said.last(), "\n"); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return err
}
