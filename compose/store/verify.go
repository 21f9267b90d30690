package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Verify hashes everything in the store. It calls report once for each item, in
// the order of Items, with nil or with what is wrong with it; what is wrong is
// removed. Verify itself fails only if it cannot go on.
func (s *Store) Verify(ctx context.Context, report func(Item, error)) error {
	items, err := s.list(ctx)
	if err != nil {
		return err
	}
	for i := range items {
		it := &items[i]
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		wrong, err := s.verifyItem(ctx, it)
		if err != nil {
			return fmt.Errorf("cache: %s %s: %w", it.Kind, it.Key, err)
		}
		report(it.Item, wrong)
	}
	return nil
}

// verifyItem returns what is wrong with an item, and removes it then.
func (s *Store) verifyItem(ctx context.Context, it *stored) (wrong, err error) {
	if e := s.entryOf(it); e != nil {
		return s.verifyEntry(ctx, e)
	}
	switch it.Kind {
	case ArchiveKind:
		wrong = verifyIndex(it)
	case NoteKind:
		name, _, err := readSealed("note", it.files[0])
		kind, key, _ := strings.Cut(name, " ")
		if wrong = err; err == nil && it.Key != kind+" "+hexOf(key) {
			wrong = ErrDamaged
		}
	case RefKind:
		name, _, err := readSealed("ref", it.files[0])
		if wrong = err; err == nil && hexOf(name) != it.hex {
			wrong = ErrDamaged
		}
	}
	if wrong != nil {
		if err := removeAll(it.files); err != nil {
			return nil, errors.Join(wrong, s.cannotWrite(err))
		}
	}
	return wrong, nil
}

// verifyEntry hashes a blob, a layer or a member, alone.
func (s *Store) verifyEntry(ctx context.Context, e *entry) (wrong, err error) {
	unlock, err := s.lock(ctx, e.key)
	if err == nil {
		defer unlock()
	} else if !errors.Is(err, ErrReadOnly) {
		return nil, err
	}
	f, err := hold(ctx, e.data)
	if f == nil {
		return nil, err
	}
	defer f.Close()
	err = s.examine(ctx, e, f)
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrInvalid) {
		return nil, err
	}
	if cannot := s.cannotWrite(remove(e)); cannot != nil {
		return nil, errors.Join(err, cannot)
	}
	return err, nil
}

// verifyIndex decodes the index of an archive.
func verifyIndex(it *stored) error {
	data, err := os.ReadFile(it.files[0])
	if err == nil {
		h := v1.Hash{Algorithm: "sha256", Hex: it.hex}
		_, _, err = decode(data, digestOf(h), section{})
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
