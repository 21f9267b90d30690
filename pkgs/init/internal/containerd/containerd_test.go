package containerd_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
	"github.com/composeos/compose/pkgs/init/internal/containerd"
	"github.com/composeos/compose/pkgs/init/internal/process"
	"github.com/composeos/compose/pkgs/init/internal/runc"
)

// fakeCtr does what ctr does as far as init sees it, and notes its calls. Its
// containers run the script beside it.
const fakeCtr = `#!/bin/sh
cd ` + "`dirname $0`" + `
echo "$@" >> calls
case "$5 $6" in
"run --config") echo $$ > $9; exec sh ./script;;
"task kill") kill -9 ` + "`cat run/services-web/pid`" + `;;
esac
`

type stand struct {
	*containerd.Runtime
	dir string
}

func stage(t *testing.T, script string) stand {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"ctr": fakeCtr, "script": script, "socket": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r := process.NewReaper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { r.Serve(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return stand{&containerd.Runtime{
		R: &runc.Runtime{
			Reaper: r, State: filepath.Join(dir, "run"), Cgroups: filepath.Join(dir, "cgroup"), Kernel: bundle.System{},
			Give: func(n bundle.Interface, pid int) error { return errors.New("no interface " + n.Name) },
		},
		Ctr: filepath.Join(dir, "ctr"), Socket: filepath.Join(dir, "socket"),
	}, dir}
}

func web(namespace string) bundle.Bundle {
	return bundle.Bundle{
		Path: "/containers/services/web", Kind: "services", Name: "web", Config: []byte(`{}`),
		Runtime: bundle.Runtime{Namespace: namespace},
	}
}

type text struct {
	mu sync.Mutex
	b  strings.Builder
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

func TestContainer(t *testing.T) {
	for _, c := range []struct {
		name, script string
		signal       syscall.Signal
		want         process.Exit
	}{
		{"ends", "echo up; exit 3", 0, process.Exit{Status: 3}},
		{"asked to end", "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done", syscall.SIGTERM, process.Exit{Status: 5}},
		{"killed", "trap '' TERM; echo up; while :; do sleep 0.01; done", syscall.SIGKILL, process.Exit{Signal: syscall.SIGKILL}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, out := stage(t, c.script), &text{}
			box, err := s.Start(t.Context(), web(""), out)
			if err != nil {
				t.Fatal(err)
			}
			for out.String() != "up\n" {
				time.Sleep(time.Millisecond)
			}
			if c.signal != 0 {
				if err := box.Signal(t.Context(), c.signal); err != nil {
					t.Error(err)
				}
			}
			<-box.Done()
			if box.Exit() != c.want {
				t.Errorf("got %v, want %v", box.Exit(), c.want)
			}
			box.Remove(t.Context())
		})
	}
}

func TestNamespace(t *testing.T) {
	for given, want := range map[string]string{"": "services.linuxkit", "mine": "mine"} {
		t.Run(want, func(t *testing.T) {
			s := stage(t, "exit 0")
			box, err := s.Start(t.Context(), web(given), &text{})
			if err != nil {
				t.Fatal(err)
			}
			<-box.Done()
			box.Remove(t.Context())
			calls, err := os.ReadFile(filepath.Join(s.dir, "calls"))
			if line := "-a " + s.Socket + " -n " + want + " run --config "; err != nil || !strings.Contains(string(calls), line) {
				t.Errorf("%v, no %q in\n%s", err, line, calls)
			}
		})
	}
}

// Where an interface cannot be given, the container does not go on without it.
func TestInterface(t *testing.T) {
	s := stage(t, "exec sleep 1000")
	b := web("")
	b.Runtime.Interfaces = []bundle.Interface{{Name: "wg0"}}
	if _, err := s.Start(t.Context(), b, &text{}); err == nil || err.Error() != "no interface wg0" {
		t.Errorf("got %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	s := stage(t, "exit 0")
	s.Socket += ".none"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Start(ctx, web(""), &text{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What takes too long is said in words.
func TestStartup(t *testing.T) {
	s := stage(t, "exit 0")
	s.Startup = 300 * time.Millisecond
	s.Ctr += ".slow"
	slow := "#!/bin/sh\ncase $5 in run) exec sleep 1000;; esac\n"
	if err := os.WriteFile(s.Ctr, []byte(slow), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(t.Context(), web(""), &text{}); err == nil || err.Error() != "containerd has not started it in 300ms" {
		t.Errorf("got %v", err)
	}
	for _, deaf := range []func() error{
		func() error { return os.WriteFile(s.Ctr, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755) },
		func() error { return os.Remove(s.Socket) },
	} {
		if err := deaf(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Start(t.Context(), web(""), &text{}); err == nil || err.Error() != "containerd has not answered in 300ms" {
			t.Errorf("got %v", err)
		}
	}
}

// The control group of a container is gone when its end is known, so the one around
// it says whether the kernel has killed it.
func TestOutOfMemory(t *testing.T) {
	for _, c := range []struct {
		name, config string
		group        string // of the container, in its config.json
		want         process.Exit
	}{
		{"usual", `{}`, "/services/web/task", process.Exit{Status: 137, OutOfMemory: true}},
		{"a group that the manifest names", `{"linux":{"cgroupsPath":"/mine"}}`, "/mine", process.Exit{Status: 137}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stage(t, "echo oom_kill 1 > cgroup/services/web/memory.events; exit 137")
			if err := os.MkdirAll(filepath.Join(s.dir, "cgroup", "services", "web"), 0o755); err != nil {
				t.Fatal(err)
			}
			b := web("")
			b.Config = []byte(c.config)
			box, err := s.Start(t.Context(), b, &text{})
			if err != nil {
				t.Fatal(err)
			}
			<-box.Done()
			if box.Exit() != c.want {
				t.Errorf("got %#v, want %#v", box.Exit(), c.want)
			}
			box.Remove(t.Context())
			config, err := os.ReadFile(filepath.Join(s.dir, "run", "services-web", "config.json"))
			if err != nil || !strings.Contains(string(config), `"cgroupsPath":"`+c.group+`"`) {
				t.Errorf("no group %s: %v\n%s", c.group, err, config)
			}
		})
	}
}
