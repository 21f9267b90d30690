// Package system is the running half of init: it runs the containers of onboot,
// keeps the services running, answers who asks, and takes the system down.
//
//	s := system.New(system.Options{Console: os.Stdout, Reaper: reaper})
//	err := s.Onboot(ctx)
//	err = s.Serve(ctx, false)
//	how := <-s.Asked()
//	err = s.Shutdown(ctx, how)
package system

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
	"github.com/composeos/compose/pkgs/init/internal/cgroup"
	"github.com/composeos/compose/pkgs/init/internal/control"
	"github.com/composeos/compose/pkgs/init/internal/link"
	"github.com/composeos/compose/pkgs/init/internal/logs"
	"github.com/composeos/compose/pkgs/init/internal/power"
	"github.com/composeos/compose/pkgs/init/internal/process"
	"github.com/composeos/compose/pkgs/init/internal/runc"
	"github.com/composeos/compose/pkgs/init/internal/supervise"
)

// How is the way in which the system ends.
type How = power.How

// The ways.
const (
	PowerOff = power.PowerOff
	Reboot   = power.Reboot
	Halt     = power.Halt
)

// Options are what a system works with. Paths that are empty are the usual ones.
type Options struct {
	// Console is where people read, in whole lines; nil is nowhere.
	Console io.Writer
	// Reaper starts all processes, and serves.
	Reaper *process.Reaper
	// Containers is the directory of onboot, services and onshutdown
	// (/containers), Logs that of the logs (/var/log), Socket the control socket
	// (/run/init/control), Scripts what is run first of all when the system goes
	// down (/etc/shutdown.d), State a directory of init's own (/run/init/containers).
	Containers, Logs, Socket, Scripts, State string
	// Grace is the time between TERM and KILL; 0 is ten seconds.
	Grace time.Duration
	// Runc is the program; "" is where it is found.
	Runc string
	// Containerd is the daemon that runs the services where it is there
	// (/usr/bin/containerd); its client ctr lies beside it.
	Containerd string
	// Kernel prepares bundles; nil is the real one.
	Kernel bundle.Kernel
	// Machine is what is ended; nil is the real one.
	Machine power.Machine
	// Cgroups is where the hierarchy of control groups is mounted.
	Cgroups string
}

// System is the running system.
type System struct {
	o     Options
	runc  *runc.Runtime
	asked chan How

	tee bool // set before the first service starts

	console sync.Mutex

	mu       sync.Mutex
	services *supervise.Supervisor
	logs     map[string]*logs.File
	stop     context.CancelFunc
}

// New returns a system in which nothing runs yet.
func New(o Options) *System {
	for _, d := range []struct {
		value  *string
		normal string
	}{
		{&o.Containers, "/containers"},
		{&o.Logs, "/var/log"},
		{&o.Socket, control.DefaultSocket},
		{&o.Scripts, "/etc/shutdown.d"},
		{&o.State, "/run/init/containers"},
		{&o.Cgroups, cgroup.Root},
		{&o.Containerd, "/usr/bin/containerd"},
		{&o.Runc, find("runc")},
	} {
		if *d.value == "" {
			*d.value = d.normal
		}
	}
	if o.Grace == 0 {
		o.Grace = 10 * time.Second
	}
	if o.Console == nil {
		o.Console = io.Discard
	}
	if o.Kernel == nil {
		o.Kernel = bundle.System{}
	}
	if o.Machine == nil {
		o.Machine = power.Real{}
	}
	return &System{
		o:     o,
		asked: make(chan How, 1),
		logs:  map[string]*logs.File{},
		stop:  func() {},
		runc: &runc.Runtime{
			Reaper: o.Reaper, Program: o.Runc, State: o.State,
			Cgroups: o.Cgroups, Kernel: o.Kernel, Give: link.Give,
		},
	}
}

// find returns the path of a program, the usual one where it is not there.
func find(name string) string {
	for _, dir := range []string{"/usr/bin", "/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/sbin", "/bin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return filepath.Join("/usr/bin", name)
}

// Asked gives the way in which the system is to end, once somebody wants it.
func (s *System) Asked() <-chan How { return s.asked }

// Ask wants the end of the system. Whoever comes first decides how.
func (s *System) Ask(how How) {
	select {
	case s.asked <- how:
	default:
	}
}

// print shows a line of init's own.
func (s *System) print(format string, args ...any) {
	s.line("init", fmt.Sprintf(format, args...))
}

// line shows a line of somebody's.
func (s *System) line(name, line string) {
	s.console.Lock()
	defer s.console.Unlock()
	_, _ = fmt.Fprintf(s.o.Console, "%s: %s\n", name, line)
}

// log returns the log of a container, nil where it cannot be written.
func (s *System) log(name string) *logs.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.logs[name]; f != nil {
		return f
	}
	f, err := logs.Open(filepath.Join(s.o.Logs, name+logs.Suffix), 0, logs.DefaultKeep)
	if err != nil {
		s.print("log of %s: %v", name, err)
		return nil
	}
	s.logs[name] = f
	return f
}

// written returns the log of a container that has been run, or nil.
func (s *System) written(name string) *logs.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs[name]
}

// closeLogs lets go of the files, so that what they lie on can be unmounted.
func (s *System) closeLogs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, file := range s.logs {
		if err := file.Close(); err != nil {
			s.print("log of %s: %v", name, err)
		}
	}
	clear(s.logs)
}

// each is a writer to all of its writers, whatever some of them say.
type each []io.Writer

// Write implements io.Writer; it does not fail.
func (e each) Write(p []byte) (int, error) {
	for _, w := range e {
		_, _ = w.Write(p)
	}
	return len(p), nil
}
