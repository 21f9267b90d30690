package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// counted is a source while it is read: its bytes are counted and hashed, and
// it ends with an error one byte behind the size that it should have.
type counted struct {
	src      io.Reader
	size     int64 // -1: any
	progress func(n int64)
	hash     hash.Hash
	n        int64
	err      error // the first that is not io.EOF
}

func newCounted(src io.Reader, size int64, progress func(n int64)) *counted {
	if progress == nil {
		progress = func(int64) {}
	}
	return &counted{src: src, size: size, progress: progress, hash: sha256.New()}
}

// Read implements [io.Reader].
func (c *counted) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.src.Read(p)
	c.hash.Write(p[:n])
	c.n += int64(n)
	c.progress(int64(n))
	if c.size >= 0 && c.n > c.size {
		err = fmt.Errorf("%w: more than the %d bytes that it should have", ErrDigest, c.size)
	} else if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read: %w", err)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// copyTo copies all of it. What went wrong with the source comes back also where
// it is an end that was not expected, which copyCtx takes for one.
func (c *counted) copyTo(ctx context.Context, dst io.Writer, buf []byte) error {
	if err := copyCtx(ctx, dst, c, buf); err != nil {
		return err
	}
	return c.err
}

// drain reads the rest into nothing.
func (c *counted) drain(ctx context.Context, buf []byte) error {
	for ctx.Err() == nil {
		if _, err := c.Read(buf); err != nil {
			return c.err
		}
	}
	return context.Cause(ctx)
}

// check compares what was read with what it should have been.
func (c *counted) check(want v1.Hash) error {
	if c.size >= 0 && c.n != c.size {
		return fmt.Errorf("%w: %d bytes, want %d", ErrDigest, c.n, c.size)
	}
	return sameDigest(c.hash, "digest", want)
}

// sameDigest checks a hash that has seen everything. The zero want is not checked.
func sameDigest(h hash.Hash, what string, want v1.Hash) error {
	got := hex.EncodeToString(h.Sum(nil))
	if want == (v1.Hash{}) || got == want.Hex {
		return nil
	}
	return fmt.Errorf("%w: %s is sha256:%s, want %s", ErrDigest, what, got, want)
}

// takeIn makes a layer's file and its records from its source. The file has no
// name in the store yet.
func (s *Store) takeIn(ctx context.Context, src LayerSource) (*os.File, []record, error) {
	r, err := src.Open()
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	out, err := s.create("layer-" + src.DiffID.Hex)
	if err != nil {
		return nil, nil, err
	}
	k := s.tools.get()
	defer s.tools.put(k)
	in := newCounted(r, src.Size, src.Progress)
	records, err := s.unpack(ctx, k, in, out, src)
	if err == nil || errors.Is(err, ErrInvalid) || errors.Is(err, ErrDigest) {
		err = judge(ctx, k, in, src.Digest, err)
	}
	if err != nil {
		discard(out)
		return nil, nil, err
	}
	return out, records, nil
}

// judge decides what is wrong with a source: what is wrong with its bytes as
// they came explains whatever was found in them.
func judge(ctx context.Context, k *kit, in *counted, want v1.Hash, found error) error {
	if err := in.drain(ctx, k.copy); err != nil {
		return err
	}
	if err := in.check(want); err != nil {
		return err
	}
	return found
}

// unpack inflates a source into out, and reads the tar as it comes by.
func (s *Store) unpack(ctx context.Context, k *kit, in *counted, out io.Writer, src LayerSource) ([]record, error) {
	tar, err := k.inflate(in, src.MediaType)
	if err != nil {
		return nil, err
	}
	diffID := sha256.New()
	f := &feed{src: tar, buf: k.feed, limit: s.limits.layer, each: func(p []byte) error {
		diffID.Write(p)
		_, err := out.Write(p)
		return err
	}}
	sc := &scanner{feed: f, entries: s.limits.entries, buf: k.copy}
	records, err := sc.scan(ctx)
	if err != nil {
		return nil, err
	}
	return records, sameDigest(diffID, "diffID", src.DiffID)
}

// rescan reads a whole tar that is in the cache: it must have that digest.
func (s *Store) rescan(ctx context.Context, r io.Reader, want v1.Hash, plain bool) ([]record, error) {
	k := s.tools.get()
	defer s.tools.put(k)
	digest := sha256.New()
	f := &feed{src: r, buf: k.feed, limit: s.limits.layer, each: func(p []byte) error {
		digest.Write(p)
		return nil
	}}
	sc := &scanner{feed: f, entries: s.limits.entries, buf: k.copy, plain: plain}
	records, err := sc.scan(ctx)
	if err != nil && !errors.Is(err, ErrInvalid) {
		return nil, err
	}
	if err != nil {
		f.drain() // the digest tells whether the bytes are to blame
	}
	if same := sameDigest(digest, "digest", want); same != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, same)
	}
	return records, err
}
