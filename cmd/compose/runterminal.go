package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// takeInterrupts makes SIGINT and SIGTERM the command's own business, which ends
// no context any more.
func (w *world) takeInterrupts() <-chan os.Signal {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	w.ownInterrupts.Store(true)
	return signals
}

// giveTerminal lets all that is typed go to a guest, but for Ctrl-C: the guest
// echoes, and edits lines. What is returned makes the terminal what it was. A
// standard input that is no terminal stays as it is.
func (w *world) giveTerminal() (restore func() error, err error) {
	f, ok := w.stdin.(*os.File)
	if !ok || !isTerminal(f) {
		return func() error { return nil }, nil
	}
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	given := *before
	given.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	given.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.IEXTEN
	given.Cc[unix.VQUIT], given.Cc[unix.VSUSP] = 0, 0 // no key (termios(3), _POSIX_VDISABLE)
	given.Cc[unix.VMIN], given.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &given); err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return func() error { return unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
}
