package system

import (
	"context"
	"os"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/process"
	"github.com/composeos/compose/pkgs/init/internal/runc"
	"github.com/composeos/compose/pkgs/init/internal/supervise"
)

// daemon keeps containerd running until ctx ends. Its own end is left to the
// end of the system: it must outlive the services.
func (s *System) daemon(ctx context.Context) {
	var delay time.Duration
	for ctx.Err() == nil {
		started := time.Now()
		// The socket of an earlier one would look as if there was an answer.
		_ = os.Remove(containerdSocket)
		err := s.containerd(ctx)
		if ctx.Err() != nil {
			return
		}
		delay = supervise.Delay(delay, time.Since(started))
		s.print("%v; restart in %v", err, delay)
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// containerd runs containerd to its end.
func (s *System) containerd(ctx context.Context) error {
	pump, err := runc.NewPump(s.output("containerd"))
	if err != nil {
		return err
	}
	child, err := s.o.Reaper.Start(process.Command{
		Path: s.o.Containerd, Dir: "/", Session: true, Stdout: pump.File(), Stderr: pump.File(),
	})
	pump.Started()
	defer pump.Stop(time.Second)
	if err != nil {
		return err
	}
	exit, err := child.Wait(ctx)
	if err != nil {
		return err
	}
	return &process.ExitError{Path: s.o.Containerd, Exit: exit}
}
