package pkg_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/debian/debtest"
	"github.com/composeos/compose/spec"
)

const plainBuild = "image: plain\narches: [amd64]\ndebs: {suite: trixie, packages: [one, two]}\n"

// versions lists the pins of a lock: name, version and release.
func versions(l *spec.DebsLock) string {
	var b strings.Builder
	for _, d := range l.Debs {
		b.WriteString(d.Name + " " + d.Version + " " + d.Release + "\n")
	}
	return b.String()
}

func at(p debtest.Package, version string) debtest.Package {
	p.Version = version
	return p
}

func TestLock(t *testing.T) {
	one, two := ofText("one", "file usr/share/one x"), ofText("two", "file usr/share/two x")
	one.Source = "whole (7)"
	repository := debtest.New(t, at(one, "1.0-1"), at(two, "2.0-1"))
	r := newRoom(t, repository)
	r.source("plain", plainBuild)
	lock, changes, err := r.resolve(false)
	check(t, err)
	if got, want := versions(lock), "one 1.0-1 trixie\ntwo 2.0-1 trixie\n"; got != want {
		t.Errorf("locked\n%s", got)
	}
	if d := lock.Debs[0]; d.Source != "whole" || d.SourceVersion != "7" || d.Path != at(one, "1.0-1").Path() || d.Size == 0 {
		t.Errorf("locked %+v", d)
	}
	if diff := cmp.Diff([]pkg.Change{{What: "one amd64", To: "1.0-1"}, {What: "two amd64", To: "2.0-1"}}, changes); diff != "" {
		t.Errorf("changes -want +got:\n%s", diff)
	}
	for i, name := range []string{"trixie", "trixie-security", "trixie-updates"} {
		if got := lock.Release(name); got != repository.Date.Unix() || len(lock.Releases) != 3 {
			t.Errorf("%d: %s is of %d", i, name, got)
		}
	}

	// A newer version comes: what is pinned stays, and the lock is as it was.
	first := r.lock(false)
	secure := at(one, "1.1-1")
	secure.Suite = "trixie-security"
	repository.Packages = append(repository.Packages, secure)
	repository.Date = repository.Date.AddDate(0, 0, 1)
	repository.Publish(t)
	if again := r.lock(false); again != first {
		t.Errorf("the lock changed\n%s", cmp.Diff(first, again))
	}
	lock, changes, err = r.resolve(true)
	check(t, err)
	if got, want := versions(lock), "one 1.1-1 trixie-security\ntwo 2.0-1 trixie\n"; got != want {
		t.Errorf("updated to\n%s", got)
	}
	if diff := cmp.Diff([]pkg.Change{{What: "one amd64", From: "1.0-1", To: "1.1-1"}}, changes); diff != "" {
		t.Errorf("changes -want +got:\n%s", diff)
	}
	if got := lock.Release("trixie-security"); got != repository.Date.Unix() {
		t.Errorf("the Release is of %d", got)
	}

	// A new package is pinned beside the old ones; one that is not used goes.
	r.lock(true)
	third := ofText("third", "")
	repository.Packages = append(repository.Packages, third, at(two, "3.0-1"))
	repository.Publish(t)
	r.source("plain", strings.Replace(plainBuild, "one, two", "two, third", 1))
	lock, changes, err = r.resolve(false)
	check(t, err)
	if got, want := versions(lock), "third 1.0-1 trixie\ntwo 2.0-1 trixie\n"; versions(sorted(t, lock)) != want {
		t.Errorf("locked\n%s", got)
	}
	if diff := cmp.Diff([]pkg.Change{{What: "one amd64", From: "1.1-1"}, {What: "third amd64", To: "1.0-1"}}, changes); diff != "" {
		t.Errorf("changes -want +got:\n%s", diff)
	}
}

// sorted returns a lock as its file has it.
func sorted(t *testing.T, l *spec.DebsLock) *spec.DebsLock {
	t.Helper()
	data, err := l.Marshal()
	check(t, err)
	l, err = spec.ParseDebsLock("debs.lock", data)
	check(t, err)
	return l
}

