package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/store"
)

// engine is the cache and, above it, all places of images, for one command.
type engine struct {
	store  *store.Store
	lease  *store.Lease
	stored *image.Stored      // the images in the cache
	images *image.ByTransport // all images, those included
	after  []func()           // what is done when it is closed, last first
}

// open opens the cache that the flags name, and makes package sources ready to be
// built.
func (c *common) open(s *session) (*engine, error) {
	e, err := openCache(s, c.cache, c.verify)
	if err != nil {
		return nil, err
	}
	b, err := c.packages.builder(s, e, builderHow{offline: c.offline, jobs: c.jobs})
	if err != nil {
		e.close()
		return nil, err
	}
	e.images.Packages = pkg.NewPlace(b, e.stored)
	if c.offline {
		return e, nil
	}
	if err := e.reach(s, &c.network); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// reach puts registries behind the cache, for names without a transport.
func (e *engine) reach(s *session, network *networkFlags) error {
	client, err := network.client(s, nil) // who takes a blob into the cache tells of it
	if err != nil {
		return err
	}
	remote := image.NewRemote(client, e.lease)
	remote.Progress = s.transfers("fetch")
	e.images.Registry = image.WithRegistry(e.stored, remote)
	return nil
}

// openCache opens the cache in the flagged directory, or where the environment says.
func openCache(s *session, flagged string, verify bool) (*engine, error) {
	dir, err := s.cacheDir(flagged)
	if err != nil {
		return nil, err
	}
	st, err := store.Open(dir, store.Options{Verify: verify, Temp: firstOf(s.getenv("TMPDIR"), "/var/tmp")})
	if err != nil {
		return nil, err
	}
	lease := st.Lease()
	stored := image.FromStore(st, lease)
	return &engine{store: st, lease: lease, stored: stored, images: image.NewByTransport(stored)}, nil
}

// close lets go of everything; entries of a tree must not be read after it.
func (e *engine) close() {
	// Both only read, so there is nothing that an error could have lost.
	_ = e.images.Close()
	_ = e.lease.Close()
	for _, f := range slices.Backward(e.after) {
		f()
	}
}

// defaultCacheSize is how large the cache may be after a build.
const defaultCacheSize = 20 << 30

// cacheSize returns the limit that the environment gives.
func (w *world) cacheSize() (int64, error) {
	text := w.getenv("COMPOSE_CACHE_SIZE")
	if text == "" {
		return defaultCacheSize, nil
	}
	n, err := parseSize(text)
	if err != nil {
		return 0, fmt.Errorf("COMPOSE_CACHE_SIZE: %w", err)
	}
	return n, nil
}

// prune keeps the cache within its limit. What this run holds stays.
func (e *engine) prune(ctx context.Context, s *session) error {
	limit, err := s.cacheSize()
	if err != nil || limit == noLimit {
		return err
	}
	_, err = e.store.Prune(ctx, limit)
	if err == nil || errors.Is(err, store.ErrReadOnly) || ctx.Err() != nil {
		return nil // the build is done; a cache that cannot be written to keeps what it has
	}
	s.ui.warnf("cache: %v", err)
	return nil
}
