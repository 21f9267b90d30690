package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelLog returns what the kernel has said since it started.
func kernelLog() (string, error) {
	size, err := unix.Klogctl(unix.SYSLOG_ACTION_SIZE_BUFFER, nil)
	if err != nil {
		return "", fmt.Errorf("size of the kernel's log: %w", err)
	}
	b := make([]byte, size)
	n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, b)
	if err != nil {
		return "", fmt.Errorf("read the kernel's log: %w", err)
	}
	return string(b[:n]), nil
}

// complaints returns the lines in which a kernel says that it has not unpacked the
// whole of its initramfs (init/initramfs.c, do_populate_rootfs; setup_arch).
func complaints(log string) []string {
	var found []string
	for line := range strings.Lines(log) {
		for _, words := range []string{"Initramfs unpacking failed", "is not initramfs", "junk", "initrd extends beyond"} {
			if strings.Contains(line, words) {
				found = append(found, "the kernel says: "+strings.TrimSpace(line))
				break
			}
		}
	}
	return found
}

// quiet keeps the kernel's words out of the middle of ours.
func quiet() {
	if _, err := unix.Klogctl(unix.SYSLOG_ACTION_CONSOLE_OFF, nil); err != nil {
		fmt.Println("the kernel's log stays on the console:", err)
	}
}

// powerOff waits until all has been said and turns the machine off.
func powerOff() error {
	const drain = 1 // tcdrain(3)
	_ = unix.IoctlSetInt(int(os.Stdout.Fd()), unix.TCSBRK, drain)
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}
