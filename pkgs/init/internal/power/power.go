// Package power ends the system: the rest of its processes, its mounts, itself;
// and listens to the power button.
package power

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How is the way in which the system ends.
type How string

// The ways, named as their commands.
const (
	PowerOff How = "poweroff"
	Reboot   How = "reboot"
	Halt     How = "halt"
)

// ParseHow returns the way of this name.
func ParseHow(name string) (How, error) {
	switch how := How(name); how {
	case PowerOff, Reboot, Halt:
		return how, nil
	}
	return "", fmt.Errorf("there is no %q: want poweroff, reboot or halt", name)
}

// Doing is what a person reads while it happens.
func (h How) Doing() string {
	switch h {
	case Reboot:
		return "reboot"
	case Halt:
		return "halt"
	}
	return "power off"
}

// Machine is what ending the system does to it. Real is the real one.
type Machine interface {
	// Signal sends a signal to every process but this one.
	Signal(sig syscall.Signal)
	// Alive tells whether there are others.
	Alive() bool
	// Mounts is /proc/self/mountinfo.
	Mounts() (string, error)
	// Unmount takes a mount away or, where it is busy, makes it read-only.
	Unmount(path string) error
	// Sync writes out what is not on the disks yet.
	Sync()
	// Reboot ends the machine.
	Reboot(how How) error
}

const (
	// remains is how long what is no container may take for its end.
	remains = 2 * time.Second
	// look is how often that is looked at.
	look = 20 * time.Millisecond
)

// Down ends what is left of the system, and the system. It returns only when
// the kernel refuses. A mount that does not go is told, and ends nothing.
func Down(m Machine, how How, tell func(format string, args ...any)) error {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !m.Alive() {
			break
		}
		m.Signal(sig)
		for end := time.Now().Add(remains); m.Alive() && time.Now().Before(end); {
			time.Sleep(look)
		}
	}
	m.Sync()
	info, err := m.Mounts()
	if err != nil {
		tell("mounts: %v", err)
	}
	for _, path := range Unmounts(info) {
		if err := m.Unmount(path); err != nil {
			tell("unmount %s: %v", path, err)
		}
	}
	m.Sync()
	tell("%s", how.Doing())
	return m.Reboot(how)
}

// Unmounts returns what to unmount, in order: every mount of mountinfo
// (proc_pid_mountinfo(5)), the last first, without the root and without what
// nothing is left of anyway.
func Unmounts(info string) []string {
	var paths []string
	for line := range strings.Lines(info) {
		before, after, ok := strings.Cut(line, " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(place) < 5 || len(kind) == 0 || place[4] == "/" || fleeting(kind[0]) {
			continue
		}
		paths = append([]string{unescape(place[4])}, paths...)
	}
	return paths
}

// fleeting tells whether a filesystem shows the kernel, or lies in memory.
func fleeting(fstype string) bool {
	switch fstype {
	case "tmpfs", "ramfs", "rootfs", "proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "mqueue", "nsfs",
		"securityfs", "debugfs", "tracefs", "bpf", "pstore", "efivarfs", "configfs", "fusectl":
		return true
	}
	return false
}

// unescape undoes the four octal escapes of mountinfo.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// Now ends the machine at once, without init.
func Now(how How) error {
	unix.Sync()
	return Real{}.Reboot(how)
}
