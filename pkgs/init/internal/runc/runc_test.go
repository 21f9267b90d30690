package runc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
	"github.com/composeos/compose/pkgs/init/internal/cgroup"
	"github.com/composeos/compose/pkgs/init/internal/process"
	"github.com/composeos/compose/pkgs/init/internal/runc"
	"github.com/composeos/compose/pkgs/init/internal/supervise"
)

// TestMain is also the program in the containers: this test's own file, which
// is static.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "hog" {
		fmt.Println("hungry")
		var all [][]byte
		for {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
			_, _ = fmt.Fprintln(io.Discard, len(all))
		}
	}
	if len(os.Args) > 1 && os.Args[1] == "wait" {
		fmt.Println("waiting")
		time.Sleep(time.Hour)
	}
	if len(os.Args) > 2 && os.Args[1] == "exit" {
		status, _ := strconv.Atoi(os.Args[2])
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// stand is a runtime on this machine.
type stand struct {
	*runc.Runtime
	dir string
}

// stage returns a runtime, or skips the test where there can be none.
func stage(t *testing.T) stand {
	t.Helper()
	if underRace {
		t.Skip("a container has no libraries for the race detector's programs; make test runs this")
	}
	path, err := exec.LookPath("runc")
	why := ""
	switch {
	case os.Geteuid() != 0:
		why = "starting containers needs root"
	case err != nil:
		why = "runc is not installed"
	}
	if why != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	r := process.NewReaper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { r.Serve(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	t.Cleanup(func() {
		// The group above the containers' own, in each hierarchy, where it is empty.
		groups, _ := filepath.Glob("/sys/fs/cgroup/*/services")
		for _, group := range append(groups, "/sys/fs/cgroup/services") {
			_ = os.Remove(group)
		}
	})
	dir := t.TempDir()
	return stand{&runc.Runtime{
		Reaper: r, Program: path, State: filepath.Join(dir, "state"), Cgroups: cgroup.Root, Kernel: bundle.System{},
		Give: func(bundle.Interface, int) error { return nil },
	}, dir}
}

// bundle lays a bundle out whose program is called with args, and prepares it.
func (s stand) bundle(t *testing.T, name string, limit int, args ...string) bundle.Bundle {
	t.Helper()
	name = fmt.Sprintf("%s-%d", name, os.Getpid())
	path := filepath.Join(s.dir, "services", name)
	write := func(file string, data []byte, mode os.FileMode) {
		file = filepath.Join(path, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, mode); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	write("rootfs/program", self, 0o755)
	rootfs, err := json.Marshal(filepath.Join(path, "rootfs"))
	if err != nil {
		t.Fatal(err)
	}
	write("runtime.json", fmt.Appendf(nil, `{"mounts":[{"destination":%s,"source":%[1]s,"options":["bind"]}]}`, rootfs), 0o644)
	argv, err := json.Marshal(append([]string{"/program"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	write("config.json", fmt.Appendf(nil, `{"ociVersion":"1.0.2","root":{"path":"rootfs"},
		"process":{"args":%s,"cwd":"/","user":{"uid":0,"gid":0}},
		"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
		"linux":{"namespaces":[{"type":"pid"},{"type":"mount"}],"resources":{"memory":{"limit":%d,"swap":%[2]d}}}}`, argv, limit), 0o644)
	b, err := bundle.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Prepare(s.Kernel); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Clean(s.Kernel) })
	return b
}

// text is a buffer that is written from another goroutine.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *text) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *text) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// enough is more than the test's program needs, in bytes.
const enough = 128 << 20

func TestRun(t *testing.T) {
	s := stage(t)
	for _, c := range []struct {
		name string
		args []string
		kill syscall.Signal
		want process.Exit
		out  string
	}{
		{"status", []string{"exit", "7"}, 0, process.Exit{Status: 7}, ""},
		{"killed", []string{"wait"}, syscall.SIGKILL, process.Exit{Signal: syscall.SIGKILL}, "waiting\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := &text{}
			b := s.bundle(t, c.name, enough, c.args...)
			// Twice: what the first one leaves is not in the way of the second.
			for range 2 {
				box, err := s.Start(t.Context(), b, out)
				if err != nil {
					t.Fatal(err)
				}
				for c.kill != 0 && !strings.Contains(out.String(), c.out) {
					time.Sleep(time.Millisecond)
				}
				if c.kill != 0 {
					if err := box.Signal(t.Context(), c.kill); err != nil {
						t.Error(err)
					}
				}
				<-box.Done()
				if box.Exit() != c.want {
					t.Errorf("got %v, want %v", box.Exit(), c.want)
				}
				box.Remove(t.Context())
			}
		})
	}
}

// A container over its memory limit is killed; another goes on.
func TestLimit(t *testing.T) {
	s := stage(t)
	other, err := s.Start(t.Context(), s.bundle(t, "other", enough, "wait"), &text{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Remove(t.Context())
	out := &text{}
	box, err := s.Start(t.Context(), s.bundle(t, "hog", 64<<20, "hog"), out)
	if err != nil {
		t.Fatal(err)
	}
	<-box.Done()
	if box.Exit().Signal != syscall.SIGKILL {
		t.Errorf("got %v", box.Exit())
	}
	box.Remove(t.Context())
	if out.String() != "hungry\n" {
		t.Errorf("got %q", out)
	}
	select {
	case <-other.Done():
		t.Errorf("the other has ended too: %v", other.Exit())
	default:
	}
}

// A container that cannot be created says why.
func TestCannotStart(t *testing.T) {
	s := stage(t)
	b := s.bundle(t, "none", enough)
	b.Config = bytes.Replace(b.Config, []byte("/program"), []byte("/nothing"), 1)
	if _, err := s.Start(t.Context(), b, &text{}); err == nil || !strings.HasPrefix(err.Error(), "runc: ") || !strings.Contains(err.Error(), "/nothing") {
		t.Errorf("got %v", err)
	}
}

// one is the supervise.Runtime of one bundle.
type one struct {
	s stand
	b bundle.Bundle
}

func (o one) Start(ctx context.Context, _ string) (supervise.Container, error) {
	c, err := o.s.Start(ctx, o.b, &text{})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// What is killed for its memory is started again.
func TestSupervised(t *testing.T) {
	s := stage(t)
	restarted := make(chan bool, 10)
	r := supervise.New(t.Context(), supervise.Options{
		Runtime: one{s, s.bundle(t, "again", 64<<20, "hog")}, Grace: time.Second,
		Print: func(format string, args ...any) {
			t.Logf(format, args...)
			if strings.HasSuffix(format, "started") {
				restarted <- true
			}
		},
	}, []string{"again"})
	<-restarted
	<-restarted
	if st := r.List()[0]; st.Restarts != 1 || (st.Last != "killed by SIGKILL" && st.Last != "out of memory") {
		t.Errorf("got %+v", st)
	}
	r.Close(t.Context())
}
