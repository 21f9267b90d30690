package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Blob is content by digest. It can be read until its lease is closed.
type Blob struct {
	io.ReaderAt
	Digest v1.Hash
	Size   int64 // bytes
}

// Blob opens a blob that has been checked against its digest, or returns an
// error that wraps fs.ErrNotExist. A blob that is damaged is removed; that
// error also wraps [ErrDamaged].
func (l *Lease) Blob(ctx context.Context, d v1.Hash) (*Blob, error) {
	return l.blob(ctx, d, nil)
}

// Put takes a blob in: it reads r to its end, and keeps it if it has that
// digest and size (-1: any size). A blob that is there is not read again.
// Errors wrap [ErrDigest] where r is not what it should be.
func (l *Lease) Put(ctx context.Context, d v1.Hash, size int64, r io.Reader) (*Blob, error) {
	b, err := l.blob(ctx, d, func(ctx context.Context) (*os.File, error) {
		return l.store.copyIn(ctx, d, newCounted(r, size, nil))
	})
	if err == nil && size >= 0 && b.Size != size {
		return nil, fmt.Errorf("blob %s: %w: %d bytes, want %d", d, ErrDigest, b.Size, size)
	}
	return b, err
}

func (l *Lease) blob(ctx context.Context, d v1.Hash, source func(context.Context) (*os.File, error)) (*Blob, error) {
	if err := checkHash(d); err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	e := l.store.blobEntry(d)
	e.make = source
	sl, leave, err := l.enter(ctx, e.key)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d, err)
	}
	defer leave()
	if sl.blob != nil {
		return sl.blob, nil
	}
	f, err := l.store.get(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d, err)
	}
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("blob %s: %w", d, err)
	}
	if err := l.keep(f); err != nil {
		return nil, err
	}
	sl.blob = &Blob{ReaderAt: &span{section{f, 0}, fi.Size()}, Digest: d, Size: fi.Size()}
	return sl.blob, nil
}

// blobEntry describes the blob with that digest, without a way to make it.
func (s *Store) blobEntry(d v1.Hash) *entry {
	path := s.path(blobsDir, d.Hex)
	return &entry{
		key: "blob-" + d.Hex, data: path, stamp: path + ".stamp",
		check: func(ctx context.Context, f *os.File) error {
			return s.checkBlob(ctx, f, d)
		},
	}
}

// checkBlob hashes a blob.
func (s *Store) checkBlob(ctx context.Context, f io.Reader, d v1.Hash) error {
	k := s.tools.get()
	defer s.tools.put(k)
	h := sha256.New()
	if err := copyCtx(ctx, h, f, k.copy); err != nil {
		return err
	}
	if err := sameDigest(h, "digest", d); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// copyIn makes a blob's file of its source.
func (s *Store) copyIn(ctx context.Context, d v1.Hash, in *counted) (*os.File, error) {
	out, err := s.create("blob-" + d.Hex)
	if err != nil {
		return nil, err
	}
	k := s.tools.get()
	defer s.tools.put(k)
	err = in.copyTo(ctx, out, k.copy)
	if err == nil {
		err = in.check(d)
	}
	if err != nil {
		discard(out)
		return nil, err
	}
	return out, nil
}

// copyCtx copies until src ends or ctx is done, in steps of all of buf.
func copyCtx(ctx context.Context, dst io.Writer, src io.Reader, buf []byte) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		m, err := io.ReadFull(src, buf)
		if _, werr := dst.Write(buf[:m]); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
