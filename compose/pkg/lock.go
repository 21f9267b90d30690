package pkg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/spec"
)

// ResolveOptions say how a lock is made.
type ResolveOptions struct {
	Update bool      // every pin moves to what there is now
	Now    time.Time // what a Release's validity is held against
	Hosts  []string  // machines that build, "linux-amd64", whose toolchains are pinned
}

// Change is one thing in which a lock differs from the one before.
type Change struct {
	What     string // "nginx amd64", "go1.26.8 linux-amd64"
	From, To string // versions; "" where it was not there before, or is not any more
}

// ErrDowngrade says that a package would go down to an older version.
var ErrDowngrade = errors.New("the mirrors have an older version than the lock")

// components are the parts of Debian that packages are taken from.
func components() []string { return []string{"main", "non-free-firmware"} }

// Resolve makes the lock of all the set's sources, and says in what it differs from
// the set's. What is pinned stays where it is unless all is to move; what no source
// names goes. It alone asks what versions there are, and only where it has to.
func (b *Builder) Resolve(ctx context.Context, s *Set, o ResolveOptions) (*spec.DebsLock, []Change, error) {
	r := resolution{Builder: b, ResolveOptions: o, old: s.Lock, lock: &spec.DebsLock{Version: spec.DebsLockVersion}, indexes: map[string]*debian.Index{}}
	var errs []error
	for _, source := range s.Sources {
		errs = append(errs, r.source(ctx, source))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	r.releases()
	if err := r.toolchains(ctx, s); err != nil {
		return nil, nil, err
	}
	return r.lock, r.changes(), nil
}

// resolution is the making of one lock.
type resolution struct {
	*Builder
	ResolveOptions
	old, lock *spec.DebsLock
	indexes   map[string]*debian.Index // by suite
}

// source pins the packages of one source.
func (r *resolution) source(ctx context.Context, s *Source) error {
	d := s.Package.Debs
	var errs []error
	for _, arch := range s.Package.Builds() {
		followed := d.Followed(arch)
		for _, name := range d.For(arch) {
			err := r.pin(ctx, d.Suite, arch, name, slices.Contains(followed, name))
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: debs: %s for %s: %w", s.Package.Pos, name, arch, err))
			}
			if err != nil && ctx.Err() != nil {
				return errors.Join(errs...)
			}
		}
	}
	return errors.Join(errs...)
}

// pin pins one package; with follow also what it depends on, which stands in its
// place.
func (r *resolution) pin(ctx context.Context, suite, arch, name string, follow bool) error {
	if pin, done := r.lock.Deb(suite, arch, name); done && (pin.Follow != nil || !follow) {
		return nil
	}
	if r.keep(suite, arch, name, follow) {
		return nil
	}
	index, err := r.index(ctx, suite)
	if err != nil {
		return err
	}
	found, err := index.Find(name, arch)
	if err != nil {
		return err
	}
	pin, err := r.locked(suite, found)
	if err != nil {
		return err
	}
	if !follow {
		r.add(pin)
		return nil
	}
	stands, err := index.Follow(name, arch)
	if err != nil {
		return err
	}
	if len(stands) == 0 {
		return errors.New("it depends on nothing that could stand in its place")
	}
	for _, p := range stands {
		locked, err := r.locked(suite, p)
		if err != nil {
			return err
		}
		r.add(locked)
		pin.Follow = append(pin.Follow, p.Name)
	}
	slices.Sort(pin.Follow)
	r.add(pin)
	return nil
}

// keep takes a pin over from the old lock, where it may stay.
func (r *resolution) keep(suite, arch, name string, follow bool) bool {
	pin, ok := r.old.Deb(suite, arch, name)
	if r.Update || !ok || follow && pin.Follow == nil {
		return false
	}
	if !follow {
		pin.Follow = nil // no source says any more that others stand for it, or that one is still to come
	}
	pins := []spec.LockedDeb{pin}
	for _, other := range pin.Follow {
		p, ok := r.old.Deb(suite, arch, other)
		if !ok {
			return false
		}
		pins = append(pins, p)
	}
	for _, p := range pins {
		r.add(p)
	}
	return true
}

// add adds a pin that is not there yet; one that others stand for replaces one that
// does not say so.
func (r *resolution) add(pin spec.LockedDeb) {
	_, there := r.lock.Deb(pin.Suite, pin.Arch, pin.Name)
	if there && pin.Follow != nil {
		r.lock.Debs = slices.DeleteFunc(r.lock.Debs, func(d spec.LockedDeb) bool {
			return d.Suite == pin.Suite && d.Name == pin.Name && d.Arch == pin.Arch
		})
		there = false
	}
	if !there {
		r.lock.Debs = append(r.lock.Debs, pin)
	}
}

