package supervise

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// ErrClosing is what who wants a service is told while the system goes down.
var ErrClosing = errors.New("the system goes down")

// patience is how long a killed container may take to end.
const patience = 10 * time.Second

// request asks a service's goroutine for something; done gets the answer.
type request struct {
	verb Verb
	done chan error
}

// service is one service; run is its only goroutine.
type service struct {
	name     string
	o        *Options
	requests chan request
	gone     chan struct{} // closed when run has ended: nobody takes requests

	mu     sync.Mutex
	status Status
}

// look returns the status.
func (s *service) look() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// set changes the status.
func (s *service) set(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.status.State
	change(&s.status)
	if s.status.State != before {
		s.status.Since = time.Now()
	}
}

// run starts the service, and again whenever it ends, until it is closed.
func (s *service) run(ctx context.Context) {
	defer close(s.gone)
	var asked *request
	var delay time.Duration
	for {
		started := time.Now()
		next, err := s.up(ctx, asked)
		if next == nil {
			delay = Delay(delay, time.Since(started))
			s.failed(err, delay)
		}
		asked = s.down(ctx, next, delay)
		if asked == nil {
			return
		}
		if asked.verb == again {
			s.set(func(st *Status) { st.Restarts++ })
			asked = nil
		} else {
			delay = 0
		}
	}
}

// up runs the container to its end, and returns the request that ended it, or
// how it ended by itself.
func (s *service) up(ctx context.Context, asked *request) (*request, error) {
	c, err := s.o.Runtime.Start(ctx, s.name)
	if asked != nil {
		asked.done <- err
	}
	if err != nil {
		return nil, &startError{err}
	}
	s.set(func(st *Status) { st.State, st.PID, st.Since = Running, c.PID(), time.Now() })
	s.o.Print("service %s: started", s.name)
	for {
		select {
		case <-c.Done():
			exit := c.Exit()
			c.Remove(ctx)
			return nil, errors.New(exit.String())
		case r := <-s.requests:
			if r.verb == Start {
				r.done <- nil // it runs
				continue
			}
			s.end(ctx, c)
			exit := c.Exit()
			c.Remove(ctx)
			s.set(func(st *Status) { st.Last, st.LastAt = exit.String(), time.Now() })
			return &r, nil
		}
	}
}

// end ends a container: TERM, and KILL after the grace.
func (s *service) end(ctx context.Context, c Container) {
	for _, step := range []struct {
		sig  syscall.Signal
		wait time.Duration
	}{{syscall.SIGTERM, s.o.Grace}, {syscall.SIGKILL, patience}} {
		if err := c.Signal(ctx, step.sig); err != nil {
			s.o.Print("service %s: %v", s.name, err)
		}
		timer := time.NewTimer(step.wait)
		select {
		case <-c.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
	s.o.Print("service %s: does not end", s.name)
}

// startError says that a container was not started at all.
type startError struct{ error }

// failed notes an end that nobody asked for.
func (s *service) failed(err error, delay time.Duration) {
	_, unstarted := errors.AsType[*startError](err)
	s.set(func(st *Status) {
		st.State, st.PID = Backoff, 0
		if unstarted {
			st.State = Failed
		}
		st.Last, st.LastAt = err.Error(), time.Now()
	})
	s.o.Print("service %s: %v; restart %d in %v", s.name, err, s.look().Restarts+1, delay)
}

// down waits for the next start: after delay where r is nil, else for what r
// asks for. It returns nil when the service is closed.
func (s *service) down(ctx context.Context, r *request, delay time.Duration) *request {
	var timer <-chan time.Time
	if r == nil {
		t := time.NewTimer(delay)
		defer t.Stop()
		timer = t.C
	}
	for {
		if r != nil {
			switch r.verb {
			case Start, Restart:
				return r
			}
			timer = nil
			s.set(func(st *Status) { st.State, st.PID = Stopped, 0 })
			s.o.Print("service %s: stopped", s.name)
			r.done <- nil
			if r.verb == closing {
				return nil
			}
		}
		select {
		case <-timer:
			return &request{verb: again}
		case next := <-s.requests:
			r = &next
		case <-ctx.Done():
			return nil
		}
	}
}

// ask hands a request to the service's goroutine and waits for its answer, which
// always comes once the request is taken.
func (s *service) ask(ctx context.Context, verb Verb) error {
	r := request{verb: verb, done: make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-s.gone:
		return ErrClosing
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", s.name, ctx.Err())
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", s.name, ctx.Err())
	}
}
