// Package process starts the children of PID 1 and takes the exit status of
// every process that ends below it.
//
// PID 1 inherits each process whose parent has gone, so somebody must call
// wait4(2) for any child; whoever does takes away the status from everybody
// else who waits, os/exec included. Hence one Reaper is the only caller, all
// children are started through it, and each is registered under the same lock
// that the reaping holds: no status can come before there is somebody to take it.
//
//	r := process.NewReaper()
//	go r.Serve(ctx)
//	err := r.Run(ctx, process.Command{Path: "/sbin/mkfs.ext4", Args: []string{"/dev/vda"}})
package process

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// unknownStatus stands for the status of a process that somebody else reaped.
const unknownStatus = 255

// Reaper owns the children of this process.
type Reaper struct {
	mu       sync.Mutex
	children map[int]*Child
	adopting int          // calls of Adopt that have not found their process yet
	early    map[int]Exit // processes nobody knew, while adopting > 0
}

// NewReaper returns a reaper without children.
func NewReaper() *Reaper {
	return &Reaper{children: map[int]*Child{}, early: map[int]Exit{}}
}

// Child is a process that somebody waits for.
type Child struct {
	// PID is its number; the kernel may give it away again after the end.
	PID  int
	done chan struct{}
	exit Exit
}

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Exit returns how the process ended. It is meaningful after Done.
func (c *Child) Exit() Exit {
	select {
	case <-c.done:
		return c.exit
	default:
		return Exit{}
	}
}

// Wait waits for the end of the process, or of ctx, which leaves the process alone.
func (c *Child) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-c.done:
		return c.exit, nil
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	}
}

// Serve reaps until ctx ends.
func (r *Reaper) Serve(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		r.reap()
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
	}
}

// reap takes the status of every process that has ended. Many ends may stand
// behind one signal.
func (r *Reaper) reap() {
	for {
		r.mu.Lock()
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if pid > 0 && (ws.Exited() || ws.Signaled()) {
			r.ended(pid, exitOf(ws))
		}
		r.mu.Unlock()
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}

// ended hands on a status; r.mu is held.
func (r *Reaper) ended(pid int, exit Exit) {
	c, known := r.children[pid]
	switch {
	case known:
		delete(r.children, pid)
		c.exit = exit
		close(c.done)
	case r.adopting > 0:
		r.early[pid] = exit
	}
}

// Adopt waits for a process that another program starts and leaves behind, as
// runc does: start runs that program and returns the number of the process. Its
// status is kept even where it ends before start has returned.
func (r *Reaper) Adopt(start func() (pid int, err error)) (*Child, error) {
	r.mu.Lock()
	r.adopting++
	r.mu.Unlock()
	pid, err := start()
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &Child{PID: pid, done: make(chan struct{})}
	if err == nil {
		r.children[pid] = c
		if exit, ok := r.early[pid]; ok {
			r.ended(pid, exit)
		} else if syscall.Kill(pid, 0) == syscall.ESRCH {
			// Its own parent has taken the status: nobody would ever tell us.
			r.ended(pid, Exit{Status: unknownStatus})
		}
	}
	delete(r.early, pid)
	if r.adopting--; r.adopting == 0 {
		clear(r.early)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}
