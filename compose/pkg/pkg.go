// Package pkg makes package images from package sources.
//
// A [Source] is a folder with a build.yml (spec.Package): Debian packages, Go
// programs, files. Its image is a function of what the source names and of the
// lock beside it, and of nothing else: nothing of a package is run, and no clock is
// asked. One road leads there:
//
//	build.yml + debs.lock ──▶ digest of the source         what goes in, and so the tag
//	debs ─▶ Go programs ─▶ files ─▶ links, users ─▶ steps ─▶ contents
//	contents ─closure─▶ one layer, its SBOM ─▶ image ─▶ index
//
// A [Builder] walks it, for one architecture at a time, and keeps what it made in
// the cache under the source's digest. [Place] lets a manifest name a source by
// pkg:DIR. [Set.Resolve] makes the lock: it alone asks what versions there are.
package pkg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/composeos/compose/spec"
)

// Level is the level of the rules by which an image is made of its source. It is
// part of every source's digest.
const Level = 1

// KeyringFile is the name of the file with the keys that sign Debian's releases,
// in ASCII armour. It lies beside the folders of the sources, with the lock.
const KeyringFile = "keyring.asc"

// Source is a package source that has been read.
type Source struct {
	Dir     string // its folder
	Package *spec.Package
	Set     *Set // that it belongs to
}

// Set is package sources that lie side by side, with what they share.
type Set struct {
	Dir     string         // their folder
	Lock    *spec.DebsLock // empty where there is none
	Sources []*Source      // by the names of their folders; of a set that was opened for one source, that one
}

// ErrNoSource says that a folder is no package source.
var ErrNoSource = errors.New("no " + spec.BuildFile + " is there")

// Open reads the package source in a folder, and the lock beside that folder.
func Open(dir string) (*Source, error) {
	set, err := openSet(filepath.Join(dir, ".."))
	if err != nil {
		return nil, err
	}
	s, err := set.open(dir)
	if err != nil {
		return nil, err
	}
	set.Sources = []*Source{s}
	return s, nil
}

// OpenSet reads all package sources in the folders of dir.
func OpenSet(dir string) (*Set, error) {
	set, err := openSet(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the package sources: %w", err)
	}
	var errs []error
	for _, e := range entries {
		s, err := set.open(filepath.Join(dir, e.Name()))
		if errors.Is(err, ErrNoSource) {
			continue
		}
		errs = append(errs, err)
		set.Sources = append(set.Sources, s)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(set.Sources) == 0 {
		return nil, fmt.Errorf("%s: no folder in it has a %s", dir, spec.BuildFile)
	}
	return set, nil
}

// openSet reads the lock.
func openSet(dir string) (*Set, error) {
	name := filepath.Join(dir, spec.DebsLockFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &Set{Dir: dir, Lock: &spec.DebsLock{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the lock of Debian packages: %w", err)
	}
	lock, err := spec.ParseDebsLock(name, data)
	if err != nil {
		return nil, err
	}
	return &Set{Dir: dir, Lock: lock}, nil
}

// open reads one source of the set.
func (s *Set) open(dir string) (*Source, error) {
	name := filepath.Join(dir, spec.BuildFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoSource)
	}
	if err != nil {
		return nil, fmt.Errorf("read a package source: %w", err)
	}
	p, err := spec.ParsePackage(name, data)
	if err != nil {
		return nil, err
	}
	return &Source{Dir: dir, Package: p, Set: s}, nil
}

// LockPath returns where the set's lock is, or would be.
func (s *Set) LockPath() string { return filepath.Join(s.Dir, spec.DebsLockFile) }

// Named returns the sources whose folders' names those are.
func (s *Set) Named(names []string) ([]*Source, error) {
	var found []*Source
	for _, name := range names {
		i := slices.IndexFunc(s.Sources, func(c *Source) bool { return filepath.Base(c.Dir) == name })
		if i < 0 {
			return nil, fmt.Errorf("%s has no package source %q", s.Dir, name)
		}
		found = append(found, s.Sources[i])
	}
	return found, nil
}

// debs returns the pins of the packages that the source has for an architecture,
// by name.
func (s *Source) debs(arch string) ([]spec.LockedDeb, error) {
	d := s.Package.Debs
	var pins []spec.LockedDeb
	var errs []error
	add := func(name string) {
		pin, ok := s.Set.Lock.Deb(d.Suite, arch, name)
		if !ok {
			errs = append(errs, &UnlockedError{Source: s, Name: name, Arch: arch})
			return
		}
		pins = append(pins, pin)
	}
	followed := d.Followed(arch)
	for _, name := range d.For(arch) {
		if !slices.Contains(followed, name) {
			add(name)
			continue
		}
		pin, ok := s.Set.Lock.Deb(d.Suite, arch, name)
		if !ok || pin.Follow == nil {
			errs = append(errs, &UnlockedError{Source: s, Name: name, Arch: arch})
		}
		for _, follow := range pin.Follow {
			add(follow)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortFunc(pins, func(a, b spec.LockedDeb) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(pins, func(a, b spec.LockedDeb) bool { return a.Name == b.Name }), nil
}

// UnlockedError says that a Debian package, or a release of Go, is not in the lock.
type UnlockedError struct {
	Source     *Source
	Name, Arch string // Arch is "" for a release of Go
}

func (e *UnlockedError) Error() string {
	if e.Arch == "" {
		return fmt.Sprintf("%s: toolchain: %s is not in %s", e.Source.Package.Pos, e.Name, e.Source.Set.LockPath())
	}
	return fmt.Sprintf("%s: debs: %s for %s is not in %s", e.Source.Package.Pos, e.Name, e.Arch, e.Source.Set.LockPath())
}

// ArchError says that a package is not made for an architecture.
type ArchError struct {
	Source *Source
	Arch   string
}

func (e *ArchError) Error() string {
	return fmt.Sprintf("%s: %s is made for %s, not for %s", e.Source.Package.Pos, e.Source.Package.Image,
		strings.Join(e.Source.Package.Builds(), " and "), e.Arch)
}
