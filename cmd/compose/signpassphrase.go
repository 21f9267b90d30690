package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// passwordVariable holds the passphrase of a key where there is no terminal.
const passwordVariable = "COMPOSE_PASSWORD"

// newPassphrase returns the passphrase for a new key: of the environment, or asked
// for twice.
func (s *session) newPassphrase(ctx context.Context, key string) ([]byte, error) {
	if given, ok := s.givenPassphrase(); ok {
		if len(given) == 0 {
			s.ui.warnf("%s is empty: whoever has %s can sign with it", passwordVariable, key)
		}
		return given, nil
	}
	first, err := s.ask(ctx, "Passphrase for "+key+": ")
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, hinted("the passphrase is empty", "for a key without one, set "+passwordVariable+" to nothing")
	}
	second, err := s.ask(ctx, "The same again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passphrases differ; nothing is written")
	}
	return first, nil
}

// passphrase returns the passphrase of a key that is there.
func (s *session) passphrase(ctx context.Context, key string) ([]byte, error) {
	if given, ok := s.givenPassphrase(); ok {
		return given, nil
	}
	return s.ask(ctx, "Passphrase of "+key+": ")
}

// givenPassphrase returns what the environment says, and whether it does.
func (s *session) givenPassphrase() ([]byte, bool) {
	for _, entry := range s.environ() {
		if value, ok := strings.CutPrefix(entry, passwordVariable+"="); ok {
			return []byte(value), true
		}
	}
	return nil, false
}

// maxLine is more than a terminal gives at once, in bytes (termios(3), "Canonical and
// noncanonical mode").
const maxLine = 8192

// ask reads a line from the terminal, which does not show it. Whatever ends the
// reading, the terminal shows afterwards what is typed.
func (s *session) ask(ctx context.Context, prompt string) (line []byte, err error) {
	f, ok := s.stdin.(*os.File)
	if !ok || !isTerminal(f) {
		return nil, hinted("a passphrase is needed, and standard input is no terminal to ask on",
			"set "+passwordVariable+", which scripts and CI do from a secret")
	}
	restore, err := hideTyping(f)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	defer func() { err = errors.Join(err, restore()) }()
	if _, err := s.stderr.WriteString(prompt); err != nil {
		return nil, fmt.Errorf("ask for a passphrase: %w", err)
	}
	type reply struct {
		line []byte
		err  error
	}
	replies := make(chan reply, 1)
	go func() {
		buffer := make([]byte, maxLine)
		n, err := f.Read(buffer) // a terminal gives one line, and keeps the next
		replies <- reply{bytes.TrimRight(buffer[:n], "\r\n"), err}
	}()
	select {
	case r := <-replies:
		_, _ = s.stderr.WriteString("\n") // the one that was typed is not shown either
		if r.err != nil {
			return nil, fmt.Errorf("read the passphrase: %w", r.err)
		}
		return r.line, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hideTyping makes a terminal show nothing of what is typed; what is returned makes
// it what it was.
func hideTyping(f *os.File) (restore func() error, err error) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	hidden := *before
	hidden.Iflag |= unix.ICRNL
	hidden.Lflag = hidden.Lflag&^unix.ECHO | unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &hidden); err != nil {
		return nil, err
	}
	return func() error { return unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
}
