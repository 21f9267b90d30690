package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// entry is how one entry of the store is found, checked and made. All kinds go
// the same way, which is get.
type entry struct {
	key    string   // names the lock
	data   string   // path of the file that counts
	stamp  string   // path of its stamp
	others []string // paths of what is made of the data

	// load reads what else must be there to use data; nil if nothing.
	load func(data *os.File) error
	// check reads all of data and says ErrDamaged if it is not what it should be.
	check func(ctx context.Context, data *os.File) error
	// make makes the data file, which create made, without publishing it; nil if
	// there is nothing to make it of.
	make func(ctx context.Context) (*os.File, error)
}

// get returns the data file, with the hold of a lease on it. It is trusted by
// its stamp, or checked, or made; the latter two by one at a time, and the others
// wait. Without make, what is not there, or damaged, wraps fs.ErrNotExist.
func (s *Store) get(ctx context.Context, e *entry) (*os.File, error) {
	f, trusted, err := s.look(ctx, e)
	if err != nil || trusted {
		return f, err
	}
	if f == nil && e.make == nil {
		return nil, fmt.Errorf("not in the cache: %w", fs.ErrNotExist)
	}
	if f != nil {
		_ = f.Close() // it is not held while waiting, and may be another one then
	}
	unlock, lockErr := s.lock(ctx, e.key)
	if lockErr == nil {
		defer unlock()
	} else if !errors.Is(lockErr, ErrReadOnly) {
		return nil, lockErr
	}
	f, trusted, err = s.look(ctx, e)
	if err != nil || trusted {
		return f, err
	}
	var damage error
	if f != nil {
		if damage = s.examine(ctx, e, f); damage == nil {
			return f, nil
		}
		_ = f.Close()
		if !errors.Is(damage, ErrDamaged) {
			return nil, damage
		}
	}
	return s.remake(ctx, e, damage, lockErr)
}

// remake makes an entry that is not there or damaged. lockErr is why the cache
// cannot be written to, if it cannot.
func (s *Store) remake(ctx context.Context, e *entry, damage, lockErr error) (*os.File, error) {
	if damage != nil && lockErr == nil {
		if err := s.cannotWrite(remove(e)); err != nil {
			return nil, errors.Join(damage, err)
		}
	}
	switch {
	case e.make == nil && damage != nil:
		return nil, fmt.Errorf("%w: %w", damage, fs.ErrNotExist)
	case e.make == nil:
		return nil, fmt.Errorf("not in the cache: %w", fs.ErrNotExist)
	case lockErr != nil:
		return nil, errors.Join(damage, lockErr)
	}
	f, err := e.make(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.publish(f, e.data); err != nil {
		discard(f)
		return nil, err
	}
	// Renaming changes a file's change time, so the stamp is taken now.
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	s.stamp(e.key, e.stamp, StampOf(fi))
	return f, nil
}

// look opens and holds the data file, and tells whether it can be used as it
// is. It returns nil where there is none.
func (s *Store) look(ctx context.Context, e *entry) (f *os.File, trusted bool, err error) {
	f, err = hold(ctx, e.data)
	if f == nil || err != nil {
		return nil, false, err
	}
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, false, err
	}
	trusted = !s.verify && stamped(e.stamp, StampOf(fi))
	if trusted && e.load != nil {
		trusted = e.load(f) == nil
	}
	return f, trusted, nil
}

// hold opens a file and takes a shared lock on it, which Prune respects. It
// returns nil where there is no such file.
func hold(ctx context.Context, path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if errors.Is(err, unix.ELOOP) { // a symbolic link, which is not followed
			return nil, notRegular(path)
		}
		if err != nil {
			return nil, err
		}
		fi, err := f.Stat()
		if err == nil && !fi.Mode().IsRegular() {
			err = notRegular(path)
		}
		if err == nil {
			err = flockWait(ctx, f, unix.LOCK_SH)
		}
		ok := false
		if err == nil {
			ok, err = linked(f, path)
		}
		if err == nil && ok {
			return f, nil
		}
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// notRegular says what to do about what the store cannot have put there.
func notRegular(path string) error { return fmt.Errorf("%s is not a regular file: remove it", path) }

// examine hashes the data file and stamps it if it is right, and was not
// written to meanwhile.
func (s *Store) examine(ctx context.Context, e *entry, f *os.File) error {
	before, err := f.Stat()
	if err != nil {
		return err
	}
	if err := e.check(ctx, f); err != nil {
		return err
	}
	after, err := f.Stat()
	if err != nil {
		return err
	}
	st := StampOf(after)
	if st != StampOf(before) {
		return fmt.Errorf("%w: %s changed while it was read", ErrDamaged, e.data)
	}
	if !stamped(e.stamp, st) {
		s.stamp(e.key, e.stamp, st)
	}
	return nil
}

// remove removes an entry. The data go last: what is left of a removal that was
// cut short is an entry without a stamp.
func remove(e *entry) error {
	for _, path := range append(slices.Clip(e.others), e.stamp, e.data) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
