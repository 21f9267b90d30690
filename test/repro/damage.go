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
func flipLayers() harm       { return harm{"layers", ".tar", flip} }
func flipIndexes() harm      { return harm{"", ".idx", flip} }
func cutIndexes() harm       { return harm{"", ".idx", cut} }
func cutLayers() harm        { return harm{"layers", ".tar", cut} }
func flipMembers() harm      { return harm{"members", ".member", flip} }
func cutMembers() harm       { return harm{"members", ".member", cut} }
func removeMembers() harm    { return harm{"members", ".member", remove} }
func dropMemberStamps() harm { return harm{"members", ".stamp", remove} }
func removeStamps() harm     { return harm{"", ".stamp", remove} }
func flipNotes() harm        { return harm{"notes", "", flip} }
func flipSums() harm         { return harm{"notes/sums", "", flip} }
func cutSums() harm          { return harm{"notes/sums", "", cut} }
func removeSums() harm       { return harm{"notes/sums", "", remove} }
func removeHalfSums() harm   { return harm{"notes/sums", "", removeSome} }
func removeHalf() harm       { return harm{"", "", removeSome} }

// damage does h to every file of the run's cache that it is meant for, and wants
// the build to have mended it. That there is none is an error: nothing would
// have been shown.
func damage(h func() harm) func(context.Context, *run) error {
	return func(_ context.Context, r *run) error {
		r.after = r.verify
		harm := h()
		all, err := harm.files(r.cache)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return fmt.Errorf("the cache has no file *%s in %q to damage", harm.suffix, harm.folder)
		}
		for _, path := range all {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if err := harm.do(r, path, info.Size()); err != nil {
				return err
			}
		}
		return nil
	}
}

// files returns the files, none empty, of a cache that the harm is meant for.
func (h harm) files(cache string) ([]string, error) {
	var all []string
	err := filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !h.hits(cache, path) {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > 0 {
			all = append(all, path)
		}
		return err
	})
	return all, err
}

// hits tells whether the harm is meant for the file at path.
func (h harm) hits(cache, path string) bool {
	rel, err := filepath.Rel(cache, path)
	if err != nil || !strings.HasSuffix(rel, h.suffix) {
		return false
	}
	_, below, _ := strings.Cut(filepath.ToSlash(rel), "/") // v1/layers/…
	if h.folder == "" {
		return strings.Contains(below, "/")
	}
	return strings.HasPrefix(below, h.folder+"/")
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

// exchange gives each file that h is meant for the name of another one.
func exchange(h func() harm) func(context.Context, *run) error {
	return func(_ context.Context, r *run) error {
		all, err := h().files(r.cache)
		if err != nil {
			return err
		}
		if len(all) < 2 {
			return fmt.Errorf("the cache has %d files that could be exchanged", len(all))
		}
		r.after = r.verify
		aside := all[0] + ".aside"
		err = os.Rename(all[0], aside)
		for i := 1; i < len(all) && err == nil; i++ {
			err = os.Rename(all[i], all[i-1])
		}
		if err != nil {
			return err
		}
		return os.Rename(aside, all[len(all)-1])
	}
}

// verify wants the cache to be whole.
func (r *run) verify(ctx context.Context) error {
	_, err := r.compose(ctx, nil, "cache", "verify", "-cache", r.cache)
	return err
}

// spoiled leaves the outputs of a build before, each with one byte changed.
func spoiled(ctx context.Context, r *run) error {
	if err := there(ctx, r); err != nil {
		return err
	}
	found, err := os.ReadDir(r.out())
	for _, f := range found {
		info, statErr := f.Info()
		if err = errors.Join(err, statErr); err != nil {
			return err
		}
		if err := flip(r, filepath.Join(r.out(), f.Name()), info.Size()); err != nil {
			return err
		}
	}
	return err
}

// there leaves the outputs and the lock of a build before.
func there(ctx context.Context, r *run) error {
	keep := r.keep
	r.keep = r.out()
	_, err := r.build(ctx)
	r.keep = keep
	return err
}
