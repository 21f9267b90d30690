package system

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
	"github.com/composeos/compose/pkgs/init/internal/containerd"
	"github.com/composeos/compose/pkgs/init/internal/control"
	"github.com/composeos/compose/pkgs/init/internal/logs"
	"github.com/composeos/compose/pkgs/init/internal/supervise"
)

// containerdSocket is where containerd listens unless it is told otherwise.
const containerdSocket = "/run/containerd/containerd.sock"

// Serve starts all services at the same time, and answers on the control socket;
// tee shows what services write on the console too. It returns at once; an error
// says that the socket could not be made, and the rest works all the same.
func (s *System) Serve(ctx context.Context, tee bool) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	paths, err := bundle.List(filepath.Join(s.o.Containers, "services"))
	if err != nil {
		s.print("services: %v", err)
	}
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	s.tee = tee
	options := supervise.Options{Runtime: s.runtime(work), Grace: s.o.Grace, Print: s.print}
	services := supervise.New(work, options, names)
	s.mu.Lock()
	s.services, s.stop = services, stop
	s.mu.Unlock()
	l, err := control.Listen(work, s.o.Socket)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	go control.Serve(work, l, handler{services, s})
	return nil
}

// starter starts the container of a prepared bundle.
type starter func(ctx context.Context, b bundle.Bundle, out io.Writer) (supervise.Container, error)

// runtime returns what runs the services: containerd where the image has it,
// otherwise runc.
func (s *System) runtime(ctx context.Context) supervise.Runtime {
	r := &runtime{system: s, prepared: map[string]bundle.Bundle{}}
	if _, err := os.Stat(s.o.Containerd); err != nil {
		r.start = func(ctx context.Context, b bundle.Bundle, out io.Writer) (supervise.Container, error) {
			c, err := s.runc.Start(ctx, b, out)
			if err != nil {
				return nil, err
			}
			return c, nil
		}
		return r
	}
	d := &containerd.Runtime{R: s.runc, Ctr: filepath.Join(filepath.Dir(s.o.Containerd), "ctr"), Socket: containerdSocket}
	go s.daemon(ctx)
	r.start = func(ctx context.Context, b bundle.Bundle, out io.Writer) (supervise.Container, error) {
		c, err := d.Start(ctx, b, out)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	return r
}

// runtime is a supervise.Runtime: it prepares a service's bundle before its
// first start. The mounts stay over restarts, and so does what a service has
// written into its root filesystem.
type runtime struct {
	system *System
	start  starter

	mu       sync.Mutex
	prepared map[string]bundle.Bundle
}

// Start implements supervise.Runtime.
func (r *runtime) Start(ctx context.Context, name string) (supervise.Container, error) {
	r.mu.Lock()
	b, ok := r.prepared[name]
	r.mu.Unlock()
	if !ok {
		var err error
		if b, err = bundle.Load(filepath.Join(r.system.o.Containers, "services", name)); err != nil {
			return nil, err
		}
		if err := b.Prepare(r.system.o.Kernel); err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.prepared[name] = b
		r.mu.Unlock()
	}
	return r.start(ctx, b, r.system.output(name))
}

// output is where a service writes.
func (s *System) output(name string) io.Writer {
	var out each
	if file := s.log(name); file != nil {
		out = append(out, file)
	}
	if s.tee {
		out = append(out, logs.NewLines(func(line string) { s.line(name, line) }))
	}
	return out
}
