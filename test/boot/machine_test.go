package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/composeos/compose/test/boot/list"
)

// machine is what QEMU starts. All of it is emulated, so that no test depends on
// what the processor can do, and any machine can run it.
type machine struct {
	kernel, initrd string // files
	cmdline        string
	memory         int64 // MiB
	need           int64 // bytes of memory that compose says are needed
}

// console is what a machine has said until it was turned off.
type console string

// patience is how long a machine may run. The slowest takes half a minute where
// nothing else runs.
const patience = 8 * time.Minute

// boot starts the machine and waits for its end.
func (m machine) boot(t *testing.T) console {
	t.Helper()
	return run(t, patience, nil, "-machine", "q35", "-smp", "2", "-m", fmt.Sprint(m.memory),
		"-kernel", m.kernel, "-initrd", m.initrd, "-append", m.cmdline)
}

// run runs QEMU until its machine turns itself off, or has said the last words that
// are wanted of it, if any are; not longer than limit.
func run(t *testing.T, limit time.Duration, last *regexp.Regexp, options ...string) console {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, qemu, append([]string{
		"-accel", "tcg,thread=multi", "-nodefaults", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
	}, options...)...)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out := &listener{last: last, heard: cancel}
	cmd.Stdout, cmd.Stderr = out, out
	begin := time.Now()
	err := cmd.Run()
	c := console(strings.ReplaceAll(out.said.String(), "\r", ""))
	switch {
	case last != nil && last.MatchString(string(c)):
		err = nil
	case ctx.Err() != nil:
		err = ctx.Err()
	case last != nil:
		err = fmt.Errorf("it has ended without a word of %s", last)
	}
	if err != nil {
		t.Fatalf("%q: %v\n%s", cmd.Args, err, c.tail())
	}
	t.Logf("%.1f s: %s", time.Since(begin).Seconds(), c.last())
	return c
}

// listener keeps what a machine says, and tells when it has heard enough.
type listener struct {
	said  bytes.Buffer
	last  *regexp.Regexp // nil for never
	heard func()
}

func (l *listener) Write(b []byte) (int, error) {
	n, err := l.said.Write(b)
	if l.last != nil && l.last.Match(l.said.Bytes()) {
		l.heard()
	}
	return n, err
}

// tail is the end of it, for people.
func (c console) tail() string {
	all := strings.Split(string(c), "\n")
	return strings.Join(all[max(0, len(all)-40):], "\n")
}

// last is what the checker has found out, or of what the kernel died, or why it was
// not started.
func (c console) last() string {
	if words := regexp.MustCompile(`(?m)^COMPOSE-BOOT-.{0,80}|Kernel panic.*|^error: bad shim signature|Access Denied`).FindAllString(string(c), -1); words != nil {
		return strings.Join(words, ", ")
	}
	return "no verdict"
}

// verdict is what the checker has said; "" where it was never started, which must
// be for a panic.
func (c console) verdict(t *testing.T) (v list.Verdict, rest string) {
	t.Helper()
	said := regexp.MustCompile(`(?m)^(COMPOSE-BOOT-[A-Z]+) (.*)$`).FindAllStringSubmatch(string(c), -1)
	switch {
	case len(said) == 1:
		return list.Verdict(said[0][1]), said[0][2]
	case len(said) > 1 || !strings.Contains(string(c), "Kernel panic - not syncing: "):
		t.Fatalf("%d verdicts:\n%s", len(said), c.tail())
	}
	return "", ""
}

// qemu is the program that is the machine.
const qemu = "qemu-system-x86_64"

// needMachine leaves the test out where no machine can be started.
func needMachine(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath(qemu); err != nil {
		missing(t, "%s is not installed", qemu)
	}
}

// missing leaves the test out, but where everything must have been installed.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// output runs a program and returns what it writes to its standard output.
func output(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		t.Fatalf("%q: %v\n%s", cmd.Args, err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
