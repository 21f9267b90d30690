// Package supervise keeps services running.
//
// Each service has a goroutine that starts its container, waits for the end,
// and starts it again after a while that Delay says: whatever the exit was, a
// service is meant to run. Only "stop" ends that, until "start".
//
//	running  its container runs
//	backoff  it has ended, and waits for its restart
//	failed   it could not be started; that is tried again too
//	stopped  somebody has stopped it
package supervise

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/process"
)

// State is where a service stands.
type State string

// The states.
const (
	Running State = "running"
	Backoff State = "backoff"
	Failed  State = "failed"
	Stopped State = "stopped"
)

// Verb is what can be asked of a service.
type Verb string

// The verbs; the last two are the supervisor's own.
const (
	Start   Verb = "start"
	Stop    Verb = "stop"
	Restart Verb = "restart"
	closing Verb = "closing"
	again   Verb = "again"
)

// Status is what is known of a service.
type Status struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// PID is the container's first process; 0 where it does not run.
	PID int `json:"pid"`
	// Restarts counts the starts after an end that nobody asked for.
	Restarts int `json:"restarts"`
	// Since is when State began.
	Since time.Time `json:"since"`
	// Last is how the service ended last, or why it could not be started.
	Last string `json:"last"`
	// LastAt is when that was.
	LastAt time.Time `json:"lastAt"`
}

// Container is a started container.
type Container interface {
	PID() int
	// Done is closed when it has ended.
	Done() <-chan struct{}
	// Exit is how; it is asked for after Done and before Remove.
	Exit() process.Exit
	Signal(ctx context.Context, sig syscall.Signal) error
	// Remove kills what is left and forgets the container.
	Remove(ctx context.Context)
}

// Runtime starts the containers of services.
type Runtime interface {
	Start(ctx context.Context, name string) (Container, error)
}

// Options are what a Supervisor works with.
type Options struct {
	Runtime Runtime
	// Grace is the time between TERM and KILL.
	Grace time.Duration
	// Print tells a person what happens, a line at a time.
	Print func(format string, args ...any)
}

// Supervisor keeps a set of services running.
type Supervisor struct {
	o        Options
	services map[string]*service
	names    []string

	mu     sync.Mutex
	closed bool
}

// New starts services of these names, all at the same time. They run until
// Close; ctx is for what they need to run.
func New(ctx context.Context, o Options, names []string) *Supervisor {
	s := &Supervisor{o: o, services: map[string]*service{}, names: slices.Sorted(slices.Values(names))}
	for _, name := range s.names {
		one := &service{name: name, o: &s.o, requests: make(chan request), gone: make(chan struct{})}
		one.status = Status{Name: name, State: Stopped, Since: time.Now()}
		s.services[name] = one
		go one.run(ctx)
	}
	return s
}

// List returns the status of every service, sorted by name.
func (s *Supervisor) List() []Status {
	list := make([]Status, 0, len(s.names))
	for _, name := range s.names {
		list = append(list, s.services[name].look())
	}
	return list
}

// Ask asks something of a service, and waits until it is done.
func (s *Supervisor) Ask(ctx context.Context, name string, verb Verb) error {
	one, err := s.find(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return ErrClosing
	}
	return one.ask(ctx, verb)
}

// Known tells whether there is a service of this name, and if not, what there is.
func (s *Supervisor) Known(name string) error {
	_, err := s.find(name)
	return err
}

func (s *Supervisor) find(name string) (*service, error) {
	if one, ok := s.services[name]; ok {
		return one, nil
	}
	return nil, Unknown(name, "this system has", s.names)
}

// Unknown says that there is no service of this name, and which of these is meant
// or, after the words has, what there is.
func Unknown(name, has string, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("there is no service %q: this system has none", name)
	}
	for _, known := range names {
		if near(name, known) {
			return fmt.Errorf("there is no service %q: did you mean %s?", name, known)
		}
	}
	return fmt.Errorf("there is no service %q: %s %s", name, has, strings.Join(names, ", "))
}

// near tells whether one name is the other with a letter more, less, or
// changed, or two exchanged, or its beginning.
func near(a, b string) bool {
	if a != "" && strings.HasPrefix(b, a) {
		return true
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	restA, restB := a[i:], b[i:]
	switch {
	case restA == "" || restB == "":
		return len(restA)+len(restB) <= 1
	case restA[1:] == restB[1:] || restA[1:] == restB || restA == restB[1:]:
		return true
	}
	return len(restA) > 1 && len(restB) > 1 && restA[0] == restB[1] && restA[1] == restB[0] && restA[2:] == restB[2:]
}

// Close stops all services at the same time, and returns when they have ended
// or ctx has.
func (s *Supervisor) Close(ctx context.Context) {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return
	}
	var stops sync.WaitGroup
	for _, name := range s.names {
		stops.Go(func() {
			if err := s.services[name].ask(ctx, closing); err != nil {
				s.o.Print("service %s: has not ended in time", name)
			}
		})
	}
	stops.Wait()
}
