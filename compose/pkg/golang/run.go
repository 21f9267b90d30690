package golang

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

// command is one call of a go command.
type command struct {
	program string // path
	dir     string // to run in
	arch    string // to compile for; "" for what compiles nothing
	args    []string
}

// run runs a go command and returns what it wrote to its standard output. Its
// complaints are the error.
func (o *Options) run(ctx context.Context, c command) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.program, c.args...)
	cmd.Dir = c.dir
	cmd.Env = o.environment(c.arch)
	// Go clears its temporary folder away when it is interrupted.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if err == nil {
		return out.Bytes(), nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return out.Bytes(), o.judge(complaint.String(), err)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%w (%w)", ErrNoGo, err)
	}
	return nil, err
}

// goProxy is what go fetches from with these options: its own default too.
func (o *Options) goProxy(ctx context.Context) (string, error) {
	out, err := o.run(ctx, command{program: o.Go, dir: o.Scratch, args: []string{"env", "GOPROXY"}})
	return strings.TrimSpace(string(out)), err
}

// judge makes an error of what a go command wrote.
func (o *Options) judge(complaint string, exit error) error {
	text := readable(complaint)
	if text == "" {
		return exit
	}
	if o.Offline && lacksModule(text) {
		return fmt.Errorf("%s: %w", text, ErrOffline)
	}
	if strings.Contains(text, "SECURITY ERROR") || strings.Contains(text, "checksum mismatch") {
		return fmt.Errorf("%s: %w", text, ErrSum)
	}
	return errors.New(text)
}

// lacksModule tells whether a go command complains of a module that it cannot
// have offline.
func lacksModule(text string) bool {
	return strings.Contains(text, "disabled by GOPROXY=off") ||
		strings.Contains(text, "reading file://") && strings.Contains(text, "no such file or directory")
}

// maxComplaint bounds what is repeated of a go command's complaints, in lines.
const maxComplaint = 40

// readable leaves out what go says about its downloads, and indents the rest if
// it has several lines.
func readable(complaint string) string {
	var lines []string
	for line := range strings.Lines(complaint) {
		line = strings.TrimRight(line, " \r\n")
		if line == "" || strings.HasPrefix(line, "go: downloading ") || strings.HasPrefix(line, "go: extracting ") {
			continue
		}
		lines = append(lines, line)
	}
	if more := len(lines) - maxComplaint; more > 0 {
		lines = append(lines[:maxComplaint], fmt.Sprintf("… and %d more lines", more))
	}
	if len(lines) < 2 {
		return strings.Join(lines, "")
	}
	return "\n\t" + strings.Join(lines, "\n\t")
}
