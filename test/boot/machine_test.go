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
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, qemu,
		"-accel", "tcg,thread=multi", "-machine", "q35", "-smp", "2", "-m", fmt.Sprint(m.memory),
		"-nodefaults", "-nographic", "-serial", "stdio", "-monitor", "none", "-no-reboot",
		"-kernel", m.kernel, "-initrd", m.initrd, "-append", m.cmdline)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	err := cmd.Run()
	c := console(strings.ReplaceAll(out.String(), "\r", ""))
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		t.Fatalf("%q: %v\n%s", cmd.Args, err, c.tail())
	}
	t.Logf("%d MiB, %.1f s: %s", m.memory, time.Since(begin).Seconds(), c.last())
	return c
}

// tail is the end of it, for people.
func (c console) tail() string {
	all := strings.Split(string(c), "\n")
	return strings.Join(all[max(0, len(all)-40):], "\n")
}

// last is what the checker has found out, or of what the kernel died.
func (c console) last() string {
	if words := regexp.MustCompile(`(?m)^COMPOSE-BOOT-.*|Kernel panic.*`).FindAllString(string(c), -1); words != nil {
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
