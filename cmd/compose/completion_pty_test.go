package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// typist types at a shell that runs in a terminal. The shell's rc file, one of
// [shellRCs], says on the terminal when it is ready, and writes what there is to
// know to files.
type typist struct {
	t        *testing.T
	shell    *exec.Cmd
	terminal *os.File
	files    string // the folder of what the shell writes
	said     bytes.Buffer
}

// What a shell says; it says it in two parts, so that an echo of the rc is none.
const (
	ready  = "<ready>"
	dumped = "<dumped>"
)

// openTerminal returns both ends of a new terminal.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 200}); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// newTypist starts a shell in dir, and returns when it has a prompt.
func newTypist(t *testing.T, dir string, env []string, args ...string) *typist {
	t.Helper()
	ours, theirs := openTerminal(t)
	p := &typist{t: t, terminal: ours, files: t.TempDir()}
	p.shell = exec.CommandContext(t.Context(), args[0], args[1:]...)
	p.shell.Dir = dir
	p.shell.Env = append(append(os.Environ(), "TERM=xterm", "LC_ALL=C.UTF-8", "FILES="+p.files), env...)
	p.shell.Stdin, p.shell.Stdout, p.shell.Stderr = theirs, theirs, theirs
	p.shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.shell.Start(); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.shell.Process.Kill()
		_ = p.shell.Wait()
	})
	p.await(ready)
	return p
}

// await reads what the shell says until it has said word.
func (p *typist) await(word string) {
	p.t.Helper()
	const patience = time.Minute
	late := time.AfterFunc(patience, func() { _ = p.shell.Process.Kill() })
	defer late.Stop()
	buffer := make([]byte, 4096)
	for !bytes.Contains(p.said.Bytes(), []byte(word)) {
		n, err := p.terminal.Read(buffer)
		p.said.Write(buffer[:n])
		if err != nil {
			p.t.Fatalf("%s ends before it says %s: %v\n%q", p.shell.Path, word, err, p.said.String())
		}
	}
	p.said.Reset()
}

// complete types a line and TAB, and returns the file of that name which the
// shell then writes; the line is gone.
func (p *typist) complete(line, file string) string {
	p.t.Helper()
	const (
		dump  = "\a"
		erase = "\x05\x15" // to the end of the line, and back
	)
	path := filepath.Join(p.files, file)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
	if _, err := io.WriteString(p.terminal, line+"\t"+dump); err != nil {
		p.t.Fatal(err)
	}
	p.await(dumped)
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := io.WriteString(p.terminal, erase); err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// run has the shell run a line.
func (p *typist) run(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.terminal, line+"\r"); err != nil {
		p.t.Fatal(err)
	}
	p.await(ready)
}

// words returns the words that the shell reads in a line after TAB.
func (p *typist) words(line string) []string {
	return strings.Split(strings.TrimSuffix(p.complete(line, "line"), "\n"), "\n")
}

// bashRC writes what can stand at the cursor to "offered", and the words of the line to "line".
const bashRC = `
probe() {
  _compose "$@"
  ((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}" >"$FILES/offered"
}
dump() {
  eval "set -- $READLINE_LINE"
  printf '%s\n' "$@" >"$FILES/line"
  printf '<%s>' dumped
}
complete -F probe compose
bind 'set bell-style none'
bind 'set enable-bracketed-paste off'
bind -x '"\C-g": dump'
PS1='<''ready> '
`

// zshRC does that for zsh, where all that is offered goes through compadd.
const zshRC = `
compadd() {
  local -a hits
  if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
    builtin compadd -A hits "$@"
    (( $#hits == 0 )) || print -rl -- $IPREFIX${(Q)^hits} >>$FILES/offered
  fi
  builtin compadd "$@"
}
dump() {
  eval "set -- $BUFFER"
  print -rl -- "$@" >$FILES/line
  print -n '<''dumped>'
}
setopt no_beep
zle -N dump
bindkey '^G' dump
bindkey '^U' kill-whole-line
PS1='<''ready> '
`

// fishRC does that for fish, but for what is offered, which fish tells everybody.
const fishRC = `
function dump
    eval "printf '%s\n' "(commandline) >$FILES/line
    printf '<%s>' dumped
end
function fish_prompt
    printf '<%s> ' ready
end
function fish_greeting
end
bind \cg dump
`
