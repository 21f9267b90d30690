package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/composeos/compose/compose/rootfs"
)

// A member's file is its content and, behind it, a footer:
//
//	magic     with its version
//	size      of the content, little-endian
//	checksum  SHA-256 of the key and the content
//
// The key does not tell the content, so what the content has to be stands here:
// in the same file, so that one rename makes both appear.
const (
	memberMagic = "compose member 1\n"
	footerSize  = int64(len(memberMagic) + 8 + sha256.Size)
)

// Member is bytes that were made once and are kept by a key that names all they
// are made of. It can be read, also by many goroutines, until it is closed.
type Member struct {
	body span
	file *os.File
}

// ReadAt implements [io.ReaderAt].
func (m *Member) ReadAt(p []byte, off int64) (int, error) { return m.body.ReadAt(p, off) }

// Size returns how many bytes the member has.
func (m *Member) Size() int64 { return m.body.size }

// Close lets go of the member: from now on it can be pruned. Closing it again
// does nothing.
func (m *Member) Close() error {
	if err := m.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

// Member returns what fill wrote for that key, now or at an earlier time. Unlike
// other entries a member is not held by the lease: the caller closes it, before
// or after the lease.
//
// fill is called at most once, and not while another caller makes the member;
// it writes to a file, without a buffer in between, and ends when ctx does. Its
// error is returned, and nothing is kept then. Where the cache cannot be
// written to, fill writes to a file without a name in [Options].Temp, which is
// gone when the member is closed; without Temp the error wraps [ErrReadOnly].
func (l *Lease) Member(ctx context.Context, key rootfs.Digest, fill func(w io.Writer) error) (*Member, error) {
	f, err := l.member(ctx, key, fill)
	if err != nil {
		return nil, fmt.Errorf("member %s: %w", key, err)
	}
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("member %s: %w", key, err)
	}
	return &Member{body: span{section{f, 0}, fi.Size() - footerSize}, file: f}, nil
}

func (l *Lease) member(ctx context.Context, key rootfs.Digest, fill func(w io.Writer) error) (*os.File, error) {
	if err := l.usable(ctx); err != nil {
		return nil, err
	}
	s, e, filled := l.store, l.store.memberEntry(key), false
	e.make = func(context.Context) (*os.File, error) {
		if err := os.MkdirAll(s.path(membersDir), 0o755); err != nil {
			return nil, s.cannotWrite(err)
		}
		f, err := s.create(e.key)
		if err != nil {
			return nil, err
		}
		filled = true
		if err := fillMember(f, key, fill); err != nil {
			discard(f)
			return nil, err
		}
		return f, nil
	}
	f, err := s.get(ctx, e)
	if filled || s.temp == "" || !errors.Is(err, ErrReadOnly) {
		return f, err
	}
	if f, err = unnamed(s.temp, e.key); err != nil {
		return nil, err
	}
	if err := fillMember(f, key, fill); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// memberEntry describes the member with that key, without a way to make it.
func (s *Store) memberEntry(key rootfs.Digest) *entry {
	name := fmt.Sprintf("%x", key[:])
	path := s.path(membersDir, name)
	return &entry{
		key: "member-" + name, data: path + memberSuffix, stamp: path + ".stamp",
		check: func(ctx context.Context, f *os.File) error { return s.checkMember(ctx, f, key) },
	}
}

// checkMember hashes a member and compares it with its footer.
func (s *Store) checkMember(ctx context.Context, f *os.File, key rootfs.Digest) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	size := fi.Size() - footerSize
	if size < 0 {
		return fmt.Errorf("%w: %d bytes are too few", ErrDamaged, fi.Size())
	}
	k := s.tools.get()
	defer s.tools.put(k)
	h := memberHash(key)
	if err := copyCtx(ctx, h, io.NewSectionReader(f, 0, size), k.copy); err != nil {
		return err
	}
	footer := make([]byte, footerSize)
	n, err := f.ReadAt(footer, size)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.Equal(footer[:n], footerOf(size, h)) {
		return fmt.Errorf("%w: its content is not what was written, or that of another key", ErrDamaged)
	}
	return nil
}

// fillMember writes a member's content and its footer.
func fillMember(f *os.File, key rootfs.Digest, fill func(w io.Writer) error) error {
	w := &memberWriter{file: f, hash: memberHash(key)}
	err := fill(w)
	if w.err != nil && !errors.Is(err, w.err) {
		err = w.err // fill may have lost it
	}
	if err == nil {
		_, err = f.Write(footerOf(w.size, w.hash))
	}
	return err
}

// memberWriter hashes and counts what goes into a member's file.
type memberWriter struct {
	file *os.File
	hash hash.Hash
	size int64
	err  error // the first
}

// Write implements [io.Writer].
func (w *memberWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.file.Write(p)
	w.hash.Write(p[:n])
	w.size += int64(n)
	w.err = err
	return n, err
}

// memberHash returns the hash that a member's content is written to.
func memberHash(key rootfs.Digest) hash.Hash {
	h := sha256.New()
	h.Write(key[:])
	return h
}

// footerOf returns the footer of a content of that size, all of which h has seen.
func footerOf(size int64, h hash.Hash) []byte {
	b := make([]byte, 0, footerSize)
	b = append(b, memberMagic...)
	b = le.AppendUint64(b, uint64(size))
	return h.Sum(b)
}
