package system

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
	"github.com/composeos/compose/pkgs/init/internal/logs"
	"github.com/composeos/compose/pkgs/init/internal/process"
)

// lastLines is how many lines a ContainerError has.
const lastLines = 10

// ContainerError says which container of onboot or onshutdown failed, and how.
type ContainerError struct {
	// Kind is onboot or onshutdown; Name is the container's, with its number.
	Kind, Name string
	// Exit is how it ended, where it was started.
	Exit process.Exit
	// Lines are the last that it wrote.
	Lines []string
	// Err is why it could not be started, or nil.
	Err error
}

// Error implements error.
func (e *ContainerError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s %s: %v", e.Kind, e.Name, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Kind, e.Name, e.Exit)
}

// Unwrap returns why it could not be started.
func (e *ContainerError) Unwrap() error { return e.Err }

// Onboot runs the containers of onboot, one after the other. The first that
// fails ends it with a *ContainerError.
func (s *System) Onboot(ctx context.Context) error { return s.OnbootFrom(ctx, "") }

// OnbootFrom is Onboot from the container on that comes after the one named.
func (s *System) OnbootFrom(ctx context.Context, after string) error {
	paths, err := bundle.List(filepath.Join(s.o.Containers, "onboot"))
	if err != nil {
		return fmt.Errorf("onboot: %w", err)
	}
	for _, path := range paths {
		if filepath.Base(path) <= after {
			continue
		}
		if err := s.once(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// once runs a container to its end. What it writes goes to the console and its log.
func (s *System) once(ctx context.Context, path string) error {
	kind, name := filepath.Base(filepath.Dir(path)), filepath.Base(path)
	s.print("%s %s", kind, name)
	last := logs.NewRing(lastLines)
	lines := logs.NewLines(func(line string) {
		last.Add(line)
		s.line(name, line)
	})
	out := each{lines}
	if file := s.log(name); file != nil {
		out = append(out, file)
	}
	exit, err := s.toEnd(ctx, path, out)
	lines.Flush()
	if err != nil || !exit.OK() {
		return &ContainerError{Kind: kind, Name: name, Exit: exit, Lines: last.Lines(), Err: err}
	}
	return nil
}

// toEnd prepares, starts, waits, and takes all back.
func (s *System) toEnd(ctx context.Context, path string, out each) (process.Exit, error) {
	b, err := bundle.Load(path)
	if err != nil {
		return process.Exit{}, err
	}
	if err := b.Prepare(s.o.Kernel); err != nil {
		return process.Exit{}, err
	}
	defer b.Clean(s.o.Kernel)
	c, err := s.runc.Start(ctx, b, out)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return process.Exit{}, err
	}
	// What is begun is also taken back when nobody waits for it any more.
	defer c.Remove(context.WithoutCancel(ctx))
	select {
	case <-c.Done():
		return c.Exit(), nil
	case <-ctx.Done():
		s.end(ctx, c)
		return process.Exit{}, context.Cause(ctx)
	}
}
