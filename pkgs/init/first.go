package main

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/initd"
	"github.com/composeos/compose/pkgs/init/internal/power"
	"github.com/composeos/compose/pkgs/init/internal/process"
	"github.com/composeos/compose/pkgs/init/internal/system"
)

// first is process 1. It returns only if the machine cannot be turned off.
func first() int {
	os.Clearenv() // the kernel puts words of its command line there
	for key, value := range map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "TERM": "linux"} {
		_ = os.Setenv(key, value)
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) // ctrl-alt-del is SIGINT
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, caught...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reaper := process.NewReaper()
	terminal := &console{}
	s := system.New(system.Options{Console: terminal, Reaper: reaper})
	b := &boot{console: terminal, terminal: terminal, asked: s.Asked()}
	defer b.rescue()
	asked, stop := context.WithCancel(ctx)
	go b.obey(ctx, signals, power.Devices, func(how system.How) {
		s.Ask(how)
		stop()
	})
	if err := b.prepare(); err != nil {
		b.fail(err)
	}
	go reaper.Serve(ctx)
	if err := b.start(asked, s, reaper); err != nil && asked.Err() == nil {
		b.print("%v; no service is started", err)
		how, after := afterFailure(b.options.Panic)
		b.print("%s", announce(how, after))
		s.Ask(b.wait(how, after))
	}
	b.warn(s.Shutdown(ctx, <-s.Asked()))
	return 1
}

// caught are the signals that process 1 takes. Those without a meaning are among
// them so that none ends it; ignored, they would be ignored in its children too.
var caught = []os.Signal{
	unix.SIGINT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGPWR,
	unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE, unix.SIGTTIN, unix.SIGTTOU, unix.SIGTSTP,
	// Of those that the kernel sends for a fault, Go panics all the same.
	unix.SIGABRT, unix.SIGTRAP, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE,
}

// obey asks for the end of the system when a signal says so or, once there are
// devices, the power button among them.
func (b *boot) obey(ctx context.Context, signals <-chan os.Signal, devices string, ask func(system.How)) {
	go power.Watch(ctx, devices, func() {
		b.print("power button")
		ask(system.PowerOff)
	})
	for received := range signals {
		if how, ok := meaning(received); ok {
			ask(how)
		}
	}
}

// meaning is what a signal asks of process 1, as the commands of busybox and of
// sysvinit send them. SIGINT is ctrl-alt-del.
func meaning(s os.Signal) (how system.How, ok bool) {
	switch s {
	case unix.SIGUSR1:
		return system.Halt, true
	case unix.SIGUSR2, unix.SIGPWR:
		return system.PowerOff, true
	case unix.SIGINT, unix.SIGTERM:
		return system.Reboot, true
	}
	return system.Reboot, false
}

// start runs what is run once, in order, and starts the services. An error says
// that the boot has failed.
func (b *boot) start(ctx context.Context, s *system.System, r *process.Reaper) error {
	if ctx.Err() != nil {
		return nil // somebody was faster
	}
	before, after, err := initd.Scripts("/etc/init.d", initd.Self)
	b.warn(err)
	b.scripts(ctx, r, before)
	if err := b.onboot(ctx, s); err != nil {
		return err
	}
	b.scripts(ctx, r, after)
	if ctx.Err() == nil {
		b.warn(s.Serve(ctx, b.options.Console))
	}
	return nil
}

// onboot runs the containers of onboot. One that fails ends the boot, or is
// passed over, as the command line says.
func (b *boot) onboot(ctx context.Context, s *system.System) error {
	err := s.Onboot(ctx)
	for b.options.Continue && ctx.Err() == nil {
		failed := (*system.ContainerError)(nil)
		if !errors.As(err, &failed) {
			break
		}
		b.print("%v; going on", err)
		err = s.OnbootFrom(ctx, failed.Name)
	}
	return err
}

// scripts runs programs of packages, one after the other. One that fails does not
// stop the others.
func (b *boot) scripts(ctx context.Context, r *process.Reaper, files []string) {
	for _, file := range files {
		err := r.Run(ctx, process.Command{Path: file, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Session: true})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			b.print("%s: %v", file, err)
		}
	}
}
