// Package containerd runs the services of a system with containerd, where its
// package is in the image, by means of its own client ctr.
//
// A service is a ctr in the foreground: it carries the output, passes signals
// on, and ends with the container's exit status.
package containerd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
	"github.com/composeos/compose/pkgs/init/internal/cgroup"
	"github.com/composeos/compose/pkgs/init/internal/process"
	"github.com/composeos/compose/pkgs/init/internal/runc"
)

const (
	// Namespace is that of services which name none, as in linuxkit.
	Namespace = "services.linuxkit"
	// look is how often the socket and the number of a process are looked for.
	look = 50 * time.Millisecond
	// startup is the usual Startup.
	startup = 2 * time.Minute
	// leaf is the control group of the container itself, below the service's.
	leaf = "task"
	// patience is how long the output of a removed container is still read.
	patience = time.Second
)

// Runtime starts containers. The fields of R that are about runc itself are not used.
type Runtime struct {
	// R is what it has in common with runc.
	R *runc.Runtime
	// Ctr is the path of the client.
	Ctr string
	// Socket is containerd's.
	Socket string
	// Startup is how long containerd may take to listen and then, from when it is
	// asked, to start a container; 0 is two minutes: a slow machine starts all
	// services at the same time.
	Startup time.Duration
}

// within limits ctx to Startup; the cause of its end says that containerd has not
// done this.
func (r *Runtime) within(ctx context.Context, done string) (context.Context, context.CancelFunc) {
	limit := r.Startup
	if limit == 0 {
		limit = startup
	}
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("containerd has not %s in %v", done, limit))
}

// Container is a container that has been started.
type Container struct {
	runtime             *Runtime
	namespace, id, file string
	child               *process.Child
	pump                *runc.Pump
	watch               *cgroup.Group
}

// Wait waits until containerd answers on its socket's path.
func (r *Runtime) Wait(ctx context.Context) error {
	return poll(ctx, func() bool {
		_, err := os.Stat(r.Socket)
		return err == nil
	})
}

// poll looks until found is true. Its error is the cause of ctx's end.
func poll(ctx context.Context, found func() bool) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for !found() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Start starts the bundle b, which must have been prepared. Interfaces and
// bindNS come right after the start: ctr has nothing between create and start.
func (r *Runtime) Start(ctx context.Context, b bundle.Bundle, out io.Writer) (*Container, error) {
	waiting, cancel := r.within(ctx, "answered")
	defer cancel()
	if err := r.Wait(waiting); err != nil {
		return nil, err
	}
	config, outer, group, err := groups(b)
	if err != nil {
		return nil, err
	}
	// Without it the service runs, and one line less is known of its end.
	_ = cgroup.Make(r.R.Cgroups, outer)
	dir := filepath.Join(r.R.State, b.Kind+"-"+b.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	c := &Container{runtime: r, namespace: b.Runtime.Namespace, id: b.Name, file: filepath.Join(dir, "pid")}
	if c.namespace == "" {
		c.namespace = Namespace
	}
	// Its folder may lie on a disk: it may know the container of the boot before.
	if c.forget(waiting); waiting.Err() != nil {
		return nil, context.Cause(waiting)
	}
	c.watch = cgroup.Watch(r.R.Cgroups, outer)
	if c.pump, err = runc.NewPump(out); err != nil {
		return nil, err
	}
	cmd := c.ctr("run", "--config", file, "--pid-file", c.file, c.id)
	cmd.Stdout, cmd.Stderr = c.pump.File(), c.pump.File()
	c.child, err = r.R.Reaper.Start(cmd)
	c.pump.Started()
	if err != nil {
		c.pump.Stop(patience)
		return nil, err
	}
	if err := c.given(ctx, b); err != nil {
		c.Remove(ctx)
		return nil, err
	}
	cgroup.Watch(r.R.Cgroups, group) // for its processes to end together
	return c, nil
}

// groups returns the config.json with which b is started, its control group, and
// the one that is looked at for kills: where the manifest does not name a group it
// is the one around the container's, which containerd removes before it tells the
// container's end.
func groups(b bundle.Bundle) (config []byte, outer, group string, err error) {
	inner := b
	inner.Kind, inner.Name = path.Join(b.Kind, b.Name), leaf
	config, group, err = inner.Runnable()
	if outer = path.Join("/", inner.Kind); group != path.Join(outer, leaf) {
		outer = group
	}
	return config, outer, group, err
}

// given gives the container's process its interfaces and binds its namespaces.
func (c *Container) given(ctx context.Context, b bundle.Bundle) error {
	ended := func() bool {
		select {
		case <-c.child.Done():
			return true
		default:
			return c.taskPID() > 0
		}
	}
	waiting, cancel := c.runtime.within(ctx, "started it")
	defer cancel()
	if err := poll(waiting, ended); err != nil {
		return err
	}
	pid := c.taskPID()
	if pid == 0 {
		return nil // it has ended already: its status says more
	}
	for _, n := range b.Runtime.Interfaces {
		if err := c.runtime.R.Give(n, pid); err != nil {
			return err
		}
	}
	return b.BindNamespaces(c.runtime.R.Kernel, pid)
}

// ctr is a call of the client.
func (c *Container) ctr(args ...string) process.Command {
	return process.Command{
		Path: c.runtime.Ctr, Dir: "/", Session: true,
		Args: append([]string{"-a", c.runtime.Socket, "-n", c.namespace}, args...),
	}
}

// taskPID returns the number of the container's process, 0 while there is none.
func (c *Container) taskPID() int {
	text, err := os.ReadFile(c.file)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// PID is the number of the container's first process.
func (c *Container) PID() int { return c.taskPID() }

// Done is closed when the container has ended.
func (c *Container) Done() <-chan struct{} { return c.child.Done() }

// Exit is how it ended; it is meaningful after Done, and before Remove.
func (c *Container) Exit() process.Exit {
	exit := c.child.Exit()
	exit.OutOfMemory = !exit.OK() && c.watch.OutOfMemory()
	return exit
}

// Signal sends a signal to the container. ctr passes on what it can catch.
func (c *Container) Signal(ctx context.Context, sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		return c.runtime.R.Reaper.Run(ctx, c.ctr("task", "kill", "--signal", "SIGKILL", c.id))
	}
	c.runtime.R.Reaper.Signal(c.child, sig)
	return nil
}

// Remove kills what is left of the container, and forgets it. It waits for
// containerd as long as a start does.
func (c *Container) Remove(ctx context.Context) {
	clearing, cancel := c.runtime.within(ctx, "removed it")
	defer cancel()
	c.forget(clearing)
	c.runtime.R.Reaper.Signal(c.child, syscall.SIGKILL)
	c.pump.Stop(patience)
}

// forget removes what containerd knows of a container by this name. That there
// is none is the usual case.
func (c *Container) forget(ctx context.Context) {
	_ = c.runtime.R.Reaper.Run(ctx, c.ctr("task", "delete", "--force", c.id))
	_ = c.runtime.R.Reaper.Run(ctx, c.ctr("container", "delete", c.id))
	_ = os.Remove(c.file)
}
