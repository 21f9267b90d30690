package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// harm is one kind of damage to one file of a cache.
type harm struct {
	folder string // of the cache, below its layout version; "" is all of it
	suffix string
	do     func(r *run, path string, size int64) error
}

// The harms.
func flipLayers() harm   { return harm{"layers", ".tar", flip} }
func flipIndexes() harm  { return harm{"", ".idx", flip} }
func cutIndexes() harm   { return harm{"", ".idx", cut} }
func cutLayers() harm    { return harm{"layers", ".tar", cut} }
func removeStamps() harm { return harm{"", ".stamp", remove} }
func flipNotes() harm    { return harm{"notes", "", flip} }
func removeHalf() harm   { return harm{"", "", removeSome} }

// damage does h to every file of the run's cache that it is meant for, and wants
// the build to have mended it. That there is none is an error: nothing would
// have been shown.
func damage(h func() harm) func(context.Context, *run) error {
	return func(_ context.Context, r *run) error {
		r.after = func(ctx context.Context) error { return r.compose(ctx, nil, "cache", "verify", "-cache", r.cache) }
		n := 0
		harm := h()
		err := filepath.WalkDir(r.cache, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || !harm.hits(r.cache, path) {
				return err
			}
			info, err := d.Info()
			if err != nil || info.Size() == 0 {
				return err
			}
			n++
			return harm.do(r, path, info.Size())
		})
		if err == nil && n == 0 {
			err = fmt.Errorf("the cache has no file *%s in %q to damage", harm.suffix, harm.folder)
		}
		return err
	}
}

// hits tells whether the harm is meant for the file at path.
func (h harm) hits(cache, path string) bool {
	rel, err := filepath.Rel(cache, path)
	if err != nil || !strings.HasSuffix(rel, h.suffix) {
		return false
	}
	parts := strings.Split(filepath.ToSlash(rel), "/") // v1/layers/…
	return len(parts) > 2 && (h.folder == "" || parts[1] == h.folder)
}

// flip changes one byte, anywhere in the file.
func flip(r *run, path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	at := r.lab.random.Int64N(size)
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	if err == nil {
		b[0] ^= 1 << r.lab.random.IntN(8)
		_, err = f.WriteAt(b[:], at)
	}
	return errors.Join(err, f.Close())
}

// cut drops the end of the file.
func cut(r *run, path string, size int64) error {
	return os.Truncate(path, r.lab.random.Int64N(size))
}

// remove removes the file.
func remove(_ *run, path string, _ int64) error { return os.Remove(path) }

// removeSome removes every other file, by chance.
func removeSome(r *run, path string, _ int64) error {
	if r.lab.random.IntN(2) == 0 {
		return nil
	}
	return os.Remove(path)
}

// spoiled leaves an output of the run before, with one byte changed.
func spoiled(ctx context.Context, r *run) error {
	tar := filepath.Join(r.out(), r.subject.tar())
	keep := r.keep
	r.keep = filepath.Join(r.place, "kept.tar")
	_, err := r.build(ctx)
	if err != nil {
		return err
	}
	from := r.keep
	r.keep = keep
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return errors.Join(flip(r, tar, info.Size()), os.Remove(from))
}

// warm builds once before.
func warm(ctx context.Context, r *run) error { return r.again(ctx) }

// copiedCache leaves no stamp true: every file is another one.
func copiedCache(_ context.Context, r *run) error {
	to := filepath.Join(r.place, "copied")
	if err := copyTree(r.cache, to, r.lab.shuffleNames); err != nil {
		return err
	}
	if err := os.RemoveAll(r.cache); err != nil {
		return err
	}
	r.cache = to
	return nil
}

// twoAtOnce runs the build twice on one empty cache, at the same time, and
// returns an error unless both write the same.
func twoAtOnce(ctx context.Context, r *run) error {
	other := newRun(r.lab, r.subject, filepath.Join(r.place, "other"))
	other.cache = r.cache
	if err := other.subject.fill(other.in()); err != nil {
		return err
	}
	type outcome struct {
		got result
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		got, err := other.build(ctx)
		done <- outcome{got, err}
	}()
	mine, err := r.build(ctx)
	theirs := <-done
	if err := errors.Join(err, theirs.err); err != nil {
		return err
	}
	if mine != theirs.got {
		return fmt.Errorf("the two differ: %v and %v", mine, theirs.got)
	}
	return os.Remove(filepath.Join(r.in(), r.subject.lock()))
}
