package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
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
// its layers taken into the store, and flattened; or, where the part wants it as
// it is stored, all its blobs. Images and layers that several parts have are
// fetched once. All faults are returned, joined.
func (o Options) fetch(ctx context.Context, parts []*part) error {
	wants := o.wants(parts)
	if err := o.each(len(wants), func(i int) error { return o.open(ctx, wants[i]) }); err != nil {
		return err
	}
	layers := uniqueLayers(wants)
	if err := o.takeAll(ctx, layers); err != nil {
		return err
	}
	if err := o.takeStored(ctx, wants); err != nil {
		return err
	}
	return o.each(len(wants), func(i int) error { return wants[i].flatten(layers) })
}

// wants lists the images that parts name, each once for each platform.
func (o Options) wants(parts []*part) []*want {
	type key struct {
		name     string
		platform spec.Platform
	}
	var wants []*want
	byKey := map[key]*want{}
	for _, p := range parts {
		if p.ref.IsZero() {
			continue
		}
		for _, platform := range platformsOr(p.platforms, o.Platform) {
			k := key{p.ref.String(), platform}
			w := byKey[k]
			if w == nil {
				w = &want{name: k.name, where: p.where, ref: p.ref, platform: platform}
				byKey[k] = w
				wants = append(wants, w)
			}
			if p.asStored() {
				w.asStored = append(w.asStored, p)
			} else {
				w.parts = append(w.parts, p)
			}
		}
	}
	return wants
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

// want is an image that parts of the manifest name, for one platform.
type want struct {
	name, where string
	ref         spec.Ref
	platform    spec.Platform
	parts       []*part // that want what its layers leave
	asStored    []*part // that want it as it is stored
	digest      v1.Hash // of its manifest
	config      *v1.ConfigFile
	sources     []store.LayerSource
	stored      *storedImage // where asStored has parts
}

// open finds the image that the lock pins, and checks that it is that image.
func (o Options) open(ctx context.Context, w *want) error {
	pin, pinned, err := o.pinned(w)
	if err != nil {
		return fmt.Errorf("%s: %w", w.where, err)
	}
	img, err := o.Source.Image(ctx, pin)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", w.where, w.name, err)
	}
	got, err := describe(ctx, img)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", w.where, w.name, err)
	}
	if err := sameImage(pinned, got.locked); err != nil {
		return fmt.Errorf("%s: %s: %w", w.where, w.name, &NotAsLockedError{err})
	}
	w.digest, w.config, w.sources = got.digest, got.config, got.sources
	if len(w.asStored) == 0 {
		return nil
	}
	if w.stored, err = storedOf(img, w); err != nil {
		return fmt.Errorf("%s: %s: %w", w.where, w.name, err)
	}
	return nil
}

// pinned looks an image up in the lock.
func (o Options) pinned(w *want) (image.Pin, spec.LockedPlatform, error) {
	l, ok := o.Lock.Image(w.name)
	if !ok {
		return image.Pin{}, spec.LockedPlatform{}, &UnpinnedError{w.name}
	}
	p, ok := l.Platforms[w.platform.String()]
	if !ok {
		return image.Pin{}, p, &UnpinnedError{w.name + " for " + w.platform.String()}
	}
	digest, err := hash(l.Digest)
	return image.Pin{Ref: w.ref, Digest: digest, Platform: w.platform}, p, err
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
	case pinned.SBOM != got.SBOM && pinned.SBOM != "" && got.SBOM != "":
		return fmt.Errorf("%w: the lock pins the SPDX statement %s, the source has %s", image.ErrDigest, pinned.SBOM, got.SBOM)
	case pinned.Grants != nil && !reflect.DeepEqual(pinned.Grants, got.Grants):
		return errors.New("the lock says of the image's label that it grants something else than it does")
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

// uniqueLayers returns the layers of all images that are laid out, each once and
// the largest first, so that the last to be ready is a small one.
func uniqueLayers(wants []*want) []*layer {
	var layers []*layer
	seen := map[v1.Hash]bool{}
	for _, w := range wants {
		if len(w.parts) == 0 {
			continue
		}
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

// fetches is how many layers are fetched at once where nobody says it: they wait for
// a network, not for a processor.
const fetches = 6

// takeAll takes the layers into the store. As many are unpacked at once as there are
// jobs; while a layer is opened, which may mean that it is fetched, another one is
// unpacked.
func (o Options) takeAll(ctx context.Context, layers []*layer) error {
	unpacking := make(chan struct{}, o.jobs())
	for _, l := range layers {
		open := l.Open
		l.Open = func() (io.ReadCloser, error) {
			<-unpacking
			defer func() { unpacking <- struct{}{} }()
			return open()
		}
	}
	wide := o
	if o.Jobs == 0 {
		wide.Jobs = max(fetches, o.jobs())
	}
	return wide.each(len(layers), func(i int) error {
		unpacking <- struct{}{}
		defer func() { <-unpacking }()
		return o.takeIn(ctx, layers[i])
	})
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
	if len(w.parts) == 0 {
		return nil
	}
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

// NotAsLockedError says that an image with the digest that the lock pins is not what
// the lock says of it: somebody changed the lock, or a package source.
type NotAsLockedError struct{ Err error }

func (e *NotAsLockedError) Error() string { return e.Err.Error() }

// Unwrap returns what is different.
func (e *NotAsLockedError) Unwrap() error { return e.Err }

// UnpinnedError says that the lock lacks a reference.
type UnpinnedError struct{ Name string }

func (e *UnpinnedError) Error() string { return e.Name + " is not in the lock" }
