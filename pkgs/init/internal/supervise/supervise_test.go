package supervise_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/process"
	"github.com/composeos/compose/pkgs/init/internal/supervise"
)

func TestDelay(t *testing.T) {
	for _, c := range []struct {
		name                 string
		previous, ran, delay time.Duration
	}{
		{"first", 0, 0, time.Second},
		{"doubles", time.Second, 0, 2 * time.Second},
		{"doubles again", 8 * time.Second, 59 * time.Second, 16 * time.Second},
		{"at most", 32 * time.Second, 0, time.Minute},
		{"stays", time.Minute, 0, time.Minute},
		{"forgets", time.Minute, time.Minute, time.Second},
	} {
		if got := supervise.Delay(c.previous, c.ran); got != c.delay {
			t.Errorf("%s: got %v, want %v", c.name, got, c.delay)
		}
	}
}

// fake is a runtime whose containers run as told: life is how long, and 0 is
// for ever.
type fake struct {
	mu     sync.Mutex
	starts []time.Time
	life   map[string]time.Duration
	exit   map[string]process.Exit
	deaf   bool // TERM does nothing
	broken error
	last   *container
}

type container struct {
	f       *fake
	done    chan struct{}
	once    sync.Once
	exit    process.Exit
	removed bool
}

func (f *fake) Start(_ context.Context, name string) (supervise.Container, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts = append(f.starts, time.Now())
	if f.broken != nil {
		return nil, f.broken
	}
	c := &container{f: f, done: make(chan struct{})}
	if life := f.life[name]; life > 0 {
		time.AfterFunc(life, func() { c.end(f.exit[name]) })
	}
	f.last = c
	return c, nil
}

func (c *container) end(exit process.Exit) {
	c.once.Do(func() { c.exit = exit; close(c.done) })
}

func (c *container) PID() int               { return 42 }
func (c *container) Done() <-chan struct{}  { return c.done }
func (c *container) Exit() process.Exit     { return c.exit }
func (c *container) Remove(context.Context) { c.removed = true }
func (c *container) Signal(_ context.Context, sig syscall.Signal) error {
	if sig == syscall.SIGKILL || !c.f.deaf {
		c.end(process.Exit{Signal: sig})
	}
	return nil
}

// bubble runs a test with a supervisor in a time of its own.
func bubble(t *testing.T, f *fake, names []string, test func(t *testing.T, s *supervise.Supervisor)) {
	synctest.Test(t, func(t *testing.T) {
		o := supervise.Options{Runtime: f, Grace: 10 * time.Second, Print: func(format string, args ...any) {
			t.Logf(format, args...)
		}}
		s := supervise.New(t.Context(), o, names)
		synctest.Wait()
		test(t, s)
		s.Close(context.Background())
	})
}

func TestRestartsWithBackoff(t *testing.T) {
	f := &fake{
		life: map[string]time.Duration{"crash": time.Millisecond},
		exit: map[string]process.Exit{"crash": {Signal: syscall.SIGKILL, OutOfMemory: true}},
	}
	bubble(t, f, []string{"web", "crash"}, func(t *testing.T, s *supervise.Supervisor) {
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		list := s.List()
		if len(list) != 2 || list[0].Name != "crash" || list[1].State != supervise.Running || list[1].Restarts != 0 {
			t.Fatalf("got %+v", list)
		}
		// 1+2+4+8+16+32 seconds, then one a minute.
		if crash := list[0]; crash.State != supervise.Backoff || crash.Restarts != 14 || crash.Last != "out of memory" || crash.PID != 0 {
			t.Errorf("got %+v", crash)
		}
	})
}

func TestForgetsAfterASteadyRun(t *testing.T) {
	f := &fake{life: map[string]time.Duration{"web": 2 * time.Minute}}
	bubble(t, f, []string{"web"}, func(t *testing.T, s *supervise.Supervisor) {
		time.Sleep(time.Hour)
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := range f.starts[1:] {
			if gap := f.starts[i+1].Sub(f.starts[i]); gap != 2*time.Minute+time.Second {
				t.Errorf("start %d after %v", i+1, gap)
			}
		}
		if st := s.List()[0]; st.Last != "exit status 0" {
			t.Errorf("got %+v", st)
		}
	})
}

