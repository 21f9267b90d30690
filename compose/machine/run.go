package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Streams are the guest's serial port. Out is written to until the machine has
// ended. In may be read from after that: who reads a terminal cannot be called
// back. A nil In is one without a byte.
type Streams struct {
	In  io.Reader
	Out io.Writer
}

// Machine is a QEMU that runs.
type Machine struct {
	cmd    *exec.Cmd
	qmp    *qmp
	stderr tail
	ended  chan error // what became of it, once
}

// Start starts QEMU, found at program, with the arguments of [Options.Args]. The
// end of ctx ends it at once. [Machine.Wait] has to be called.
func Start(ctx context.Context, program string, args []string, s Streams) (*Machine, error) {
	control, theirs, err := newQMP()
	if err != nil {
		return nil, err
	}
	m := &Machine{qmp: control, ended: make(chan error, 1)}
	m.cmd = exec.CommandContext(ctx, program, slices.Concat(args, qmpArgs())...)
	m.cmd.ExtraFiles = []*os.File{theirs}
	// QEMU would make a terminal that it is given itself never wait for anybody.
	m.cmd.Stdout, m.cmd.Stderr = struct{ io.Writer }{s.Out}, &m.stderr
	// In a group of its own it gets no Ctrl-C of the terminal.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	in, err := m.cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, control.conn.Close(), theirs.Close())
	}
	started := make(chan error, 1)
	go m.live(started)
	err = errors.Join(<-started, theirs.Close())
	if err != nil {
		return nil, errors.Join(err, control.conn.Close())
	}
	go feed(in, s.In)
	if err := control.start(); err != nil {
		return nil, errors.Join(m.kill(err), control.conn.Close())
	}
	return m, nil
}

// live starts QEMU and waits for its end, on one thread: Pdeathsig comes when the
// thread ends that was the parent, and Go ends threads that have nothing to do.
func (m *Machine) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := m.cmd.Start()
	started <- err
	if err == nil {
		m.ended <- m.cmd.Wait()
	}
}

// feed gives the guest what is typed. It may stay in a read for ever.
func feed(guest io.WriteCloser, in io.Reader) {
	if in != nil {
		_, _ = io.Copy(guest, in)
	}
	_ = guest.Close()
}

// Control is how a machine is ended from outside.
type Control struct {
	Stop     <-chan os.Signal // the first presses the power button, the second ends the machine
	Timeout  time.Duration    // after which the button is pressed too; 0 for never
	Patience time.Duration    // for a guest to turn itself off once the button is pressed
	Say      func(string)     // is told in a line what is being done
}

func (c Control) say(text string) {
	if c.Say != nil {
		c.Say(text)
	}
}

// What can be wrong with how a machine ended.
var (
	ErrTimeout = errors.New("still running")
	ErrKilled  = errors.New("the machine was ended before it had turned itself off")
)

// Wait waits until the machine has ended. That is no error if the guest turned
// itself off. It is [ErrTimeout] where it ran too long, and [ErrKilled] where it did
// not turn itself off when asked, or was not given the time to. Else QEMU could not
// do what it was to do, and the error is what it said last.
func (m *Machine) Wait(c Control) error {
	defer m.qmp.conn.Close()
	timeout, patience := after(c.Timeout), (<-chan time.Time)(nil)
	var verdict error // what is wrong however the machine ends
	for asked := false; ; {
		var ask bool
		select {
		case err := <-m.ended:
			return m.result(verdict, err)
		case <-timeout:
			verdict, timeout, ask = fmt.Errorf("%w after %s", ErrTimeout, c.Timeout), nil, !asked
		case <-patience:
			return m.kill(errors.Join(verdict, fmt.Errorf("%w: it was asked to %s ago", ErrKilled, c.Patience)))
		case <-c.Stop:
			if asked {
				return m.kill(errors.Join(verdict, ErrKilled))
			}
			ask = true
		}
		if ask {
			c.say("turning the machine off; Ctrl-C ends it at once")
			if err := m.qmp.powerDown(); err != nil {
				return m.kill(errors.Join(verdict, fmt.Errorf("turn the machine off: %w", err)))
			}
			asked, patience = true, after(c.Patience)
		}
	}
}

// after is [time.After], and never for 0.
func after(d time.Duration) <-chan time.Time {
	if d <= 0 {
		return nil
	}
	return time.After(d)
}

// kill ends QEMU, and returns why.
func (m *Machine) kill(why error) error {
	if err := m.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(why, err)
	}
	<-m.ended //nolint:errcheck // that it was killed is known
	return why
}

// result is what becomes of a machine that has ended by itself.
func (m *Machine) result(verdict, err error) error {
	if verdict != nil || err == nil {
		return verdict
	}
	if said := m.stderr.last(); said != "" {
		return fmt.Errorf("%s: %w:\n%s", m.cmd.Args[0], err, said)
	}
	return fmt.Errorf("%s: %w", m.cmd.Args[0], err)
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

// Write implements [io.Writer].
func (t *tail) Write(b []byte) (int, error) {
	const most = 4 << 10 // bytes
	t.kept = append(t.kept, b...)
	t.kept = t.kept[max(0, len(t.kept)-most):]
	return len(b), nil
}

// last returns the last lines.
func (t *tail) last() string {
	const most = 5
	lines := strings.Split(strings.TrimSpace(string(t.kept)), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
