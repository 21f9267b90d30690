package system_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/control"
	"github.com/composeos/compose/pkgs/init/internal/power"
	"github.com/composeos/compose/pkgs/init/internal/process"
	"github.com/composeos/compose/pkgs/init/internal/system"
)

// fakeRunc does what runc does as far as init sees it: create leaves a process
// behind that waits for start, and run one that does not. The container's program is the script run in
// its root filesystem.
const fakeRunc = `#!/bin/sh
log=$2 verb=$5
shift 5
state=` + "`dirname $0`" + `/state
mkdir -p $state
case $verb in
create|run)
	[ $verb = create ] || shift # --detach
	bundle=$2 pidfile=$4 id=$5
	root=` + "`sed 's/.*\"path\":\"\\([^\"]*\\)\".*/\\1/' $bundle/config.json`" + `
	if [ ! -e $root/run ]; then
		echo '{"level":"error","msg":"exec: run: not found"}' > $log
		exit 1
	fi
	sh -c "while [ ! -e $state/$id ]; do sleep 0.01; done; exec sh $root/run" &
	echo $! > $pidfile
	[ $verb = create ] || : > $state/$id;;
start) : > $state/$1;;
delete) rm -f $state/$2;;
esac
`

// nothing is a Kernel that has nothing to do.
type nothing struct{}

func (nothing) Mount(string, string, string, uintptr, string) error { return nil }
func (nothing) Unmount(string, int) error                           { return nil }
func (nothing) Mkdir(string) error                                  { return nil }
func (nothing) Touch(string) error                                  { return nil }
func (nothing) Cgroup(string) error                                 { return nil }

// machine is a Machine in which nobody else lives.
type machine struct{ ended chan power.How }

func (machine) Signal(syscall.Signal)   {}
func (machine) Alive() bool             { return false }
func (machine) Mounts() (string, error) { return "", nil }
func (machine) Unmount(string) error    { return nil }
func (machine) Sync()                   {}
func (m machine) Reboot(how power.How) error {
	m.ended <- how
	return nil
}

// console is a buffer that can be read while it grows.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// stand is a system for a test.
type stand struct {
	*system.System
	dir     string
	console *console
	ended   chan power.How
}

// stage returns a system with these containers: their paths below containers
// and the scripts that they run.
func stage(t *testing.T, containers map[string]string) stand {
	t.Helper()
	return patient(t, 5*time.Second, containers)
}

// patient is stage with this time between TERM and KILL.
func patient(t *testing.T, grace time.Duration, containers map[string]string) stand {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(path, text string, mode os.FileMode) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("runc", fakeRunc, 0o755)
	for path, script := range containers {
		write(filepath.Join("containers", path, "config.json"), `{"root":{"path":"rootfs"}}`, 0o644)
		if script != "" {
			write(filepath.Join("containers", path, "rootfs/run"), script, 0o644)
		}
	}
	write("shutdown.d/10-bye", "#!/bin/sh\necho goodbye\n", 0o755)
	r := process.NewReaper()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan bool)
	go func() { r.Serve(ctx); close(served) }()
	t.Cleanup(func() { cancel(); <-served })
	s := stand{dir: dir, console: &console{}, ended: make(chan power.How, 1)}
	s.System = system.New(system.Options{
		Console: s.console, Reaper: r, Kernel: nothing{}, Machine: machine{s.ended}, Runc: filepath.Join(dir, "runc"),
		Containers: filepath.Join(dir, "containers"), Logs: filepath.Join(dir, "log"), Socket: filepath.Join(dir, "control"),
		Scripts: filepath.Join(dir, "shutdown.d"), State: filepath.Join(dir, "run"), Cgroups: filepath.Join(dir, "cgroup"), Containerd: filepath.Join(dir, "containerd"),
		Grace: grace,
	})
	return s
}

// eventually waits until something is as it should be.
func (s stand) eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in 20 s: %s\n%s", what, s.console)
		}
	}
}

