package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/composeos/compose/outputs"
)

// explanation is a file of which diffoscope has to name what differs in it. It can
// look into a tar, an ISO 9660 volume, and an initramfs of several members. It cannot
// look into a FAT volume or a unified kernel image; where microcode is in front of an
// initramfs it takes that for all there is; and in a container image, the layers of
// which are named after their content, it compares no layer with another.
type explanation struct {
	file  string   // how its name ends
	bare  bool     // of systems without microcode
	names []string // what it has to name
}

// explained lets diffoscope, which knows nothing of compose, say where the planted
// difference is, prints that, and wants it to name the file.
func (l *lab) explained(ctx context.Context, s *subject, p planting) error {
	line := p.line + ": diffoscope"
	for _, e := range p.explained {
		file := s.stem() + e.file
		if s.want[file] == "" { // there is no boot loader
			continue
		}
		why := e.lacks()
		if why != "" && l.ci {
			return errors.New(why)
		}
		if why != "" {
			l.skipped++
			l.line(s, line, "-", "skipped: "+file+": "+why)
			continue
		}
		where, err := l.compare(ctx, s, p, e)
		if err != nil {
			return err
		}
		l.line(s, line, "", file+":")
		for _, found := range where {
			_, _ = fmt.Fprintln(l.out, "    "+found)
		}
		for _, name := range e.names {
			if !slices.ContainsFunc(where, func(found string) bool { return strings.HasSuffix(found, branch+name) }) {
				return fmt.Errorf("%s: diffoscope does not name %s", file, name)
			}
		}
	}
	return nil
}

// lacks says which program is not there that it takes; "" if none.
func (e explanation) lacks() string {
	programs := []string{"diffoscope"}
	if e.file == ".iso" {
		programs = append(programs, "isoinfo") // with which diffoscope reads it
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return "no " + p
		}
	}
	return ""
}

// compare returns where diffoscope finds differences between the first row's file and
// that with the planted difference.
func (l *lab) compare(ctx context.Context, s *subject, p planting, e explanation) ([]string, error) {
	file := s.stem() + e.file
	if !e.bare {
		return diffoscope(ctx, filepath.Join(s.kept, file), filepath.Join(s.kept+"-planted", file))
	}
	a, b := s.kept+"-bare", s.kept+"-bare-planted"
	_, errA := l.keep(ctx, s.stripped(), a, outputs.ISO{})
	_, errB := l.keep(ctx, p.in(l, s).stripped(), b, outputs.ISO{})
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	where, err := diffoscope(ctx, filepath.Join(a, file), filepath.Join(b, file))
	return where, errors.Join(err, os.RemoveAll(a), os.RemoveAll(b))
}

// branch is what diffoscope writes before what it names.
const branch = "├── "

// diffoscope returns where it finds differences between two files: the lines of its
// report that name something.
func diffoscope(ctx context.Context, a, b string) (where []string, err error) {
	cmd := exec.CommandContext(ctx, "diffoscope", "--text", "-", "--no-progress", a, b)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 { // 1: they differ
		return nil, fmt.Errorf("diffoscope %s %s: %w", a, b, err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, branch) {
			where = append(where, strings.TrimSuffix(line, "\n"))
		}
	}
	return where, nil
}

// stripped is the subject without microcode, in front of which diffoscope sees no
// initramfs.
func (s *subject) stripped() *subject {
	bare := *s
	bare.fill = func(in string) error {
		if err := s.fill(in); err != nil {
			return err
		}
		path := filepath.Join(in, s.manifest)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		before, after, found := strings.Cut(string(text), "\n  ucode: ")
		if !found {
			return fmt.Errorf("%s names no microcode", s.manifest)
		}
		_, after, _ = strings.Cut(after, "\n")
		return os.WriteFile(path, []byte(before+"\n"+after), 0o644)
	}
	return &bare
}
