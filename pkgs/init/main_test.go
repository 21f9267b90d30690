package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/init/internal/system"
)

// Who calls the program wrongly, or in a container, does not boot a system.
func TestRunUsage(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		pid  int
		says string
	}{
		{"init, and not process 1", []string{"/sbin/init"}, 7, "process 1"},
		{"no name at all", nil, 7, "process 1"},
		{"a word that is no command", []string{"init", "dance"}, 7, "process 1"},
		{"another name, as process 1", []string{"/bin/sh"}, 1, "process 1"},
		{"modprobe without a name", []string{"modprobe", "-q"}, 7, "usage: modprobe"},
		{"modprobe as a word", []string{"init", "modprobe"}, 7, "usage: modprobe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, err bytes.Buffer
			if status := run(tc.args, tc.pid, &out, &err); status != 2 || out.Len() > 0 || !strings.Contains(err.String(), tc.says) {
				t.Errorf("status %d, %q, %q", status, out.String(), err.String())
			}
		})
	}
}

func TestModprobeUnknown(t *testing.T) {
	var err bytes.Buffer
	if status := modprobe([]string{"-v", "--", "no_such_module_at_all"}, &err); status != 1 || !strings.HasPrefix(err.String(), "modprobe: ") {
		t.Errorf("status %d, %q", status, err.String())
	}
}

// A signal that Go takes for a fault is caught like the others when somebody sends it.
func TestCaught(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, caught...)
	defer signal.Stop(signals)
	for _, want := range []unix.Signal{unix.SIGABRT, unix.SIGTRAP, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGHUP} {
		if err := unix.Kill(os.Getpid(), want); err != nil {
			t.Fatal(err)
		}
		if got := <-signals; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestMeaning(t *testing.T) {
	for signal, want := range map[os.Signal]system.How{
		unix.SIGUSR1: system.Halt, unix.SIGUSR2: system.PowerOff, unix.SIGPWR: system.PowerOff,
		unix.SIGTERM: system.Reboot, unix.SIGINT: system.Reboot,
	} {
		if got, ok := meaning(signal); got != want || !ok {
			t.Errorf("%v: %v, want %v", signal, got, want)
		}
	}
	for _, signal := range []os.Signal{unix.SIGHUP, unix.SIGPIPE, unix.SIGQUIT, unix.SIGCHLD} {
		if got, ok := meaning(signal); ok {
			t.Errorf("%v: %v, want nothing", signal, got)
		}
	}
}

func TestAfterFailure(t *testing.T) {
	for _, tc := range []struct {
		name  string
		panic *int
		after time.Duration
		how   system.How
		says  string
	}{
		{"nothing said", nil, 5 * time.Second, system.PowerOff, "power off in 5s (panic=0 waits)"},
		{"after a while", new(30), 30 * time.Second, system.Reboot, "reboot in 30s"},
		{"at once", new(-1), 0, system.Reboot, "reboot"},
		{"never", new(0), forever, system.Reboot, "waiting for the power button or ctrl-alt-del"},
		{"a number without sense", new(1 << 62), forever / time.Second * time.Second, system.Reboot, "reboot in 2562047h47m16s"},
	} {
		how, after := afterFailure(tc.panic)
		if after != tc.after || how != tc.how {
			t.Errorf("%s: %v, %v, want %v, %v", tc.name, how, after, tc.how, tc.after)
		}
		if says := announce(how, after); says != tc.says {
			t.Errorf("%s: %q, want %q", tc.name, says, tc.says)
		}
	}
}

// Who asks for the end does not wait for the line to be read, and decides how.
func TestWait(t *testing.T) {
	asked := make(chan system.How, 1)
	b := &boot{asked: asked}
	asked <- system.Halt
	if how := b.wait(system.Reboot, forever); how != system.Halt {
		t.Errorf("asked to halt: %v", how)
	}
	if how := b.wait(system.PowerOff, 0); how != system.PowerOff {
		t.Errorf("nobody asks: %v", how)
	}
}

// The signals and the power button are heard from the beginning on, before there
// are devices.
func TestObey(t *testing.T) {
	devices := filepath.Join(t.TempDir(), "input")
	signals, asked := make(chan os.Signal, 2), make(chan system.How)
	var console bytes.Buffer
	b := &boot{console: &console}
	go b.obey(t.Context(), signals, devices, func(how system.How) { asked <- how })
	signals <- unix.SIGHUP
	signals <- unix.SIGINT
	if how := <-asked; how != system.Reboot {
		t.Errorf("ctrl-alt-del: %v", how)
	}
	close(signals)
	if err := os.Mkdir(devices, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(devices, "event0"), 0o600); err != nil {
		t.Fatal(err)
	}
	button, err := os.OpenFile(filepath.Join(devices, "event0"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer button.Close()
	down := make([]byte, 16, 24) // struct input_event: the time, EV_KEY, KEY_POWER, down
	down = binary.NativeEndian.AppendUint16(down, 1)
	down = binary.NativeEndian.AppendUint16(down, 116)
	down = binary.NativeEndian.AppendUint32(down, 1)
	if _, err := button.Write(down); err != nil {
		t.Fatal(err)
	}
	if how := <-asked; how != system.PowerOff || console.String() != "init: power button\n" {
		t.Errorf("power button: %v, %q", how, console.String())
	}
}

// Nothing is started once somebody wants the end.
func TestStartAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&boot{}).start(ctx, nil, nil); err != nil {
		t.Error(err)
	}
}

func TestWarn(t *testing.T) {
	var lines []error
	for range 8 {
		lines = append(lines, errors.New("broken"))
	}
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"nothing", nil, ""},
		{"one", lines[0], "init: broken\n"},
		{"two, joined", errors.Join(lines[:2]...), "init: broken\ninit: broken\n"},
		{"many", errors.Join(lines...), strings.Repeat("init: broken\n", 5) + "init: and 3 more\n"},
		{"a per cent sign", errors.New("100%d"), "init: 100%d\n"},
	} {
		var console bytes.Buffer
		(&boot{console: &console}).warn(tc.err)
		if diff := cmp.Diff(tc.want, console.String()); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

func TestParseModules(t *testing.T) {
	const text = "# a comment\n\n  dummy numdummies=2 x=\"a b\"  \n;another\nloop\n"
	want := []module{{"dummy", `numdummies=2 x="a b"`}, {"loop", ""}}
	if diff := cmp.Diff(want, parseModules(text), cmp.AllowUnexported(module{})); diff != "" {
		t.Error(diff)
	}
}
