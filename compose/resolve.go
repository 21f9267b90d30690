package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/spec"
)

// ResolveOptions are the inputs of Resolve beside the manifest.
type ResolveOptions struct {
	Old      *spec.Lock       // what is pinned already; nil where there is no lock
	Add      bool             // pins may be added, and those that are not used any more go
	Frozen   bool             // nothing may differ from the old lock, not even a local input
	Update   []string         // whose pins move: images or containers by name, or "*" for all
	Epoch    *int64           // the epoch of a lock that is made or updated; nil: the newest image's
	Policy   *trust.Policy    // whose signatures images need; nil covers none
	Accept   Accept           // images that may be taken unsigned where no policy covers them
	Foreign  bool             // the policy is not of who made the old lock: what that says was accepted does not count
	Evidence *spec.Evidence   // the signatures that the old lock names; may be nil
	Platform spec.Platform    // to build for
	Resolver image.Resolver   // from names to digests
	Source   image.Source     // from digests to images
	Signed   image.Signatures // where signatures are looked for; nil: nowhere
	Dir      string           // folder of the lock, which it records sources relative to
	Home     string           // what "~/" stands for in sources
	Jobs     int              // how many images are looked at at once; 0: as many as Go uses processors
	Progress Progress         // may be nil
}

// Resolution is what Resolve made.
type Resolution struct {
	Lock     *spec.Lock
	Evidence *spec.Evidence // the signatures that the lock names
	Changes  []Change       // in what the lock differs from the old one
}

// Change is one thing in which a lock differs from the one before.
type Change struct {
	Name     string // "image docker.io/library/nginx:1", "source etc/motd", "epoch", …
	From, To string // "" where it was not there before, or is not any more
	Local    bool   // a local input: it is recorded, not pinned
}

