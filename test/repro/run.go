package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/composeos/compose/outputs"
)

// run is one build, in all formats, in a place of its own. A row varies it before
// it is built.
type run struct {
	lab      *lab
	subject  *subject
	place    string // holds in (manifest, sources, images), cache, out, home, tmp
	program  []string
	env      map[string]string
	umask    string
	user     uint32 // 0: whoever runs this
	cwd      string // "": the input folder
	cache    string
	args     []string // further flags of build
	formats  []outputs.Format
	apart    bool                        // a build for each format
	fresh    bool                        // each build begins with an empty cache
	stdout   bool                        // a build of one file writes it to standard output
	imported bool                        // the cache has the subject's images
	keep     string                      // where the outputs go in the end; "": nowhere
	after    func(context.Context) error // looks at what the build left behind; may be nil
	guest    bool                        // it is built in a virtual machine
	note     string                      // what there is to say of it
	undo     []func() error
}

// newRun returns a plain run of s in place.
func newRun(l *lab, s *subject, place string) *run {
	return &run{
		lab: l, subject: s, place: place,
		program: []string{filepath.Join(l.root, "bin", "compose")},
		env:     map[string]string{"TZ": "UTC", "LANG": "C", "PATH": os.Getenv("PATH")},
		umask:   "022", cache: filepath.Join(place, "cache"), formats: s.formats(),
	}
}

func (r *run) in() string  { return filepath.Join(r.place, "in") }
func (r *run) out() string { return filepath.Join(r.place, "out") }

// close undoes what a row did to the machine, last first, and removes the place.
func (r *run) close() error {
	var all []error
	for _, f := range slices.Backward(r.undo) {
		all = append(all, f())
	}
	return errors.Join(append(all, os.RemoveAll(r.place))...)
}

// build composes the subject and returns the digests of what it wrote. Those that
// compose prints have to be right.
func (r *run) build(ctx context.Context) (result, error) {
	if err := r.ready(); err != nil {
		return nil, err
	}
	if r.guest {
		return r.buildInGuest(ctx)
	}
	builds := [][]outputs.Format{r.formats}
	if r.apart {
		builds = slices.Collect(slices.Chunk(r.formats, 1))
	}
	printed := result{}
	for _, formats := range builds {
		if err := r.buildOne(ctx, formats, printed); err != nil {
			return nil, err
		}
	}
	got, err := written(r.out())
	if err != nil {
		return nil, err
	}
	if err := got.differences(printed, "compose printed"); err != nil {
		return nil, err
	}
	lock := filepath.Join(r.in(), r.subject.lock())
	if got[filepath.Base(lock)], err = digestAndSize(lock); err != nil {
		return nil, err
	}
	return got, r.clear()
}

// buildOne runs one build, and adds the lines that it prints to printed.
func (r *run) buildOne(ctx context.Context, formats []outputs.Format, printed result) error {
	if r.fresh {
		if err := os.RemoveAll(r.cache); err != nil {
			return err
		}
		r.imported = false
	}
	if err := r.importImages(ctx); err != nil {
		return err
	}
	args := append([]string{"build"}, r.flags(formats)...)
	for _, m := range r.subject.manifests() {
		if r.cwd != "" {
			m = filepath.Join(r.in(), m)
		}
		args = append(args, m)
	}
	if files := formats[0].Files(r.subject.stem()); r.stdout && len(formats) == 1 && len(files) == 1 {
		return r.buildToStdout(ctx, append(args, "-o", "-"), files[0], printed)
	}
	var lines strings.Builder
	if _, err := r.compose(ctx, &lines, append(args, "-dir", r.out())...); err != nil {
		return err
	}
	for line := range strings.Lines(lines.String()) {
		if err := printed.read(line, ""); err != nil {
			return err
		}
	}
	return nil
}

// buildToStdout runs a build of one file; the line goes to standard error then.
func (r *run) buildToStdout(ctx context.Context, args []string, name string, printed result) error {
	f, err := os.Create(filepath.Join(r.out(), name))
	if err != nil {
		return err
	}
	said, err := r.compose(ctx, f, args...)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	for line := range strings.Lines(said) {
		if strings.HasSuffix(line, " -\n") {
			return printed.read(line, name)
		}
	}
	return fmt.Errorf("compose printed no digest of %s", name)
}

// flags are those of a build, but where it writes to.
func (r *run) flags(formats []outputs.Format) []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name())
	}
	args := []string{
		"-accept-unsigned", "*", "-offline", "-arch", "amd64", "-progress", "none", "-cache", r.cache,
		"-format", strings.Join(names, ","),
	}
	if c := r.subject.compress; c != "" {
		args = append(args, "-compress", c)
	}
	if s := r.subject.size; s != "" {
		args = append(args, "-size", s)
	}
	return append(args, r.args...)
}

// clear puts the outputs where they are to be.
func (r *run) clear() error {
	switch r.keep {
	case "":
		return os.RemoveAll(r.out())
	case r.out():
		return nil
	}
	return os.Rename(r.out(), r.keep)
}

// ready makes the folders that a run needs and gives the place to its user.
func (r *run) ready() error {
	for _, dir := range []string{r.out(), r.home(), r.tmp()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if r.user == 0 {
		return nil
	}
	return filepath.WalkDir(r.place, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(r.user), int(r.user))
	})
}

func (r *run) home() string { return r.or("HOME", "home") }
func (r *run) tmp() string  { return r.or("TMPDIR", "tmp") }

// or returns what a row has put into the environment, or a folder of the place.
func (r *run) or(name, folder string) string {
	if dir, ok := r.env[name]; ok {
		return dir
	}
	return filepath.Join(r.place, folder)
}

// compose runs compose as the row wants it; its standard output goes to stdout,
// or, where that is nil, nowhere. It returns what compose said on standard error.
func (r *run) compose(ctx context.Context, stdout io.Writer, args ...string) (said string, err error) {
	argv := slices.Concat([]string{"-c", `umask "$0"; exec "$@"`, r.umask}, r.program, args)
	cmd := exec.CommandContext(ctx, "sh", argv...)
	cmd.Dir = r.cwd
	if r.cwd == "" {
		cmd.Dir = r.in()
	}
	env := maps.Clone(r.env)
	env["HOME"], env["TMPDIR"] = r.home(), r.tmp()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, name+"="+env[name])
	}
	if r.user != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: r.user, Gid: r.user}}
	}
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(append(r.program, args...), " "), err, &stderr)
	}
	return stderr.String(), nil
}

// again builds once, so that the cache is warm, and forgets what it wrote.
func (r *run) again(ctx context.Context) error {
	keep := r.keep
	r.keep = ""
	_, err := r.build(ctx)
	r.keep = keep
	if err != nil {
		return err
	}
	return os.Remove(filepath.Join(r.in(), r.subject.lock()))
}