func TestLockRefuses(t *testing.T) {
	one := ofText("one", "file usr/share/one x")
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, r *room)
		is     error
		want   string
	}{
		{"an older version", func(t *testing.T, r *room) {
			t.Helper()
			r.repository.Packages = []debtest.Package{at(one, "1.0-1")}
			r.repository.Publish(t)
		}, pkg.ErrDowngrade, "build.yml:1:1: debs: one for amd64: the mirrors have an older version than the lock: 1.0-1, not 2.0-1"},
		{"an older Release", func(t *testing.T, r *room) {
			t.Helper()
			r.repository.Date = r.repository.Date.AddDate(0, 0, -1)
			r.repository.Publish(t)
		}, debian.ErrOlder, "older than the one recorded in the lock"},
		{"an expired Release", func(_ *testing.T, r *room) { r.repository.Now = r.repository.Now.AddDate(1, 0, 0) }, debian.ErrExpired, "it expired at"},
		{"another key", func(t *testing.T, r *room) {
			t.Helper()
			r.repository.NewKey(t)
			r.repository.Publish(t)
		}, debian.ErrSignature, "not signed by a key of the keyring"},
		{"a package that is not there", func(_ *testing.T, r *room) {
			r.source("one", "image: one\narches: [amd64]\ndebs: {suite: trixie, packages: [onee]}\n")
		}, debian.ErrUnknownPackage, "debs: onee for amd64: package onee: no such package in trixie for amd64; did you mean one?"},
		{"no network", func(_ *testing.T, r *room) { r.Archive.Offline = true }, debian.ErrOffline, "index of trixie: offline"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, debtest.New(t, at(one, "2.0-1")))
			r.locked("one", "image: one\narches: [amd64]\ndebs: {suite: trixie, packages: [one]}\n")
			tt.change(t, r)
			_, _, err := r.resolve(true)
			wants(t, err, tt.want)
			if !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

// TestLockFollows sees that a metapackage's own packages stand in its place, and stay
// where they are.
func TestLockFollows(t *testing.T) {
	meta, kernel := ofText("meta", "file usr/share/meta x"), ofText("kernel-1", "file usr/share/kernel 1")
	meta.Depends = "kernel-1 (= 1.0-1), lsb | other"
	lsb := ofText("lsb", "file usr/share/lsb x")
	repository := debtest.New(t, meta, kernel, lsb)
	r := newRoom(t, repository)
	const follows = "image: a\narches: [amd64]\ndebs: {suite: trixie, packages: [meta], follow: [meta]}\n"
	s := r.locked("a", follows)
	lock := s.Set.Lock
	if got, want := versions(lock), "kernel-1 1.0-1 trixie\nlsb 1.0-1 trixie\nmeta 1.0-1 trixie\n"; got != want {
		t.Errorf("locked\n%s", got)
	}
	if pin, _ := lock.Deb("trixie", "amd64", "meta"); strings.Join(pin.Follow, " ") != "kernel-1 lsb" {
		t.Errorf("for meta stand %v", pin.Follow)
	}
	if got := r.paths(s); got != "usr/share/kernel \"1\"\nusr/share/lsb \"x\"\n" {
		t.Errorf("it has\n%s", got)
	}
	newer := at(meta, "2.0-1")
	newer.Depends = "kernel-2"
	repository.Packages = append(repository.Packages, newer, ofText("kernel-2", ""))
	repository.Publish(t)
	if got, _, err := r.resolve(false); err != nil || versions(sorted(t, got)) != versions(lock) {
		t.Errorf("%v, and it moved:\n%s", err, versions(got))
	}
	if got, _, err := r.resolve(true); err != nil || versions(sorted(t, got)) != "kernel-2 1.0-1 trixie\nmeta 2.0-1 trixie\n" {
		t.Errorf("%v, and updated it is\n%s", err, versions(got))
	}

	// Another source has it as a package: both get what they ask for, in any order.
	const plain = "image: b\narches: [amd64]\ndebs: {suite: trixie, packages: [meta]}\n"
	for _, name := range []string{"Z", "0"} {
		r.source(name, plain)
		first := r.lock(true)
		if second := r.lock(false); first != second {
			t.Errorf("the lock changed\n%s", cmp.Diff(first, second))
		}
		if got := r.paths(r.open(name)); got != "usr/share/meta \"x\"\n" {
			t.Errorf("%s has\n%s", name, got)
		}
		if _, err := r.Build(t.Context(), r.open("a"), nil, false); err != nil {
			t.Error(err)
		}
		check(t, os.RemoveAll(filepath.Join(r.dir, "pkgs", name)))
	}
}

func TestNotLocked(t *testing.T) {
	r := newRoom(t, debtest.New(t))
	_, err := r.Digest(t.Context(), r.source("plain", plainBuild))
	wants(t, err, "pkgs/plain/build.yml:1:1: debs: one for amd64 is not in ", "debs: two for amd64 is not in ")
	var unlocked *pkg.UnlockedError
	if !errors.As(err, &unlocked) || unlocked.Name != "one" {
		t.Errorf("%T", err)
	}
}

func TestOpenSet(t *testing.T) {
	r := newRoom(t, nil)
	r.write("pkgs/README", "x")
	r.write("pkgs/internal/x.go", "x")
	_, err := pkg.OpenSet(filepath.Join(r.dir, "pkgs"))
	wants(t, err, "pkgs: no folder in it has a build.yml")
	r.source("b", "image: b\n")
	r.source("a", "image: a\n")
	set := r.set()
	if len(set.Sources) != 2 || set.Sources[0].Package.Image != "a" || set.LockPath() != filepath.Join(r.dir, "pkgs", "debs.lock") {
		t.Errorf("%+v", set)
	}
	found, err := set.Named([]string{"b"})
	if err != nil || len(found) != 1 || found[0] != set.Sources[1] {
		t.Errorf("%v %v", found, err)
	}
	_, err = set.Named([]string{"c"})
	wants(t, err, `pkgs has no package source "c"`)
	_, err = pkg.Open(filepath.Join(r.dir, "pkgs", "internal"))
	wants(t, err, "pkgs/internal: no build.yml is there")
	_, err = pkg.Open(filepath.Join(r.dir, "pkgs", "README"))
	wants(t, err, "pkgs/README: no build.yml is there")
	r.write("pkgs/c/build.yml", "image: C\n")
	r.write("pkgs/d/build.yml", "imag: d\n")
	_, err = pkg.OpenSet(filepath.Join(r.dir, "pkgs"))
	wants(t, err, "c/build.yml:1:8", "d/build.yml:1:1")
	r.write("pkgs/debs.lock", "{}")
	_, err = pkg.OpenSet(filepath.Join(r.dir, "pkgs"))
	wants(t, err, "debs.lock:1:1")
}
