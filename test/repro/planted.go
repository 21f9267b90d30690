package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
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

// plantedLine begins every line of planted.
const plantedLine = "planted: one byte of one package"

// planted shows that the matrix can fail: a package with one byte changed has to
// change the lock and every file but those that hold nothing of that package,
// and the changed file has to be named.
func (l *lab) planted(ctx context.Context, s *subject) error {
	fail := func(verdict string, err error) error {
		l.wrong++
		l.line(s, plantedLine, "-", verdict)
		l.why(err)
		return fmt.Errorf("%s: %s: %w", s.name, plantedLine, err)
	}
	watch := start()
	changed := *s
	changed.fill = func(in string) error { return fillFixture(l.root, in, fixture.Options{Edit: plant}) }
	dir, err := l.place(l.scratch)
	if err != nil {
		return err
	}
	run := newRun(l, &changed, dir)
	run.keep = s.kept + "-planted"
	got, err := run.vary(ctx, row{})
	if err := errors.Join(err, run.close()); err != nil {
		return fail("FAILED", err)
	}
	run.cwd = l.scratch // its own place is gone
	names, err := s.foundIn(got)
	if err != nil {
		return fail("NOT FOUND", err)
	}
	l.line(s, plantedLine, got.digest(), "found      "+watch.stop())
	for _, name := range names {
		if err := s.inspected(ctx, run, name); err != nil {
			return fail("NOT SHOWN", err)
		}
		l.line(s, plantedLine+": compose inspect", "", name+": "+plantedIn)
	}
	if err := l.explained(ctx, s, run.keep); err != nil {
		return fail("NOT SHOWN", err)
	}
	l.right++
	return nil
}

// foundIn returns the names of the files, but the lock, that the planted
// difference shows in, which has to be every one that holds a file of a package.
func (s *subject) foundIn(got result) (names []string, err error) {
	lock := filepath.Base(s.lock())
	for _, name := range slices.Sorted(maps.Keys(s.want)) {
		same := name == s.stem()+"-kernel" || name == s.stem()+"-cmdline"
		switch differs := got[name] != s.want[name]; {
		case differs && same:
			return nil, fmt.Errorf("%s differs, which holds nothing of that package", name)
		case !differs && !same:
			return nil, fmt.Errorf("%s does not differ", name)
		case differs && name != lock:
			names = append(names, name)
		}
	}
	return names, nil
}

// inspected wants "compose inspect" to show the planted difference, and no other,
// between the file of that name and the first row's.
func (s *subject) inspected(ctx context.Context, run *run, name string) error {
	a, errA := inspect(ctx, run, filepath.Join(s.kept, name))
	b, errB := inspect(ctx, run, filepath.Join(run.keep, name))
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if differ := differing(a, b); !slices.Equal(differ, []string{plantedIn}) {
		return fmt.Errorf("%s: compose inspect shows these paths different: %q", name, differ)
	}
	return nil
}

// differing returns the paths that are not the same in a and b.
func differing(a, b map[string]string) []string {
	paths := maps.Clone(a)
	maps.Copy(paths, b)
	var all []string
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if a[path] != b[path] {
			all = append(all, path)
		}
	}
	return all
}

// inspect returns what "compose inspect -json" shows of each entry of a file, by
// its path.
func inspect(ctx context.Context, run *run, file string) (map[string]string, error) {
	var out strings.Builder
	if _, err := run.compose(ctx, &out, "inspect", "-json", file); err != nil {
		return nil, err
	}
	var shown struct {
		Entries []json.RawMessage `json:"entries"`
	}
	if err := json.Unmarshal([]byte(out.String()), &shown); err != nil {
		return nil, fmt.Errorf("compose inspect %s: %w", file, err)
	}
	all := map[string]string{}
	for _, text := range shown.Entries {
		var e struct {
			Path string `json:"path"`
		}
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, fmt.Errorf("compose inspect %s: %w", file, err)
		}
		all[e.Path] += string(text) // a directory is in several layers
	}
	return all, nil
}

// explained lets diffoscope, which knows nothing of compose, say what differs
// from the outputs in dir, prints that, and wants it to name the planted file. It
// can in a tar, and in an initramfs of several members. Where microcode is in
// front of the initramfs it takes that for all there is; and in a container
// image, the layers of which are named after their content, it compares no layer
// with another.
func (l *lab) explained(ctx context.Context, s *subject, dir string) error {
	const name = plantedLine + ": diffoscope"
	program, err := exec.LookPath("diffoscope")
	if err != nil && l.ci {
		return errors.New("no diffoscope")
	}
	if err != nil {
		l.skipped++
		l.line(s, name, "-", "skipped: no diffoscope")
		return nil
	}
	for _, file := range []string{s.stem() + ".tar", s.stem() + "-initrd.tar"} {
		cmd := exec.CommandContext(ctx, program, "--text", "-", "--no-progress", filepath.Join(s.kept, file), filepath.Join(dir, file))
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 { // 1: they differ
			return fmt.Errorf("%s: diffoscope: %w", file, err)
		}
		if !strings.Contains(string(out), plantedIn) {
			return fmt.Errorf("%s: diffoscope does not name %s:\n%s", file, plantedIn, out)
		}
		l.line(s, name, "", file+":")
		for line := range strings.Lines(string(out)) {
			_, _ = fmt.Fprint(l.out, "    ", line)
		}
	}
	return nil
}
