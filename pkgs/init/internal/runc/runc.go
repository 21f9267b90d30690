// Package runc runs bundles with runc: create, what happens between create and
// start, start, and the end.
//
// The container's process is a child that runc leaves behind; the reaper takes
// its exit status. Its output goes through a pipe that init reads, so that logs
// can be rotated without the container knowing.
package runc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
	"github.com/composeos/compose/pkgs/init/internal/cgroup"
	"github.com/composeos/compose/pkgs/init/internal/process"
)

// patience is how long the output of a removed container is still read.
const patience = time.Second

// stateDir is where runc keeps what it knows of containers.
const stateDir = "/run/runc"

// Runtime starts containers.
type Runtime struct {
	// Reaper starts runc and adopts what it leaves.
	Reaper *process.Reaper
	// Program is the path of runc.
	Program string
	// State is a directory of init's own, for configurations and messages.
	State string
	// Cgroups is where the hierarchy is mounted.
	Cgroups string
	// Kernel binds the namespaces.
	Kernel bundle.Kernel
	// Give gives an interface to a process.
	Give func(n bundle.Interface, pid int) error
}

// Container is a container that has been started.
type Container struct {
	runtime *Runtime
	id      string
	child   *process.Child
	done    chan struct{}
	exit    process.Exit
	pump    *Pump
}

// Start starts the bundle b, which must have been prepared. What the container
// writes goes to out, whose errors do not reach it.
func (r *Runtime) Start(ctx context.Context, b bundle.Bundle, out io.Writer) (*Container, error) {
	dir := filepath.Join(r.State, b.Kind+"-"+b.Name)
	config, group, err := b.Runnable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(stateDir, b.Name)); err == nil {
		// One that an earlier start has left would be in the way.
		_ = r.run(ctx, dir, "delete", "--force", b.Name)
	}
	pump, err := NewPump(out)
	if err != nil {
		return nil, err
	}
	stepwise := b.Runtime.Between() || limited(config)
	verb := []string{"create"}
	if !stepwise {
		verb = []string{"run", "--detach"} // one start of runc in the place of two
	}
	child, err := r.create(ctx, dir, b.Name, pump, verb)
	if err != nil {
		pump.Stop(patience)
		// Also where ctx has ended, which may be why.
		_ = r.run(context.WithoutCancel(ctx), dir, "delete", "--force", b.Name)
		return nil, err
	}
	watch := cgroup.Watch(r.Cgroups, group)
	c := &Container{runtime: r, id: b.Name, child: child, done: make(chan struct{}), pump: pump}
	go c.wait(watch)
	if !stepwise {
		return c, nil
	}
	if err := r.start(ctx, dir, b, child.PID); err != nil {
		c.Remove(context.WithoutCancel(ctx))
		return nil, err
	}
	return c, nil
}

// limited tells whether a container has a memory limit. Its group is looked at
// before its program runs: what is over the limit at once is killed as a whole, too.
func limited(config []byte) bool {
	var c struct {
		Linux struct {
			Resources struct {
				Memory struct {
					Limit int64 `json:"limit"`
				} `json:"memory"`
			} `json:"resources"`
		} `json:"linux"`
	}
	return json.Unmarshal(config, &c) == nil && c.Linux.Resources.Memory.Limit > 0
}

// create makes the container: its process waits for start, if the verb is create.
func (r *Runtime) create(ctx context.Context, dir, id string, pump *Pump, verb []string) (*process.Child, error) {
	defer pump.Started()
	pidFile := filepath.Join(dir, "pid")
	return r.Reaper.Adopt(func() (int, error) {
		cmd := r.command(dir, append(verb, "--bundle", dir, "--pid-file", pidFile, id)...)
		cmd.Stdout, cmd.Stderr = pump.File(), pump.File()
		if err := r.Reaper.Run(ctx, cmd); err != nil {
			return 0, r.explain(dir, err)
		}
		text, err := os.ReadFile(pidFile)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(string(text)))
	})
}

// start does what belongs between create and start, and starts.
func (r *Runtime) start(ctx context.Context, dir string, b bundle.Bundle, pid int) error {
	for _, n := range b.Runtime.Interfaces {
		if err := r.Give(n, pid); err != nil {
			return err
		}
	}
	if err := b.BindNamespaces(r.Kernel, pid); err != nil {
		return err
	}
	return r.run(ctx, dir, "start", b.Name)
}

func (r *Runtime) run(ctx context.Context, dir string, args ...string) error {
	return r.explain(dir, r.Reaper.Run(ctx, r.command(dir, args...)))
}

// command is a call of runc, whose own messages go to a file.
func (r *Runtime) command(dir string, args ...string) process.Command {
	log := filepath.Join(dir, "runc.log")
	// What it said earlier must not explain what happens now.
	_ = os.Remove(log)
	return process.Command{
		Path: r.Program, Dir: "/", Session: true,
		Args: append([]string{"--log", log, "--log-format", "json"}, args...),
	}
}

// explain puts what runc says in place of its exit status.
func (r *Runtime) explain(dir string, err error) error {
	if _, ended := errors.AsType[*process.ExitError](err); !ended {
		return err
	}
	text, readErr := os.ReadFile(filepath.Join(dir, "runc.log"))
	if readErr != nil {
		return err
	}
	if said := lastMessage(text); said != "" {
		return fmt.Errorf("runc: %s", said)
	}
	return err
}

// lastMessage returns the last error of runc's log, which has an object a line.
func lastMessage(log []byte) string {
	said := ""
	for line := range bytes.Lines(log) {
		var m struct{ Level, Msg string }
		if json.Unmarshal(line, &m) == nil && (m.Level == "error" || m.Level == "fatal") {
			said = m.Msg
		}
	}
	for _, words := range []string{"runc run failed: ", "runc create failed: ", "unable to start container process: ", "error during container init: "} {
		said = strings.TrimPrefix(said, words) // runc says in several ways that it could not do it
	}
	return said
}

// wait ends the container when its process has ended.
func (c *Container) wait(watch *cgroup.Group) {
	<-c.child.Done()
	c.exit = c.child.Exit()
	c.exit.OutOfMemory = !c.exit.OK() && watch.OutOfMemory()
	close(c.done)
}

// PID is the number of the container's first process.
func (c *Container) PID() int { return c.child.PID }

// Done is closed when the container's first process has ended.
func (c *Container) Done() <-chan struct{} { return c.done }

// Exit is how it ended; it is meaningful after Done.
func (c *Container) Exit() process.Exit { return c.exit }

// Signal sends a signal to the container's first process.
func (c *Container) Signal(_ context.Context, sig syscall.Signal) error {
	c.runtime.Reaper.Signal(c.child, sig)
	return nil
}

// Remove kills what is left of the container, and forgets it. The last of its
// output has been written by then.
func (c *Container) Remove(ctx context.Context) {
	dir := filepath.Join(c.runtime.State, "remove-"+c.id)
	_ = os.MkdirAll(dir, 0o700)
	_ = c.runtime.run(ctx, dir, "delete", "--force", c.id)
	_ = os.RemoveAll(dir)
	c.pump.Stop(patience)
}
