package machine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fake is a QEMU that a shell is: it does what a script says, with the monitor at
// descriptor 3.
func fake(t *testing.T, script string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "qemu")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// onButton does something once the power button is pressed.
const onButton = `echo '{"QMP": {}}' >&3
while read -r line <&3; do
	echo '{"return": {}}' >&3
	case $line in *system_powerdown*) BUTTON;; esac
done`

func TestRun(t *testing.T) {
	obeys := strings.Replace(onButton, "BUTTON", "echo off; exit 0", 1)
	deaf := strings.Replace(onButton, "BUTTON", "echo pressed", 1)
	for _, tt := range []struct {
		name, script string
		stops        int
		control      Control
		out, says    string
		is           error
		error        string
	}{
		{name: "off by itself", script: "echo hello", out: "hello\n"},
		{name: "hears", script: "cat", out: "typed\n"},
		{name: "asked to", script: obeys, stops: 1, out: "off\n", says: "turning the machine off; Ctrl-C ends it at once"},
		{name: "asked twice", script: deaf, stops: 2, says: "turning the machine off; Ctrl-C ends it at once", is: ErrKilled},
		{name: "no patience", script: deaf, stops: 1, control: Control{Patience: time.Millisecond}, says: "turning the machine off; Ctrl-C ends it at once", is: ErrKilled, error: "it was asked to 1ms ago"},
		{name: "timeout", script: obeys, control: Control{Timeout: time.Millisecond}, out: "off\n", says: "turning the machine off; Ctrl-C ends it at once", is: ErrTimeout, error: "still running after 1ms"},
		{name: "timeout of one that is deaf", script: deaf, control: Control{Timeout: time.Millisecond, Patience: time.Millisecond}, says: "turning the machine off; Ctrl-C ends it at once", is: ErrKilled, error: "still running after 1ms\n"},
		{name: "fails", script: "for i in 1 2 3 4 5 6; do echo line $i >&2; done; exit 3", error: "exit status 3:\nline 2\nline 3\nline 4\nline 5\nline 6"},
		{name: "fails in silence", script: "exit 4", error: "exit status 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			var said []string
			stop := make(chan os.Signal, 2)
			for range tt.stops {
				stop <- os.Interrupt
			}
			tt.control.Stop, tt.control.Say = stop, func(s string) { said = append(said, s) }
			m, err := Start(t.Context(), fake(t, tt.script), []string{"-x"}, Streams{strings.NewReader("typed\n"), &out})
			if err != nil {
				t.Fatal(err)
			}
			err = m.Wait(tt.control)
			switch {
			case tt.is == nil && tt.error == "" && err != nil,
				tt.is != nil && !errors.Is(err, tt.is),
				tt.error != "" && (err == nil || !strings.Contains(err.Error(), tt.error)):
				t.Errorf("%v, want %v %q", err, tt.is, tt.error)
			}
			if !errors.Is(tt.is, ErrKilled) && out.String() != tt.out {
				t.Errorf("it said %q, want %q", &out, tt.out)
			}
			if got := strings.Join(said, "|"); got != tt.says {
				t.Errorf("it was said %q, want %q", got, tt.says)
			}
		})
	}
}

func TestStart(t *testing.T) {
	if _, err := Start(t.Context(), filepath.Join(t.TempDir(), "gone"), nil, Streams{Out: io.Discard}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
	var out bytes.Buffer
	m, err := Start(t.Context(), fake(t, `echo "$@"`), []string{"-a", "b c"}, Streams{Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Wait(Control{}); err != nil || out.String() != "-a b c -chardev socket,id=qmp,fd=3 -mon chardev=qmp,mode=control\n" {
		t.Errorf("%q, %v", &out, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m, err = Start(ctx, fake(t, "exec cat <&3"), nil, Streams{Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := m.Wait(Control{}); err == nil {
		t.Error("a machine that was ended has ended well")
	}
}

func TestTail(t *testing.T) {
	var l tail
	for range 10 {
		_, _ = l.Write([]byte(strings.Repeat("x", 1000) + "\n"))
	}
	if got := l.last(); len(got) > 4<<10 || strings.Count(got, "\n") != 4 {
		t.Errorf("%d bytes are kept, in %d lines", len(got), 1+strings.Count(got, "\n"))
	}
}

// qemuHere leaves the test out where QEMU is not installed.
func qemuHere(t *testing.T) string {
	t.Helper()
	name, err := exec.LookPath(Program(AMD64))
	if err == nil {
		return name
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skipf("%s is not installed", Program(AMD64))
	return ""
}

// TestProbe has the boot sector run by a processor that is emulated, and probes
// machines that do not work.
func TestProbe(t *testing.T) {
	name := qemuHere(t)
	if err := probe(t.Context(), name, probeOf{"tcg", "max", time.Minute}); err != nil {
		t.Errorf("emulated: %v", err)
	}
	if err := probe(t.Context(), name, probeOf{"nothing", "max", time.Minute}); err == nil {
		t.Error("an accelerator works that does not exist")
	}
}

func TestProbeOfFakes(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{"exit 33", ""},
		{"exit 0", "a machine ended too early"},
		{"echo no KVM here >&2; echo more >&2; exit 1", "exit status 1: no KVM here"},
		{"exec sleep 100", "a machine stood still for 200ms"},
	} {
		got := ""
		limit := time.Minute
		if strings.Contains(tt.script, "sleep") {
			limit = 200 * time.Millisecond
		}
		if err := probe(t.Context(), fake(t, tt.script), probeOf{KVM, "host", limit}); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: %q, want %q", tt.script, got, tt.want)
		}
	}
}
