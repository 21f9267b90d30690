package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/cmdline"
	"github.com/composeos/compose/pkgs/init/internal/delegate"
	"github.com/composeos/compose/pkgs/init/internal/early"
	"github.com/composeos/compose/pkgs/init/internal/host"
	"github.com/composeos/compose/pkgs/init/internal/mounts"
	"github.com/composeos/compose/pkgs/init/internal/root"
	"github.com/composeos/compose/pkgs/init/internal/system"
	"github.com/composeos/compose/pkgs/init/internal/volumes"
)

// boot is what the steps of booting share.
type boot struct {
	options cmdline.Options
	console io.Writer
	// terminal is opened when there is a /dev.
	terminal *console
	// asked gives the way in which somebody wants the system to end.
	asked <-chan system.How
}

// print writes one line for people.
func (b *boot) print(format string, args ...any) {
	_, _ = fmt.Fprintf(b.console, "init: "+format+"\n", args...)
}

// warn writes an error, if there is one: a line for each that it joins, not more
// than manyWarnings.
func (b *boot) warn(err error) {
	if err == nil {
		return
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for i, line := range lines {
		if i == manyWarnings {
			b.print("and %d more", len(lines)-i)
			return
		}
		b.print("%s", line)
	}
}

// prepare does all that comes before the first container. An error says that
// there is no use to go on.
func (b *boot) prepare() error {
	line, memory := beginning()
	b.options = cmdline.Parse(line)
	kind, err := root.KindOf("/")
	b.warn(err)
	if kind != root.Disk {
		if err := early.Check("/", memory); err != nil {
			return err
		}
	}
	if err := b.switchRoot(kind); err != nil {
		return err
	}
	b.mount()
	for _, warning := range b.options.Warnings {
		b.print("%s", warning)
	}
	b.warn(delegate.Groups("/sys/fs/cgroup"))
	loaded := b.modules()
	name := b.host()
	b.warn(volumes.Mount(volumes.Dir, mounts.Call))
	b.warn(root.Seal(b.options.Writable))
	b.print("%s: %s, %d modules", name, uname(func(u *unix.Utsname) []byte { return u.Release[:] }), loaded)
	return nil
}

// beginning reads what init has to know before anything is mounted: the kernel's
// command line, and how many bytes of memory there are.
func beginning() (line string, memory int64) {
	const proc = "/proc"
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err == nil {
		memory = int64(info.Totalram) * int64(info.Unit) // without what the kernel itself takes
	}
	if _, err := os.Stat(proc + "/cmdline"); err != nil {
		_ = os.MkdirAll(proc, 0o755)
		if err := unix.Mount("proc", proc, "proc", 0, ""); err != nil {
			return "", memory
		}
		defer func() { _ = unix.Unmount(proc, unix.MNT_DETACH) }()
	}
	text, _ := os.ReadFile(proc + "/cmdline")
	iomem, _ := os.ReadFile(proc + "/iomem")
	return string(text), max(memory, early.Memory(string(iomem)))
}

// switchRoot makes a root of memory one that containers can leave, and gives files
// the attributes that they had in their images. A ramfs has no place for them, so
// where there are any, it is copied, unless the command line says otherwise. The
// error is that of a copy that has not come to its end.
func (b *boot) switchRoot(kind root.Kind) error {
	attrs, err := early.Attrs("/")
	b.warn(err)
	if kind != root.Disk {
		copied := b.options.Root == "copy" || b.options.Root == "" && kind == root.Ramfs && len(attrs) > 0
		if !copied {
			err := root.Bind()
			copied = err != nil && b.options.Root == ""
			b.warn(err)
		}
		if copied {
			if err := root.Copy(); err != nil {
				return err
			}
		}
	}
	b.warn(early.Apply("/", attrs, func(path, name string, value []byte) error {
		return unix.Lsetxattr(path, name, value, 0)
	}))
	if kind != root.Disk {
		b.warn(early.Remove("/"))
	}
	return nil
}

// mount mounts what every system has, and opens the console that is there then.
func (b *boot) mount() {
	err := mounts.Do(mounts.Plan(), mounts.Call)
	if consoleErr := openConsole(); consoleErr != nil {
		err = errors.Join(err, consoleErr)
	}
	b.warn(b.terminal.open("/dev/console"))
	b.warn(err)
	b.warn(mounts.Make("/", mounts.Links()))
	b.warn(root.Var([]string{"cache", "empty", "lib", "lock", "log", "spool", "tmp"}))
	_ = os.Chmod("/var/tmp", 0o777|os.ModeSticky)
	if err := os.Symlink("../run", "/var/run"); err != nil && !errors.Is(err, os.ErrExist) {
		b.warn(err)
	}
}

// openConsole makes the console this process's input and outputs: what the kernel
// has opened may be a file of the initramfs.
func openConsole() error {
	fd, err := unix.Open("/dev/console", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("/dev/console: %w", err)
	}
	for i := range 3 {
		if err := unix.Dup3(fd, i, 0); err != nil && fd != i {
			return fmt.Errorf("/dev/console: %w", err)
		}
	}
	if fd > 2 {
		return unix.Close(fd)
	}
	return nil
}

// host makes the machine somebody, and returns its name.
func (b *boot) host() string {
	name, warning := host.Name(b.options.Hostname, "/etc/hostname", uname(func(u *unix.Utsname) []byte { return u.Nodename[:] }))
	if warning != "" {
		b.print("%s", warning)
	}
	b.warn(unix.Sethostname([]byte(name)))
	epoch := host.Epoch("/init", "/usr/lib/compose/*", "/usr/lib/os-release", "/etc/*", "/usr/*bin/*", "/containers/*/*/*/*/*")
	set, err := host.SetClock(time.Now(), epoch, host.Clock)
	b.warn(err)
	if set {
		b.print("the clock was before the image: it is %s now", epoch.UTC().Format(time.RFC3339))
	}
	b.warn(host.Loopback())
	b.warn(host.Limits())
	b.warn(host.Resolver("/run/resolvconf/resolv.conf"))
	b.warn(os.MkdirAll("/run/init", 0o755))
	return name
}

// uname returns a field of what uname(2) says.
func uname(field func(*unix.Utsname) []byte) string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(field(&u))
}
