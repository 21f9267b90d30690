package main

import (
	"bytes"
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
)

// run is one build in a place of its own. A row varies it before it is built.
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
	args     []string                    // further flags of build
	stdout   bool                        // write to standard output
	imported bool                        // the cache has the subject's images
	keep     string                      // where the tar is kept; "" if it is not
	after    func(context.Context) error // looks at what the build left behind; may be nil
	undo     []func() error
}

// newRun returns a plain run of s in place.
func newRun(l *lab, s *subject, place string) *run {
	return &run{
		lab: l, subject: s, place: place,
		program: []string{filepath.Join(l.root, "bin", "compose")},
		env:     map[string]string{"TZ": "UTC", "LANG": "C", "PATH": os.Getenv("PATH")},
		umask:   "022", cache: filepath.Join(place, "cache"),
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

// build composes the subject and returns the digests of what it wrote.
func (r *run) build(ctx context.Context) (result, error) {
	if err := r.ready(); err != nil {
		return result{}, err
	}
	if err := r.importImages(ctx); err != nil {
		return result{}, err
	}
	tar := filepath.Join(r.out(), r.subject.tar())
	args := []string{"build", "-accept-unsigned", "*", "-offline", "-arch", "amd64", "-format", "tar", "-progress", "none", "-cache", r.cache}
	args = append(args, r.args...)
	manifest := r.subject.manifest
	if r.cwd != "" {
		manifest = filepath.Join(r.in(), manifest)
	}
	if !r.stdout {
		err := r.compose(ctx, nil, append(args, "-dir", r.out(), manifest)...)
		return r.digests(tar, err)
	}
	f, err := os.Create(tar)
	if err != nil {
		return result{}, err
	}
	err = r.compose(ctx, f, append(args, "-o", "-", manifest)...)
	return r.digests(tar, errors.Join(err, f.Close()))
}

// digests returns those of the tar and of the lock, unless err is set.
func (r *run) digests(tar string, err error) (result, error) {
	if err != nil {
		return result{}, err
	}
	var got result
	if got.tar, err = sum(tar); err != nil {
		return result{}, err
	}
	if got.lock, err = sum(filepath.Join(r.in(), r.subject.lock())); err != nil {
		return result{}, err
	}
	if r.keep != "" {
		return got, copyFile(tar, r.keep)
	}
	return got, os.Remove(tar)
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
// or, where that is nil, nowhere.
func (r *run) compose(ctx context.Context, stdout io.Writer, args ...string) error {
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
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = stdout, &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(append(r.program, args...), " "), err, &complaint)
	}
	return nil
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
