package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// lab is what the makers share.
type lab struct {
	program  string // compose, where everybody can run it
	vendored string // what images are made of, where everybody can read it
	scratch  string
	out      io.Writer
	mu       sync.Mutex // of out, while both make
}

// line prints a line of what was done, and how long that took, on the clock and, where
// it is known, of processors.
func (l *lab) line(who, what string, took, cpu time.Duration) {
	text := fmt.Sprintf("%-16s  %-44s  %6.1f s", who, what, took.Seconds())
	if cpu > 0 {
		text += fmt.Sprintf("  %6.1f s of CPU", cpu.Seconds())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.out, text)
}

// provide fetches what images are made of, and puts that and the program where
// another user can read them.
func (l *lab) provide(ctx context.Context, program, vendored string) error {
	cmd := exec.CommandContext(ctx, program, "pkg", "vendor", "-cache", filepath.Join(filepath.Dir(vendored), "cache"), "-progress", "none", vendored)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	readable := copying{mode: func(os.FileMode) os.FileMode { return 0o644 }}
	if err := readable.tree(vendored, l.vendored); err != nil {
		return err
	}
	executable := copying{mode: func(os.FileMode) os.FileMode { return 0o755 }}
	return executable.file(program, l.program)
}

// cold makes all images from nothing.
func (l *lab) cold(ctx context.Context, m *maker) error {
	r, err := m.build(ctx, l)
	if err != nil {
		return err
	}
	l.line(m.name, "makes all", r.took, r.cpu)
	if !strings.Contains(r.said, "build ") {
		return fmt.Errorf("nothing was built: compose said %q", r.said)
	}
	m.images, err = parseImages(r.printed)
	return err
}

// warm makes all images again, wants nothing to be made, and the digests to be the
// same, and those that show-tag works out.
func (l *lab) warm(ctx context.Context, m *maker) error {
	r, err := m.build(ctx, l)
	if err != nil {
		return err
	}
	l.line(m.name, "has all, a second time", r.took, r.cpu)
	if strings.Contains(r.said, "build ") {
		return fmt.Errorf("something was built: compose said %q", r.said)
	}
	again, err := parseImages(r.printed)
	if err != nil {
		return err
	}
	tags, err := m.compose(ctx, l, "pkg", "show-tag")
	if err != nil {
		return err
	}
	return errors.Join(again.same(m.images), m.images.tagged(tags.printed))
}

// ran is what came of a command.
type ran struct {
	printed, said string // on standard output, on standard error
	took, cpu     time.Duration
}

// compose runs compose as the maker does, in a namespace without a network.
func (m *maker) compose(ctx context.Context, l *lab, words ...string) (*ran, error) {
	words = append(words, m.flags(l)...)
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `umask "$0"; exec "$@"`, m.umask, l.program}, words...)...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = m.tree, m.environment(), m.attributes()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compose %s: %w\n%s", strings.Join(words, " "), err, &stderr)
	}
	return &ran{stdout.String(), stderr.String(), time.Since(begin), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// build makes the named sources, or all.
func (m *maker) build(ctx context.Context, l *lab, words ...string) (*ran, error) {
	return m.compose(ctx, l, append([]string{"pkg", "build"}, words...)...)
}
