package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// Fetch takes in the blob of that digest and size, in bytes, by a download that
// may have been broken off before. from gives the bytes from an offset on; it is
// not called if the blob is there, or came in whole before. What comes is kept
// in a file that outlives the process, so that the next Fetch goes on behind it
// once it has been hashed again.
//
// Of many that fetch one blob, in one process or in several, one downloads and
// the others wait. Errors wrap [ErrDigest] where the bytes are not what was
// named: what there is of them is removed, and if part of it was there before,
// everything is downloaded once more. Errors of from, and of reading, come back
// wrapped; what was read is kept.
func (l *Lease) Fetch(ctx context.Context, d v1.Hash, size int64, from func(ctx context.Context, offset int64) (io.ReadCloser, error)) (*Blob, error) {
	if limit := l.store.limits.layer; size < 0 || size > limit {
		return nil, fmt.Errorf("blob %s: %w: a size of %d bytes, want 0 to %d", d, ErrInvalid, size, limit)
	}
	b, err := l.blob(ctx, d, func(ctx context.Context) (*os.File, error) {
		w := download{store: l.store, digest: d, size: size, from: from}
		return w.run(ctx)
	})
	if err == nil && b.Size != size {
		return nil, fmt.Errorf("blob %s: %w: %d bytes, want %d", d, ErrDigest, b.Size, size)
	}
	return b, err
}

// download brings one blob in. Who runs it has the lock on the blob.
type download struct {
	store  *Store
	digest v1.Hash
	size   int64
	from   func(ctx context.Context, offset int64) (io.ReadCloser, error)
}

// run returns the file with the whole blob, not yet published.
func (w *download) run(ctx context.Context) (*os.File, error) {
	f, err := w.store.openPartial(ctx, w.digest)
	if err != nil {
		return nil, err
	}
	resumed, err := w.fill(ctx, f)
	if errors.Is(err, ErrDigest) && resumed {
		if err = f.Truncate(0); err == nil {
			_, err = w.fill(ctx, f)
		}
	}
	if err == nil {
		err = f.Chmod(0o444)
	}
	if err != nil {
		w.leave(f, err)
		return nil, err
	}
	return f, nil
}

// leave closes a file that is not whole, and removes it if it is of no use.
func (w *download) leave(f *os.File, why error) {
	if fi, err := f.Stat(); err != nil || fi.Size() == 0 || errors.Is(why, ErrDigest) {
		discard(f)
		return
	}
	_ = f.Close()
}

// fill completes the file, and checks all of it. resumed tells that a part of it
// was there.
func (w *download) fill(ctx context.Context, f *os.File) (resumed bool, err error) {
	k := w.store.tools.get()
	defer w.store.tools.put(k)
	have, sum, err := w.rehash(ctx, f, k.copy)
	if err != nil {
		return false, err
	}
	if have == w.size {
		return have > 0, sameDigest(sum, "digest", w.digest)
	}
	r, err := w.from(ctx, have)
	if err != nil {
		return have > 0, err
	}
	defer r.Close()
	in := newCounted(r, w.size, nil)
	in.n, in.hash = have, sum
	err = in.copyTo(ctx, f, k.copy)
	if err == nil && in.n < w.size {
		err = fmt.Errorf("read: %w: %d of %d bytes", io.ErrUnexpectedEOF, in.n, w.size)
	}
	if err == nil {
		err = in.check(w.digest)
	}
	return have > 0, err
}

// rehash reads what is there of the blob, and leaves the file at its end. More
// than the whole blob is of no use.
func (w *download) rehash(ctx context.Context, f *os.File, buf []byte) (int64, hash.Hash, error) {
	sum := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, nil, err
	}
	fi, err := f.Stat()
	switch {
	case err != nil:
		return 0, nil, err
	case fi.Size() > w.size:
		return 0, sum, f.Truncate(0)
	}
	if err := copyCtx(ctx, sum, f, buf); err != nil {
		return 0, nil, err
	}
	have, err := f.Seek(0, io.SeekCurrent)
	return have, sum, err
}

// openPartial opens what there is of a blob, or begins it. It holds a shared
// lock on the file, as create does; the lock on the blob keeps others from
// writing to it.
func (s *Store) openPartial(ctx context.Context, d v1.Hash) (*os.File, error) {
	path := s.path(partialDir, d.Hex)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
		switch {
		case errors.Is(err, unix.ELOOP):
			return nil, notRegular(path)
		case errors.Is(err, fs.ErrPermission) && os.Remove(path) == nil: // another user's
			continue
		case err != nil:
			return nil, s.cannotWrite(err)
		}
		ok, err := s.holdPartial(ctx, f)
		if ok {
			return f, nil
		}
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// holdPartial takes the lock on a file, and tells whether it is still there.
func (s *Store) holdPartial(ctx context.Context, f *os.File) (bool, error) {
	fi, err := f.Stat()
	switch {
	case err != nil:
		return false, err
	case !fi.Mode().IsRegular():
		return false, notRegular(f.Name())
	}
	if err := flockWait(ctx, f, unix.LOCK_SH); err != nil {
		return false, err
	}
	return linked(f, f.Name())
}
