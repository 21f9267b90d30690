package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKeygenInterrupted ends compose keygen while it waits for a passphrase: the
// terminal shows again what is typed, and no file is there.
func TestKeygenInterrupted(t *testing.T) {
	ours, theirs := openTerminal(t)
	dir := t.TempDir()
	cmd := startCompose(t, dir, "keygen", "-o", "release")
	cmd.Env = append(cmd.Env, "HOME="+dir)
	for i, e := range cmd.Env {
		if strings.HasPrefix(e, passwordVariable+"=") {
			cmd.Env[i] = "UNSET="
		}
	}
	cmd.Stdin = theirs
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	prompt := make([]byte, len("Passphrase for release.key: "))
	if _, err := io.ReadFull(said, prompt); err != nil {
		t.Fatalf("%q: %v", prompt, err)
	}
	if echoes(t, ours) {
		t.Error("the terminal shows the passphrase")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(said)
	if err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).ExitStatus() != exitInterrupted {
		t.Errorf("it ended by %v and %q, want status %d", err, rest, exitInterrupted)
	}
	if !echoes(t, ours) {
		t.Error("the terminal does not show any more what is typed")
	}
	if made, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(made) > 0 {
		t.Errorf("there is %v (%v)", made, err)
	}
}

// echoes tells whether a terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	now, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return now.Lflag&unix.ECHO != 0
}
