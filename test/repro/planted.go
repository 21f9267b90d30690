package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/composeos/compose/test/fixture"
)

// What is planted: one letter of one file of one package.
const (
	plantedImage = "hello"
	plantedPath  = "srv/data/c"
	plantedIn    = "containers/services/hello/lower/srv/data/c" // where it ends up
)

// plant changes one byte of the planted file.
func plant(image, path string, content []byte) []byte {
	if image == plantedImage && path == plantedPath {
		return bytes.Replace(content, []byte("c"), []byte("C"), 1)
	}
	return content
}

// planted shows that the matrix can fail: a package with one byte changed has to
// give another tar, and diffoscope has to name the file.
func (l *lab) planted(ctx context.Context, first *subject) error {
	s := *first
	s.fill = func(in string) error { return fillFixture(l.root, in, fixture.Options{Edit: plant}) }
	dir, err := l.place(l.scratch)
	if err != nil {
		return err
	}
	run := newRun(l, &s, dir)
	run.keep = filepath.Join(l.scratch, "planted.tar")
	got, err := run.vary(ctx, row{})
	if err := errors.Join(err, run.close()); err != nil {
		return fmt.Errorf("planted difference: %w", err)
	}
	if got.tar == first.want.tar || got.lock == first.want.lock {
		l.line(first, "planted: one byte of one package", got.tar, "NOT FOUND")
		return fmt.Errorf("planted difference: not found: tar %s, lock %s", got.tar, got.lock)
	}
	l.line(first, "planted: one byte of one package", got.tar, "found, as it must be")
	return l.explain(ctx, first, run.keep)
}

// explain lets diffoscope say how the tar at path differs from the first row's,
// prints that, and wants it to name the planted file.
func (l *lab) explain(ctx context.Context, first *subject, path string) error {
	program, err := exec.LookPath("diffoscope")
	if err != nil {
		l.line(first, "planted: shown by diffoscope", "-", "skipped: no diffoscope")
		if l.ci {
			return errors.New("planted difference: no diffoscope")
		}
		return nil
	}
	cmd := exec.CommandContext(ctx, program, "--text", "-", "--no-progress", filepath.Join(l.scratch, first.name+".tar"), path)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 { // 1: they differ
		return fmt.Errorf("diffoscope: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		fmt.Print("    ", line)
	}
	if !strings.Contains(string(out), plantedIn) {
		return fmt.Errorf("diffoscope does not name %s", plantedIn)
	}
	l.line(first, "planted: shown by diffoscope", "", "names "+plantedIn)
	return nil
}
