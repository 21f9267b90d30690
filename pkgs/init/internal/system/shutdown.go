package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
	"github.com/composeos/compose/pkgs/init/internal/initd"
	"github.com/composeos/compose/pkgs/init/internal/logs"
	"github.com/composeos/compose/pkgs/init/internal/power"
	"github.com/composeos/compose/pkgs/init/internal/process"
	"github.com/composeos/compose/pkgs/init/internal/runc"
)

// limit is how long each step of the shutdown may take.
func (s *System) limit() time.Duration { return 3 * s.o.Grace }

// overdue says that something has taken longer than the limit.
func (s *System) overdue() error { return fmt.Errorf("has not ended in %v", s.limit()) }

// Shutdown takes the system down, and ends the machine: the scripts of
// shutdown.d, the services, the containers of onshutdown, the rest. It returns
// only when the kernel refuses.
func (s *System) Shutdown(ctx context.Context, how How) error {
	s.scripts(ctx)
	s.mu.Lock()
	services, stop := s.services, s.stop
	s.mu.Unlock()
	if services != nil {
		s.print("stopping services")
		limited, cancel := context.WithTimeout(ctx, s.limit())
		services.Close(limited)
		cancel()
	}
	s.onshutdown(ctx)
	stop()
	s.closeLogs()
	return power.Down(s.o.Machine, how, s.print)
}

// scripts runs the programs of shutdown.d in order.
func (s *System) scripts(ctx context.Context) {
	files, err := initd.Programs(s.o.Scripts, initd.Self)
	if err != nil {
		s.print("shutdown.d: %v", err)
	}
	for _, path := range files {
		limited, cancel := context.WithTimeout(ctx, s.limit())
		out, err := s.o.Reaper.Output(limited, process.Command{Path: path, Dir: "/", Session: true})
		cancel()
		lines := logs.NewLines(func(line string) { s.line(filepath.Base(path), line) })
		_, _ = io.WriteString(lines, out)
		lines.Flush()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%s: %w", path, s.overdue())
		}
		if err != nil {
			s.print("%v", err)
		}
	}
}

// onshutdown runs the containers of onshutdown, one after the other. One that
// fails or takes too long is told, and ends nothing.
func (s *System) onshutdown(ctx context.Context) {
	paths, err := bundle.List(filepath.Join(s.o.Containers, "onshutdown"))
	if err != nil {
		s.print("onshutdown: %v", err)
	}
	for _, path := range paths {
		limited, cancel := context.WithTimeoutCause(ctx, s.limit(), s.overdue())
		if err := s.once(limited, path); err != nil {
			s.print("%v", err)
		}
		cancel()
	}
}

// end ends a container that nobody waits for any more: at once where ctx was
// cancelled; one that was too slow gets TERM first.
func (s *System) end(ctx context.Context, c *runc.Container) {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		_ = c.Signal(ctx, syscall.SIGTERM)
		timer := time.NewTimer(s.o.Grace)
		defer timer.Stop()
		select {
		case <-c.Done():
			return
		case <-timer.C:
		}
	}
	_ = c.Signal(ctx, syscall.SIGKILL)
}
