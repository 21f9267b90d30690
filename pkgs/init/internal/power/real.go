package power

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Real is the Machine that this process is PID 1 of.
type Real struct{}

// Signal implements Machine: kill(2) with -1 spares the caller.
func (Real) Signal(sig syscall.Signal) { _ = unix.Kill(-1, sig) }

// Alive implements Machine. A kernel thread has no program.
func (Real) Alive() bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if _, err := os.Readlink(filepath.Join("/proc", e.Name(), "exe")); err == nil {
			return true
		}
	}
	return false
}

// Mounts implements Machine.
func (Real) Mounts() (string, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	return string(info), err
}

// Unmount implements Machine.
func (Real) Unmount(path string) error {
	err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
	if err == unix.EBUSY {
		return unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	if err == unix.EINVAL || err == unix.ENOENT {
		return nil // it went with another
	}
	return err
}

// Sync implements Machine.
func (Real) Sync() { unix.Sync() }

// Reboot implements Machine.
func (Real) Reboot(how How) error {
	switch how {
	case Reboot:
		return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	case Halt:
		return unix.Reboot(unix.LINUX_REBOOT_CMD_HALT)
	}
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}
