package store

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// Lease is the hold that one build has on the entries it uses. It keeps one
// file open for each. Its methods may be called from many goroutines.
type Lease struct {
	store *Store

	mu     sync.Mutex
	closed bool
	slots  map[string]*slot
	files  []*os.File
}

// slot is what a lease has of one entry. Its turn is taken by who fills it.
type slot struct {
	turn  chan struct{}
	blob  *Blob
	layer *Layer
}

// Lease begins the use of entries. Whatever is taken through a lease stays,
// also when another process prunes the store, until the lease is closed.
func (s *Store) Lease() *Lease { return &Lease{store: s, slots: map[string]*slot{}} }

// Close lets go of everything. Entries' bodies must not be read after it.
func (l *Lease) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first error
	for _, f := range l.files {
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	l.closed, l.files, l.slots = true, nil, nil
	return first
}

// enter waits for its turn at the slot of that key; leave ends it.
func (l *Lease) enter(ctx context.Context, key string) (sl *slot, leave func(), err error) {
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, nil, fmt.Errorf("lease: %w", fs.ErrClosed)
	}
	sl = l.slots[key]
	if sl == nil {
		sl = &slot{turn: make(chan struct{}, 1)}
		l.slots[key] = sl
	}
	l.mu.Unlock()
	select {
	case sl.turn <- struct{}{}:
		return sl, func() { <-sl.turn }, nil
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
}

// usable returns why nothing can be taken through the lease, if so.
func (l *Lease) usable(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("lease: %w", fs.ErrClosed)
	}
	return nil
}

// keep holds a file until the lease is closed.
func (l *Lease) keep(f *os.File) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = f.Close()
		return fmt.Errorf("lease: %w", fs.ErrClosed)
	}
	l.files = append(l.files, f)
	return nil
}