func TestStopStartRestart(t *testing.T) {
	f := &fake{}
	bubble(t, f, []string{"web"}, func(t *testing.T, s *supervise.Supervisor) {
		ask := func(verb supervise.Verb, state supervise.State, starts int) {
			t.Helper()
			if err := s.Ask(t.Context(), "web", verb); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if st := s.List()[0]; st.State != state || len(f.starts) != starts || st.Restarts != 0 {
				t.Fatalf("%s: %+v after %d starts", verb, st, len(f.starts))
			}
		}
		ask(supervise.Start, supervise.Running, 1)
		first := f.last
		ask(supervise.Stop, supervise.Stopped, 1)
		if !first.removed {
			t.Error("it is still there")
		}
		ask(supervise.Stop, supervise.Stopped, 1)
		time.Sleep(time.Hour)
		ask(supervise.Start, supervise.Running, 2)
		time.Sleep(time.Hour)
		ask(supervise.Restart, supervise.Running, 3)
		if since := time.Since(s.List()[0].Since); since != 0 {
			t.Errorf("it runs since %v", since)
		}
		if st := s.List()[0]; st.Last != "killed by SIGTERM" {
			t.Errorf("got %+v", st)
		}
	})
}

func TestStopKillsTheDeaf(t *testing.T) {
	bubble(t, &fake{deaf: true}, []string{"web"}, func(t *testing.T, s *supervise.Supervisor) {
		start := time.Now()
		if err := s.Ask(t.Context(), "web", supervise.Stop); err != nil || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if st := s.List()[0]; st.Last != "killed by SIGKILL" {
			t.Errorf("got %+v", st)
		}
	})
}

func TestStopWhileItWaits(t *testing.T) {
	f := &fake{life: map[string]time.Duration{"web": time.Millisecond}}
	bubble(t, f, []string{"web"}, func(t *testing.T, s *supervise.Supervisor) {
		time.Sleep(10 * time.Second)
		if err := s.Ask(t.Context(), "web", supervise.Stop); err != nil {
			t.Fatal(err)
		}
		before := len(f.starts)
		time.Sleep(time.Hour)
		if len(f.starts) != before {
			t.Error("it was started again")
		}
	})
}

func TestCannotBeStarted(t *testing.T) {
	f := &fake{broken: errors.New("no such file")}
	bubble(t, f, []string{"web"}, func(t *testing.T, s *supervise.Supervisor) {
		if st := s.List()[0]; st.State != supervise.Failed || st.Last != "no such file" {
			t.Errorf("got %+v", st)
		}
		if err := s.Ask(t.Context(), "web", supervise.Start); err == nil || err.Error() != "no such file" {
			t.Errorf("got %v", err)
		}
		f.mu.Lock()
		f.broken = nil
		f.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := s.List()[0]; st.State != supervise.Running {
			t.Errorf("got %+v", st)
		}
	})
}

func TestCloseStopsAllAtOnce(t *testing.T) {
	bubble(t, &fake{deaf: true}, []string{"a", "b", "c"}, func(t *testing.T, s *supervise.Supervisor) {
		start := time.Now()
		s.Close(t.Context())
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if err := s.Ask(t.Context(), "a", supervise.Start); !errors.Is(err, supervise.ErrClosing) {
			t.Errorf("got %v", err)
		}
	})
}

// Who asks when nobody is there to answer any more is told so.
func TestAskTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := supervise.New(ctx, supervise.Options{Runtime: &fake{broken: errors.New("broken")}, Print: t.Logf}, []string{"web"})
		synctest.Wait()
		cancel()
		synctest.Wait()
		if err := s.Ask(context.Background(), "web", supervise.Start); !errors.Is(err, supervise.ErrClosing) {
			t.Errorf("got %v", err)
		}
	})
}

func TestUnknown(t *testing.T) {
	bubble(t, &fake{}, []string{"nginx", "sshd"}, func(t *testing.T, s *supervise.Supervisor) {
		for name, want := range map[string]string{
			"ngnix": "did you mean nginx?", "ssh": "did you mean sshd?", "sshdd": "did you mean sshd?",
			"ninx": "did you mean nginx?", "redis": "this system has nginx, sshd", "": "this system has nginx, sshd",
		} {
			if err := s.Known(name); err == nil || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%q: %v", name, err)
			}
		}
		if err := s.Ask(t.Context(), "redis", supervise.Stop); err == nil {
			t.Error("it was stopped")
		}
	})
}