// Resolve makes the lock of m, and says in what it differs from the old one.
//
// A registry's reference that the old lock pins stays where it is, unless
// Update names it; one that it lacks is an [UnpinnedError] unless pins may be
// added. Local inputs are recorded as they are now. Every image is held against
// the policy: by the evidence that there is, or, where the lock may change, by
// what is found now; an image that no policy covers is an [UnsignedError] unless
// Accept takes it. Nothing of an image is unpacked. All faults are returned,
// joined in the order of the manifest.
func Resolve(ctx context.Context, m *spec.Manifest, o ResolveOptions) (*Resolution, error) {
	o.Policy = orDenied(o.Policy)
	old := o.Old
	if old == nil {
		old = &spec.Lock{}
	}
	images := wantedImages(m, o.Platform)
	moving, err := moving(m.Images(), o.Update)
	if err != nil {
		return nil, err
	}
	lock := &spec.Lock{Version: spec.LockVersion, Compat: spec.Compat, Epoch: old.Epoch, Timestamps: cmp.Or(m.Timestamps, spec.Clamp), Policy: o.Policy.Digest()}
	r := resolver{ResolveOptions: o, old: old, moving: moving, made: make([]resolved, len(images))}
	if err := (Options{Jobs: o.Jobs}).each(len(images), func(i int) error { return r.image(ctx, images[i], i) }); err != nil {
		return nil, err
	}
	for _, made := range r.made {
		lock.Images = append(lock.Images, made.LockedImage)
	}
	if !o.Add {
		lock.Images = append(lock.Images, unused(old, lock)...)
	}
	if lock.IDs, err = spec.IDs(m, old.IDs); err != nil {
		return nil, err
	}
	if lock.Files, err = o.sources(ctx, m); err != nil {
		return nil, err
	}
	if o.Old == nil || len(o.Update) > 0 {
		if lock.Epoch, err = r.epoch(ctx); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(lock.Images, func(a, b spec.LockedImage) int { return cmp.Compare(a.Name, b.Name) })
	c := changes(o.Old, lock)
	if o.Frozen && (o.Old == nil || len(c) > 0) {
		return nil, &FrozenError{c}
	}
	return &Resolution{lock, r.evidence(lock), c}, nil
}

// moving are the references that names stand for: an image by its reference,
// with or without a tag, or the image of a container.
func moving(uses []spec.ImageUse, names []string) (map[string]bool, error) {
	moves := map[string]bool{}
	var errs []error
	for _, name := range names {
		found := false
		for _, u := range uses {
			_, container, _ := strings.Cut(u.Where, " ")
			if container == name || u.Ref.String() == name || (Accept{name}).Match(u.Ref) {
				moves[u.Ref.String()], found = true, true
			}
		}
		if !found {
			errs = append(errs, fmt.Errorf("update: the manifest has no image or container %q", name))
		}
	}
	return moves, errors.Join(errs...)
}

// unused are the pins that nothing in the manifest names.
func unused(old, lock *spec.Lock) []spec.LockedImage {
	return slices.DeleteFunc(slices.Clone(old.Images), func(i spec.LockedImage) bool {
		_, used := lock.Image(i.Name)
		return used
	})
}

// resolver makes the pins of one lock.
type resolver struct {
	ResolveOptions
	old    *spec.Lock
	moving map[string]bool // the references whose pins move
	made   []resolved      // by the number of the use
}

// resolved is a pin, and what is known of its image.
type resolved struct {
	spec.LockedImage
	*wanted
	found   map[spec.Digest]spec.Signature // what vouches for it
	created map[spec.Platform]int64        // in seconds since 1970, for the platforms that were looked at
}

// image makes the pin of one image, for all the platforms that it is wanted for, and
// holds it against the policy.
func (r *resolver) image(ctx context.Context, w *wanted, i int) error {
	made := &r.made[i]
	made.wanted, made.created = w, map[spec.Platform]int64{}
	task := start(r.Progress, "resolve", w.use.Ref.String(), 0)
	defer task.Done()
	if err := r.pin(ctx, made); err != nil {
		return fmt.Errorf("%s: %s: %w", w.use.Pos, w.use.Where, err)
	}
	var errs []error
	anew := r.moving[made.Name] && w.use.Ref.Transport != spec.PackageDir // a package would have to be made
	for _, p := range w.sorted() {
		if known := made.Platforms[p.String()]; known.Grants == nil || anew {
			errs = append(errs, r.read(ctx, made, p))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.vouch(ctx, made)
}

// pin finds the digest of an image: the old pin where that stands, else by
// asking.
func (r *resolver) pin(ctx context.Context, made *resolved) error {
	ref := made.use.Ref
	name := ref.String()
	old, pinned := r.old.Image(name)
	if !pinned && !r.Add && ref.Transport == spec.Registry {
		return &UnpinnedError{name}
	}
	made.LockedImage = spec.LockedImage{Name: name, Platforms: map[string]spec.LockedPlatform{}}
	if pinned && ref.Transport == spec.Registry && !r.moving[name] {
		made.Digest = old.Digest
	} else {
		desc, err := r.Resolver.Resolve(ctx, ref)
		if err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
		made.Digest = digest(desc.Digest)
	}
	if pinned && old.Digest == made.Digest {
		made.Unsigned, made.Verified = old.Unsigned, old.Verified
		maps.Copy(made.Platforms, old.Platforms)
	}
	return nil
}

// read reads what the image is for a platform.
func (r *resolver) read(ctx context.Context, made *resolved, p spec.Platform) error {
	d, err := r.describe(ctx, made, p)
	if err != nil {
		u := made.platforms[p]
		return fmt.Errorf("%s: %s: %s: %w", u.Pos, u.Where, made.Name, err)
	}
	made.created[p] = d.config.Created.Unix()
	made.Platforms[p.String()] = d.locked
	return nil
}

func (r *resolver) describe(ctx context.Context, made *resolved, p spec.Platform) (description, error) {
	digest, err := hash(made.Digest)
	if err != nil {
		return description{}, err
	}
	img, err := r.Source.Image(ctx, image.Pin{Ref: made.use.Ref, Digest: digest, Platform: p})
	if err != nil {
		return description{}, err
	}
	return describe(ctx, img)
}

// epoch is the time that no packaged file is younger than: the one that was
// given, or when the newest image was created. Where no image says, it is
// [rootfs.DefaultModTime].
func (r *resolver) epoch(ctx context.Context) (int64, error) {
	if r.Epoch != nil {
		return *r.Epoch, nil
	}
	newest := int64(0)
	for i := range r.made {
		m := &r.made[i]
		for _, p := range m.sorted() {
			if _, seen := m.created[p]; !seen {
				if err := r.read(ctx, m, p); err != nil {
					return 0, err
				}
			}
			newest = max(newest, m.created[p])
		}
	}
	if newest <= 0 {
		newest = rootfs.DefaultModTime
	}
	return newest, nil
}

// FrozenError says that a lock would have to change, or be made.
type FrozenError struct{ Changes []Change }

func (e *FrozenError) Error() string {
	if len(e.Changes) == 0 {
		return "there is no lock, and -frozen makes none"
	}
	c := e.Changes[0]
	return fmt.Sprintf("-frozen: %d changes to the lock, the first: %s from %s to %s", len(e.Changes), c.Name, cmp.Or(c.From, "nothing"), cmp.Or(c.To, "nothing"))
}