func TestOnboot(t *testing.T) {
	s := stage(t, map[string]string{
		"onboot/000-one":   "echo hello; echo there >&2; printf end",
		"onboot/001-two":   "i=0; while [ $i -lt 12 ]; do echo line $i; i=$((i+1)); done; exit 3",
		"onboot/002-three": "echo three",
		"onboot/003-none":  "",
	})
	err := s.Onboot(t.Context())
	failed, ok := errors.AsType[*system.ContainerError](err)
	if !ok || err.Error() != "onboot 001-two: exit status 3" || len(failed.Lines) != 10 || failed.Lines[9] != "line 11" {
		t.Fatalf("got %v, %+v\n%s", err, failed, s.console)
	}
	for _, want := range []string{"init: onboot 000-one\n", "000-one: hello\n", "000-one: there\n", "000-one: end\n", "001-two: line 0\n"} {
		if !strings.Contains(s.console.String(), want) {
			t.Errorf("no %q in\n%s", want, s.console)
		}
	}
	if log, err := os.ReadFile(filepath.Join(s.dir, "log/000-one.log")); err != nil || string(log) != "hello\nthere\nend" {
		t.Errorf("got %q, %v", log, err)
	}
	err = s.OnbootFrom(t.Context(), failed.Name)
	if err == nil || err.Error() != "onboot 003-none: runc: exec: run: not found" {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(s.console.String(), "002-three: three\n") {
		t.Errorf("got\n%s", s.console)
	}
}

func TestOnbootIsInterrupted(t *testing.T) {
	s := stage(t, map[string]string{"onboot/000-hang": "echo up; exec sleep 1000"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Onboot(ctx) }()
	s.eventually(t, "it runs", func() bool { return strings.Contains(s.console.String(), "000-hang: up") })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestServices(t *testing.T) {
	s := stage(t, map[string]string{
		"services/web":       "echo serving; exec sleep 1000",
		"services/crash":     "echo oops; sleep 0.3; exit 4", // not before the script that stands for runc has left it: that would take the status
		"onshutdown/000-end": "echo last words; exit 5",
	})
	if err := s.Serve(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	service := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		c := control.Client{Socket: filepath.Join(s.dir, "control"), Stdout: &out, Stderr: &out}
		if code := c.Service(args); code != 0 {
			fmt.Fprintf(&out, "code %d\n", code)
		}
		return out.String()
	}
	s.eventually(t, "web runs and crash was restarted", func() bool {
		list := service("list")
		return strings.Contains(list, "web    running") && strings.Contains(list, "exit status 4") &&
			strings.Contains(s.console.String(), "restart 2 in 2s")
	})
	if got := service("logs", "-n", "1", "web"); got != "serving\n" {
		t.Errorf("got %q", got)
	}
	if got := service("stop", "wep"); got != "service: there is no service \"wep\": did you mean web?\ncode 1\n" {
		t.Errorf("got %q", got)
	}
	if got := service("stop", "web") + service("list"); !strings.Contains(got, "web    stopped") || !strings.Contains(got, "killed by SIGTERM") {
		t.Errorf("got %q", got)
	}
	for _, verb := range []string{"start", "restart"} {
		if got := service(verb, "web"); got != "" {
			t.Errorf("%s: %q", verb, got)
		}
	}
	s.eventually(t, "web runs again", func() bool {
		return strings.Contains(service("list"), "web    running") && service("logs", "-n", "2", "web") == "serving\nserving\n"
	})
	poweroff := control.Client{Socket: filepath.Join(s.dir, "control"), Stdout: t.Output(), Stderr: t.Output()}
	if code := poweroff.Power("reboot", nil); code != 0 {
		t.Errorf("code %d", code)
	}
	if err := s.Shutdown(t.Context(), <-s.Asked()); err != nil {
		t.Fatal(err)
	}
	if how := <-s.ended; how != system.Reboot {
		t.Errorf("got %v", how)
	}
	text := s.console.String()
	at := 0
	for _, want := range []string{
		"init: service crash: exit status 4; restart 1 in 1s\n", "10-bye: goodbye\n", "init: stopping services\n",
		"init: onshutdown 000-end\n", "000-end: last words\n", "init: onshutdown 000-end: exit status 5\n", "init: reboot\n",
	} {
		i := strings.Index(text[at:], want)
		if i < 0 {
			t.Fatalf("no %q after byte %d in\n%s", want, at, text)
		}
		at += i
	}
}

// What comes at the end has a limit, so that nothing keeps the machine on.
func TestShutdownIsLimited(t *testing.T) {
	s := patient(t, 500*time.Millisecond, map[string]string{
		"onshutdown/000-polite": "trap 'echo asked; exit 0' TERM; while :; do sleep 0.01; done",
		"onshutdown/001-deaf":   "trap '' TERM; while :; do sleep 0.01; done",
		"onshutdown/002-last":   "echo the last",
	})
	script := filepath.Join(s.dir, "shutdown.d", "20-hang")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context(), system.PowerOff); err != nil || <-s.ended != system.PowerOff {
		t.Error(err)
	}
	for _, want := range []string{
		"init: " + script + ": has not ended in 1.5s\n", "000-polite: asked\n", "init: onshutdown 000-polite: has not ended in 1.5s\n",
		"init: onshutdown 001-deaf: has not ended in 1.5s\n", "002-last: the last\n",
	} {
		if !strings.Contains(s.console.String(), want) {
			t.Errorf("no %q in\n%s", want, s.console)
		}
	}
}

// linuxkit's runc brings a link to init in shutdown.d, for a step that init does
// by itself.
func TestShutdownScripts(t *testing.T) {
	s := stage(t, nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(s.dir, "shutdown.d")
	err = errors.Join(
		os.Symlink(self, filepath.Join(folder, "010-onshutdown")),
		os.WriteFile(filepath.Join(folder, "20-no-program"), nil, 0o644),
		os.WriteFile(filepath.Join(folder, "30-strange"), []byte("#!/no/such/shell -e\n"), 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context(), system.Halt); err != nil {
		t.Error(err)
	}
	want := "10-bye: goodbye\ninit: start " + folder + "/30-strange: its interpreter \"/no/such/shell\" is not there\ninit: halt\n"
	if got := s.console.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The log of anything in /var/log is shown, and nothing else.
func TestLogs(t *testing.T) {
	s := stage(t, map[string]string{"onboot/000-one": "echo hello", "services/web": "exec sleep 1000"})
	if err := s.Onboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(s.dir, "log", "other.log"), []byte("a\nb\n"), 0o600),
		os.WriteFile(filepath.Join(s.dir, "secret.log"), []byte("secret\n"), 0o600),
		os.Symlink("../secret.log", filepath.Join(s.dir, "log", "link.log")),
		os.Mkdir(filepath.Join(s.dir, "log", "folder.log"), 0o755),
		s.Serve(t.Context(), false),
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"000-one":            "hello\n",
		"other":              "a\nb\n",
		"web":                "",
		"000-on":             "service: there is no service \"000-on\": did you mean 000-one?\n",
		"zzz":                "service: there is no service \"zzz\": there are logs of 000-one, other, web\n",
		"link":               "service: there is no service \"link\": there are logs of 000-one, other, web\n",
		"folder":             "service: there is no service \"folder\": there are logs of 000-one, other, web\n",
		"../secret":          "service: there is no service \"../secret\": there are logs of 000-one, other, web\n",
		"../log/other":       "service: there is no service \"../log/other\": there are logs of 000-one, other, web\n",
		s.dir + "/log/other": "service: there is no service \"" + s.dir + "/log/other\": there are logs of 000-one, other, web\n",
	} {
		var out bytes.Buffer
		c := control.Client{Socket: filepath.Join(s.dir, "control"), Stdout: &out, Stderr: &out}
		if c.Service([]string{"logs", name}); out.String() != want {
			t.Errorf("%s: got %q, want %q", name, &out, want)
		}
	}
	if err := s.Shutdown(t.Context(), system.Halt); err != nil {
		t.Error(err)
	}
}

func TestFirstAskWins(t *testing.T) {
	s := stage(t, nil)
	s.Ask(system.Halt)
	s.Ask(system.Reboot)
	if how := <-s.Asked(); how != system.Halt {
		t.Errorf("got %v", how)
	}
	if err := s.Shutdown(t.Context(), system.Halt); err != nil || <-s.ended != system.Halt {
		t.Error(err)
	}
}
