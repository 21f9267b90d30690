package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// interpreterLimit is how much of a script the kernel looks at, in bytes.
	interpreterLimit = 256
	// outputLimit is what Output keeps, in bytes.
	outputLimit = 64 << 10
	// outputPatience is how long Output listens to what the program left behind.
	outputPatience = time.Second
	// killPatience is how long a killed program may take to end: in the kernel,
	// at a disk that does not answer, it may be for ever.
	killPatience = time.Second
)

// Command is a program to start.
type Command struct {
	// Path is the program's file; it is not looked up.
	Path string
	// Args are its arguments, without its name.
	Args []string
	// Env is its environment; nil is that of this process.
	Env []string
	// Dir is where it starts; "" is here.
	Dir string
	// Stdin, Stdout and Stderr are /dev/null where they are nil.
	Stdin, Stdout, Stderr *os.File
	// Session makes it the leader of a session of its own, so that no terminal
	// of this process is its controlling one.
	Session bool
}

// Start starts a program. The caller keeps its files and closes them.
func (r *Reaper) Start(c Command) (*Child, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	var files []uintptr
	for _, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		if f == nil {
			f = null
		}
		files = append(files, f.Fd())
	}
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := syscall.ForkExec(c.Path, append([]string{c.Path}, c.Args...), &syscall.ProcAttr{
		Dir: c.Dir, Env: env, Files: files, Sys: &syscall.SysProcAttr{Setsid: c.Session},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, explain(c.Path, err))
	}
	child := &Child{PID: pid, done: make(chan struct{})}
	r.children[pid] = child
	return child, nil
}

// explain says what is not there where the kernel only says that something is not:
// the program is, and what is to read it or to load its libraries is not.
func explain(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, openErr := os.Open(path)
	if openErr != nil {
		return err
	}
	defer file.Close()
	line, _ := bufio.NewReader(io.LimitReader(file, interpreterLimit)).ReadString('\n')
	named, script := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "#!")
	if !script {
		return errors.New("what loads its libraries is not there")
	}
	named = strings.TrimLeft(named, " \t")
	if end := strings.IndexAny(named, " \t"); end >= 0 {
		named = named[:end]
	}
	return fmt.Errorf("its interpreter %q is not there", named)
}

// Run starts a program and waits for it. A program that does not end well is an
// *ExitError; when ctx ends, the program is killed, and waited for a second more.
func (r *Reaper) Run(ctx context.Context, c Command) error {
	child, err := r.Start(c)
	if err != nil {
		return err
	}
	return r.finish(ctx, child, c.Path)
}

// finish waits for a program, and kills it when ctx ends first.
func (r *Reaper) finish(ctx context.Context, child *Child, path string) error {
	exit, err := child.Wait(ctx)
	if err != nil {
		r.Signal(child, syscall.SIGKILL)
		timer := time.NewTimer(killPatience)
		defer timer.Stop()
		select {
		case <-child.Done():
		case <-timer.C:
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	if !exit.OK() {
		return &ExitError{Path: path, Exit: exit}
	}
	return nil
}

// Signal sends a signal to a child that has not been reaped: its number cannot
// belong to another process yet.
func (r *Reaper) Signal(c *Child, sig syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.children[c.PID] == c {
		_ = syscall.Kill(c.PID, sig)
	}
}

// Output runs a program and returns what it wrote to both its outputs; of much,
// the end.
func (r *Reaper) Output(ctx context.Context, c Command) (string, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer in.Close()
	c.Stdout, c.Stderr = out, out
	child, err := r.Start(c)
	_ = out.Close()
	if err != nil {
		return "", err
	}
	text := make(chan string, 1)
	go func() { text <- lastBytes(in, outputLimit) }()
	err = r.finish(ctx, child, c.Path)
	// What it left in the background may hold the pipe open.
	_ = in.SetReadDeadline(time.Now().Add(outputPatience))
	return <-text, err
}

// lastBytes reads r to its end and returns at most the last limit bytes.
func lastBytes(r io.Reader, limit int) string {
	var all []byte
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		all = append(all, buf[:n]...)
		if len(all) > limit {
			all = append(all[:0], all[len(all)-limit:]...)
		}
		if err != nil {
			return strings.ToValidUTF8(string(all), "?")
		}
	}
}
