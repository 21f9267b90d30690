package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The waits between two tries for a lock that somebody else has.
const (
	firstWait = time.Millisecond
	lastWait  = 50 * time.Millisecond
)

// flock is flock(2), again if a signal came in between. Locks belong to the
// open file: they exclude other openers in this process as in others, and end
// with the process, however it ends.
func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// flockWait takes a lock that others may have, until ctx is done. It asks
// again and again, since a flock that blocks cannot be called off.
func flockWait(ctx context.Context, f *os.File, how int) error {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		err := flock(f, how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}

// linked tells whether path still is the file that f has open.
func linked(f *os.File, path string) (bool, error) {
	here, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(here, there), err
}

// lock takes the lock on making the entry of that key; unlock gives it back.
// The lock file goes with the lock, so that the folder does not grow: who gets
// the lock on a file that is gone begins again.
func (s *Store) lock(ctx context.Context, key string) (unlock func(), err error) {
	path := s.path(locksDir, key)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, s.cannotWrite(err)
		}
		if err := flockWait(ctx, f, unix.LOCK_EX); err != nil {
			_ = f.Close()
			return nil, err
		}
		ok, err := linked(f, path)
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		if ok {
			return func() { _, _ = os.Remove(path), f.Close() }, nil
		}
		_ = f.Close()
	}
}
