package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/composeos/compose/compose/flatten"
	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// fetch gives every part its image: found by digest, held against the lock, all
// its layers taken into the store, and flattened. Images and layers that
// several parts have are fetched once. All faults are returned, joined.
func (o Options) fetch(ctx context.Context, parts []*part) error {
	var wants []*want
	byName := map[string]*want{}
	for _, p := range parts {
		if p.ref.IsZero() {
			continue
		}
		w := byName[p.ref.String()]
		if w == nil {
			w = &want{name: p.ref.String(), where: p.where, ref: p.ref}
			byName[w.name] = w
			wants = append(wants, w)
		}
		w.parts = append(w.parts, p)
	}
	if err := o.each(len(wants), func(i int) error { return o.open(ctx, wants[i]) }); err != nil {
		return err
	}
	layers := uniqueLayers(wants)
	if err := o.each(len(layers), func(i int) error { return o.takeIn(ctx, layers[i]) }); err != nil {
		return err
	}
	return o.each(len(wants), func(i int) error { return wants[i].flatten(layers) })
}

// each calls do for 0 … n−1, several at once, and joins what goes wrong in the
// order of the numbers. What would go wrong for all of them alike ends it, and is
// said once.
func (o Options) each(n int, do func(int) error) error {
	errs := make([]error, n)
	var g errgroup.Group
	var halted atomic.Bool
	g.SetLimit(o.jobs())
	for i := range n {
		g.Go(func() error {
			if halted.Load() {
				return nil
			}
			errs[i] = do(i)
			if !independent(errs[i]) {
				halted.Store(true)
			}
			return nil
		})
	}
	_ = g.Wait()
	for _, err := range errs {
		if !independent(err) {
			return err
		}
	}
	return errors.Join(errs...)
}

// independent tells whether err is about the one thing that was being done, and
// not about the machine or the whole build.
func independent(err error) bool {
	for _, common := range []error{
		context.Canceled, context.DeadlineExceeded, store.ErrReadOnly,
		syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EMFILE, syscall.ENFILE,
	} {
		if errors.Is(err, common) {
			return false
		}
	}
	return true
}

// want is an image that parts of the manifest name.
type want struct {
	name, where string
	ref         spec.Ref
	parts       []*part
	digest      v1.Hash // of its manifest
	config      *v1.ConfigFile
	sources     []store.LayerSource
}

// open finds the image that the lock pins, and checks that it is that image.
func (o Options) open(ctx context.Context, w *want) error {
	locked, pinned, err := o.pinned(w.ref)
	if err != nil {
		return fmt.Errorf("%s: %w", w.where, err)
	}
	img, err := o.Source.Image(ctx, locked)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", w.where, w.name, err)
	}
	got, err := describe(img)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", w.where, w.name, err)
	}
	if err := sameImage(pinned, got.locked); err != nil {
		return fmt.Errorf("%s: %s: %w", w.where, w.name, err)
	}
	w.digest, w.config, w.sources = got.digest, got.config, got.sources
	return nil
}

// pinned looks a reference up in the lock.
func (o Options) pinned(ref spec.Ref) (image.Pin, spec.LockedPlatform, error) {
	l, ok := o.Lock.Image(ref.String())
	if !ok {
		return image.Pin{}, spec.LockedPlatform{}, &UnpinnedError{ref.String()}
	}
	p, ok := l.Platforms[o.Platform.String()]
	if !ok {
		return image.Pin{}, p, &UnpinnedError{ref.String() + " for " + o.Platform.String()}
	}
	digest, err := hash(l.Digest)
	return image.Pin{Ref: ref, Digest: digest, Platform: o.Platform}, p, err
}

// sameImage tells whether an image is the one that the lock pins.
func sameImage(pinned, got spec.LockedPlatform) error {
	switch {
	case pinned.Manifest != got.Manifest:
		return fmt.Errorf("%w: the lock pins manifest %s, the source has %s", image.ErrDigest, pinned.Manifest, got.Manifest)
	case pinned.Config != got.Config:
		return fmt.Errorf("%w: the lock pins config %s, the source has %s", image.ErrDigest, pinned.Config, got.Config)
	case !slices.Equal(pinned.Layers, got.Layers):
		return fmt.Errorf("%w: the lock pins other layers than manifest %s has", image.ErrDigest, got.Manifest)
	}
	return nil
}

// layer is one layer of one or more images.
type layer struct {
	store.LayerSource
	where   string // the first part that has it
	image   string // that part's image
	entries []rootfs.Entry
}

// uniqueLayers returns the layers of all images, each once and the largest
// first, so that the last to be ready is a small one.
func uniqueLayers(wants []*want) []*layer {
	var layers []*layer
	seen := map[v1.Hash]bool{}
	for _, w := range wants {
		for _, s := range w.sources {
			if !seen[s.DiffID] {
				seen[s.DiffID] = true
				layers = append(layers, &layer{LayerSource: s, where: w.where, image: w.name})
			}
		}
	}
	slices.SortStableFunc(layers, func(a, b *layer) int { return cmp.Compare(b.Size, a.Size) })
	return layers
}

func (o Options) takeIn(ctx context.Context, l *layer) error {
	task := start(o.Progress, "unpack", l.image, l.Size)
	defer task.Done()
	l.Progress = task.Add
	taken, err := o.Lease.Layer(ctx, l.LayerSource)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", l.where, l.image, err)
	}
	l.entries = taken.Entries()
	return nil
}

// flatten applies the layers of the image and gives the result to its parts.
func (w *want) flatten(layers []*layer) error {
	runs := make([][]rootfs.Entry, len(w.sources))
	for i, s := range w.sources {
		j := slices.IndexFunc(layers, func(l *layer) bool { return l.DiffID == s.DiffID })
		runs[i] = layers[j].entries
	}
	files, err := flatten.Layers(runs)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", w.where, w.name, err)
	}
	image := &fetched{digest: w.digest, config: w.config, files: files}
	for _, p := range w.parts {
		p.image = image
	}
	return nil
}

// UnpinnedError says that the lock lacks a reference.
type UnpinnedError struct{ Name string }

func (e *UnpinnedError) Error() string { return e.Name + " is not in the lock" }
