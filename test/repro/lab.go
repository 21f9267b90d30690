package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lab is what the rows share.
type lab struct {
	root     string // of the repository
	scratch  string // removed at the end
	workload string // the folder of the measuring workload; "" for none
	loader   string // the image layout of the boot loaders; "" for none
	out      io.Writer
	seed     uint64
	random   *rand.Rand
	ci       bool // a row that cannot be run is a failure
	places   int  // how many have been made

	right, wrong, skipped int // rows
}

// newLab makes the folder that everything happens in.
func newLab(seed uint64, workload string) (*lab, error) {
	if workload != "" {
		dir, err := filepath.Abs(workload)
		if err != nil {
			return nil, err
		}
		workload = dir
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	root := strings.TrimSpace(string(out))
	if root == "" {
		return nil, errors.New("this is run in the repository")
	}
	scratch, err := os.MkdirTemp("", "compose-repro-")
	if err != nil {
		return nil, err
	}
	return &lab{
		root: root, scratch: scratch, workload: workload, out: os.Stdout,
		seed: seed, random: rand.New(rand.NewPCG(seed, 0)),
		ci: os.Getenv("CI") == "true",
	}, os.Chmod(scratch, 0o755) // another user works in it too
}

func (l *lab) close() error { return os.RemoveAll(l.scratch) }

// place makes a new empty folder below parent.
func (l *lab) place(parent string) (string, error) {
	l.places++
	dir := filepath.Join(parent, fmt.Sprintf("%03d", l.places))
	return dir, os.Mkdir(dir, 0o755)
}

// result runs r on s in a place of its own, and returns what there is to say of it.
func (l *lab) result(ctx context.Context, s *subject, r row) (got result, note string, err error) {
	dir, err := l.place(l.scratch)
	if err != nil {
		return nil, "", err
	}
	run := newRun(l, s, dir)
	if r.first {
		run.keep = s.kept
	}
	got, err = run.vary(ctx, r)
	return got, run.note, errors.Join(err, run.close())
}

// vary fills the run's place, lets r change it, and builds.
func (r *run) vary(ctx context.Context, row row) (result, error) {
	if err := r.subject.fill(r.in()); err != nil {
		return nil, err
	}
	if row.vary != nil {
		if err := row.vary(ctx, r); err != nil {
			return nil, err
		}
	}
	got, err := r.build(ctx)
	if err == nil && r.after != nil {
		err = r.after(ctx)
	}
	return got, err
}

// copyTree copies the files and folders below from to to, one after the other in
// the order that shuffle gives, and without their times.
func copyTree(from, to string, shuffle func([]string)) error {
	var files []string
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		files = append(files, rel)
		return nil
	})
	if err != nil {
		return err
	}
	if shuffle != nil {
		shuffle(files)
	}
	for _, rel := range files {
		if err := copyFile(filepath.Join(from, rel), filepath.Join(to, rel)); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies one regular file and its permissions.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm()|0o200)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