// locked makes a pin, and refuses an older version than the old lock's.
func (r *resolution) locked(suite string, p debian.Package) (spec.LockedDeb, error) {
	if old, ok := r.old.Deb(suite, p.Arch, p.Name); ok && debian.CompareVersions(p.Version, old.Version) < 0 {
		return spec.LockedDeb{}, fmt.Errorf("%w: %s, not %s", ErrDowngrade, p.Version, old.Version)
	}
	return spec.LockedDeb{
		Suite: suite, Release: p.Suite, Arch: p.Arch, Name: p.Name, Version: p.Version,
		Source: cmp.Or(p.Source, p.Name), SourceVersion: cmp.Or(p.SourceVersion, p.Version),
		Path: p.Path, Size: p.Size, Digest: spec.Digest("sha256:" + p.SHA256),
	}, nil
}

// index reads what a suite has, once.
func (r *resolution) index(ctx context.Context, suite string) (*debian.Index, error) {
	if i := r.indexes[suite]; i != nil {
		return i, nil
	}
	defer r.begin("fetch", "index of "+suite)()
	since := map[string]time.Time{}
	for _, l := range r.old.Releases {
		since[l.Name] = time.Unix(l.Date, 0).UTC()
	}
	i, err := r.Archive.Index(ctx, debian.Query{Suite: suite, Arches: spec.AllArches(), Components: components(), Now: r.Now, Since: since})
	if err != nil {
		return nil, err
	}
	r.indexes[suite] = i
	return i, nil
}

// releases records which Releases were resolved by: the new ones, and the old ones
// of suites that were not asked.
func (r *resolution) releases() {
	dates := map[string]int64{}
	for _, old := range r.old.Releases {
		if r.uses(old.Name) {
			dates[old.Name] = old.Date
		}
	}
	for _, i := range r.indexes {
		for _, release := range i.Releases {
			dates[release.Name] = release.Date.Unix()
		}
	}
	for name, date := range dates {
		r.lock.Releases = append(r.lock.Releases, spec.LockedRelease{Name: name, Date: date})
	}
}

// uses tells whether a pin is of the suite that a release belongs to: "trixie" for
// "trixie-security", too.
func (r *resolution) uses(release string) bool {
	return slices.ContainsFunc(r.lock.Debs, func(d spec.LockedDeb) bool {
		return release == d.Suite || strings.HasPrefix(release, d.Suite+"-")
	})
}

// toolchains pins the releases of Go.
func (r *resolution) toolchains(ctx context.Context, s *Set) error {
	for _, source := range s.Sources {
		name := source.Package.Toolchain
		for _, host := range r.Hosts {
			if name == "" || r.lock.Toolchain(name, host) != "" {
				continue
			}
			sum := r.old.Toolchain(name, host)
			if sum == "" {
				var err error
				if sum, err = r.toolchain(ctx, name, host); err != nil {
					return fmt.Errorf("%s: toolchain: %w", source.Package.Pos, err)
				}
			}
			r.lock.Toolchains = append(r.lock.Toolchains, spec.LockedToolchain{Name: name, Host: host, Sum: sum})
		}
	}
	return nil
}

func (r *resolution) toolchain(ctx context.Context, name, host string) (string, error) {
	defer r.begin("fetch", name+" "+host)()
	return r.Go.ToolchainSum(ctx, name, host)
}

// changes lists in what the new lock differs, in the order of what.
func (r *resolution) changes() []Change {
	versions := map[string]Change{}
	for _, d := range r.old.Debs {
		versions[d.Name+" "+d.Arch] = Change{From: d.Version}
	}
	for _, d := range r.lock.Debs {
		c := versions[d.Name+" "+d.Arch]
		c.To = d.Version
		versions[d.Name+" "+d.Arch] = c
	}
	for _, t := range r.old.Toolchains {
		versions[t.Name+" "+t.Host] = Change{From: t.Sum}
	}
	for _, t := range r.lock.Toolchains {
		c := versions[t.Name+" "+t.Host]
		c.To = t.Sum
		versions[t.Name+" "+t.Host] = c
	}
	var changes []Change
	for what, c := range versions {
		if c.From != c.To {
			changes = append(changes, Change{what, c.From, c.To})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.What, b.What) })
	return changes
}

// pinOf returns a pin as the archive takes it.
func pinOf(l *spec.DebsLock, d spec.LockedDeb) debian.Pin {
	return debian.Pin{
		Name: d.Name, Version: d.Version, Arch: d.Arch, Suite: d.Release, Path: d.Path,
		SHA256: strings.TrimPrefix(string(d.Digest), "sha256:"), Size: d.Size, Date: time.Unix(l.Release(d.Release), 0).UTC(),
	}
}
