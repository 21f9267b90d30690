package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// warm gives the run a cache that a build has filled.
func warm(ctx context.Context, r *run) error {
	if r.subject.shared != "" {
		r.cache = r.subject.shared
		if _, err := os.Stat(r.cache); err == nil { // no row has failed
			r.imported = true
			return nil
		}
	}
	return r.again(ctx)
}

// first leaves its cache to the subject's warm runs.
func first(_ context.Context, r *run) error {
	if r.subject.shared != "" {
		r.cache = r.subject.shared
	}
	return nil
}

// copiedCache leaves no stamp true: every file is another one.
func copiedCache(_ context.Context, r *run) error {
	to := filepath.Join(r.place, "copied")
	if err := copyTree(r.cache, to, r.lab.shuffleNames); err != nil {
		return err
	}
	from := r.cache
	r.cache = to
	if from == r.subject.shared {
		return nil
	}
	return os.RemoveAll(from)
}

// readOnly takes the right to write into the cache away: it stays root's, and
// another user builds.
func readOnly(ctx context.Context, r *run) error {
	if r.cache != r.subject.shared {
		outside, err := r.lab.place(r.lab.scratch) // the run's place becomes the user's
		if err != nil {
			return err
		}
		r.undo = append(r.undo, func() error { return os.RemoveAll(outside) })
		cache := filepath.Join(outside, "cache")
		if err := os.Rename(r.cache, cache); err != nil {
			return err
		}
		r.cache = cache
	}
	before, err := modes(r.cache)
	if err != nil {
		return err
	}
	for path, mode := range before {
		r.undo = append(r.undo, func() error { return os.Chmod(path, mode) })
		if err := os.Chmod(path, mode&^0o222); err != nil {
			return err
		}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return otherUser(ctx, r)
}

// modes returns the permissions of every folder and file below dir.
func modes(dir string) (map[string]fs.FileMode, error) {
	all := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all[path] = info.Mode().Perm()
		}
		return err
	})
	return all, err
}

// changedBefore composes another system with the cache first: one local file is
// longer.
func changedBefore(ctx context.Context, r *run) error {
	path := filepath.Join(r.in(), r.subject.local)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	write := func(text []byte) error {
		return errors.Join(os.Remove(path), os.WriteFile(path, text, 0o644)) // it may be read-only
	}
	return errors.Join(write(append([]byte("another line\n"), text...)), r.again(ctx), write(text))
}

// twoAtOnce runs the build twice on one empty cache, at the same time, the other
// with these variables, and returns an error unless both write the same.
func twoAtOnce(pairs ...string) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		other := newRun(r.lab, r.subject, filepath.Join(r.place, "other"))
		other.cache = r.cache
		if err := errors.Join(env(pairs...)(ctx, other), other.subject.fill(other.in())); err != nil {
			return err
		}
		var theirs result
		var g errgroup.Group
		g.Go(func() (err error) {
			theirs, err = other.build(ctx)
			return err
		})
		mine, err := r.build(ctx)
		if err := errors.Join(err, g.Wait()); err != nil {
			return err
		}
		if err := mine.differences(theirs, "the other's is"); err != nil {
			return fmt.Errorf("the two differ: %w", err)
		}
		return os.Remove(filepath.Join(r.in(), r.subject.lock()))
	}
}
