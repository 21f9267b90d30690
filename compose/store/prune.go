package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// Pruned is what Prune did.
type Pruned struct {
	Removed []Item // least recently used first
	Freed   int64  // bytes
	Left    int64  // bytes that the store still has
}

// Prune removes what was used least recently until the store has at most
// maxBytes. What a lease or an open member holds stays, in whatever process it
// is, and so does what a ref leads to: the blobs of an imported image may be
// nowhere else, and so may its signatures. (Its uncompressed layers can be made again, and go like all
// else.) So more than maxBytes can be left. Below maxBytes it only adds up.
func (s *Store) Prune(ctx context.Context, maxBytes int64) (*Pruned, error) {
	items, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	p := &Pruned{}
	for i := range items {
		p.Left += items[i].Size
	}
	if p.Left <= maxBytes {
		return p, nil
	}
	rooted, err := s.rooted()
	if err != nil {
		return nil, err
	}
	signed := signatureNotes(rooted)
	slices.SortStableFunc(items, func(a, b stored) int { return a.Used.Compare(b.Used) })
	for i := range items {
		it := &items[i]
		if p.Left <= maxBytes || ctx.Err() != nil {
			break
		}
		if it.Kind == RefKind || it.Kind == BlobKind && rooted[it.hex] != "" || it.Kind == NoteKind && signed[it.Key] {
			continue
		}
		err := s.evict(ctx, it)
		if errors.Is(err, ErrInUse) {
			continue
		}
		if err != nil {
			return p, fmt.Errorf("cache: %s %s: %w", it.Kind, it.Key, err)
		}
		p.Removed = append(p.Removed, it.Item)
		p.Freed += it.Size
		p.Left -= it.Size
	}
	return p, context.Cause(ctx)
}

// signatureNotes returns the keys of the notes about signatures of those blobs.
func signatureNotes(rooted map[string]string) map[string]bool {
	keys := make(map[string]bool, len(rooted))
	for hex := range rooted {
		keys[SignatureNote+" "+hexOf("sha256:"+hex)] = true
	}
	return keys
}

// evict removes an item, or says ErrInUse.
func (s *Store) evict(ctx context.Context, it *stored) error {
	e := s.entryOf(it)
	switch {
	case it.Kind == PartialKind:
		return s.evictFile(it.files[0], func() error { return removeAll(it.files) })
	case e == nil:
		return s.cannotWrite(removeAll(it.files))
	case !it.data:
		return s.evictLeftover(ctx, e)
	}
	return s.evictFile(e.data, func() error { return remove(e) })
}

// evictFile removes what belongs to a file that nobody holds.
func (s *Store) evictFile(path string, remove func() error) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := flock(f, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return ErrInUse
		}
		return err
	}
	if ok, err := linked(f, path); err != nil || !ok {
		return err
	}
	return s.cannotWrite(remove())
}

// evictLeftover removes stamps and indexes without data, unless somebody is
// just making the data.
func (s *Store) evictLeftover(ctx context.Context, e *entry) error {
	now, cancel := context.WithCancel(ctx)
	cancel() // it tries once
	unlock, err := s.lock(now, e.key)
	if errors.Is(err, context.Canceled) {
		return ErrInUse
	}
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Lstat(e.data); err == nil {
		return ErrInUse
	}
	return s.cannotWrite(remove(e))
}

func removeAll(paths []string) error {
	for _, p := range paths {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Remove removes what a name or a digest stands for: a ref, or the blob, the
// layer and the archive index of that digest, and the member of that key. An
// error wraps fs.ErrNotExist where there is nothing, and [ErrInUse] where
// somebody holds it or a ref leads to it.
func (s *Store) Remove(ctx context.Context, what string) error {
	if !strings.HasPrefix(what, "sha256:") {
		return s.RemoveRef(what)
	}
	h := v1.Hash{Algorithm: "sha256", Hex: strings.TrimPrefix(what, "sha256:")}
	if err := checkHash(h); err != nil {
		return err
	}
	items, err := s.list(ctx)
	if err != nil {
		return err
	}
	items = slices.DeleteFunc(items, func(it stored) bool {
		return it.Key != what || it.Kind == RefKind
	})
	if len(items) == 0 {
		return fmt.Errorf("%s: not in the cache: %w", what, fs.ErrNotExist)
	}
	rooted, err := s.rooted()
	if err != nil {
		return err
	}
	slices.SortFunc(items, func(a, b stored) int { return cmp.Compare(a.Kind, b.Kind) })
	for i := range items {
		if by := rooted[h.Hex]; by != "" && items[i].Kind == BlobKind {
			return fmt.Errorf("blob %s: %w: it belongs to %s: remove that first", what, ErrInUse, by)
		}
		if err := s.evict(ctx, &items[i]); err != nil {
			return fmt.Errorf("%s %s: %w", items[i].Kind, what, err)
		}
	}
	return nil
}
