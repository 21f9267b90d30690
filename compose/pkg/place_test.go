package pkg_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/spec"
)

var amd64 = spec.Platform{OS: "linux", Architecture: "amd64"}

// system is a manifest with a package source, and what composes it.
type system struct {
	*room
	manifest *spec.Manifest
	images   *image.ByTransport
}

// newSystem reads the manifest anew: a place reads each source once.
func (r *room) newSystem() *system {
	r.t.Helper()
	m, err := spec.Parse(filepath.Join(r.dir, "m.yml"), []byte("init: [\"@pkg:pkgs/web\"]\nservices:\n  - {name: web, image: pkg:pkgs/web}\n"))
	check(r.t, err)
	stored := image.FromStore(r.Store, r.Lease)
	images := image.NewByTransport(stored)
	r.t.Cleanup(func() { _ = images.Close() })
	images.Packages = pkg.NewPlace(r.Builder, stored)
	return &system{r, m, images}
}

func (s *system) resolve(change func(*compose.ResolveOptions)) (*spec.Lock, []compose.Change, error) {
	s.t.Helper()
	o := compose.ResolveOptions{Add: true, Platform: amd64, Resolver: s.images, Source: s.images, Dir: s.dir}
	if change != nil {
		change(&o)
	}
	r, err := compose.Resolve(s.t.Context(), s.manifest, o)
	if err != nil {
		return nil, nil, err
	}
	return r.Lock, r.Changes, nil
}

func (s *system) compose(lock *spec.Lock) string {
	s.t.Helper()
	made, err := compose.Build(s.t.Context(), s.manifest, compose.Options{Lock: lock, Platform: amd64, Source: s.images, Lease: s.Lease, Dir: s.dir})
	check(s.t, err)
	var paths []string
	for e := range made.Tree.Entries() {
		paths = append(paths, e.Path)
	}
	return strings.Join(paths, "\n")
}

func TestManifest(t *testing.T) {
	r, source := web(t, webDebs()...)
	digest, err := r.Digest(t.Context(), source)
	check(t, err)
	s := r.newSystem()
	lock, _, err := s.resolve(nil)
	check(t, err)
	if len(lock.Images) != 1 || lock.Images[0].Digest != digest || lock.Images[0].Unsigned != "" {
		t.Fatalf("locked: %+v, want the digest %s", lock.Images, digest)
	}
	platform, there := lock.Images[0].Platforms["linux/amd64"]
	if made := r.build(source); !there || string(platform.Manifest) != r.openImage(made).index.Manifests[0].Digest.String() {
		t.Errorf("locked: %+v", lock.Images[0].Platforms)
	}
	if paths := s.compose(lock); !strings.Contains(paths, "\nusr/sbin/web\n") || !strings.Contains(paths, "containers/services/web/") {
		t.Errorf("the tree has\n%s", paths)
	}

	// Nothing changed: also with an empty cache.
	r.emptyCache()
	again := r.newSystem()
	same, changes, err := again.resolve(func(o *compose.ResolveOptions) { o.Old, o.Frozen, o.Add = lock, true, false })
	if err != nil || len(changes) > 0 || same.Images[0].Platforms["linux/amd64"].Manifest != platform.Manifest {
		t.Errorf("changes %v: %v", changes, err)
	}
	again.compose(lock)
}

func TestManifestOfChangedSource(t *testing.T) {
	r, _ := web(t, webDebs()...)
	lock, _, err := r.newSystem().resolve(nil)
	check(t, err)
	r.write("pkgs/web/web.conf", "changed\n")
	changed := r.newSystem()
	_, _, err = changed.resolve(func(o *compose.ResolveOptions) { o.Old, o.Frozen, o.Add = lock, true, false })
	var frozen *compose.FrozenError
	if !errors.As(err, &frozen) || len(frozen.Changes) != 1 {
		t.Errorf("with -frozen: %v", err)
	}
	next, changes, err := changed.resolve(func(o *compose.ResolveOptions) { o.Old, o.Add = lock, false })
	check(t, err)
	if len(changes) != 1 || changes[0].Name != "image pkg:pkgs/web" || !changes[0].Local || next.Images[0].Digest == lock.Images[0].Digest {
		t.Errorf("changes: %+v", changes)
	}
	if _, err := compose.Build(t.Context(), changed.manifest, compose.Options{Lock: lock, Platform: amd64, Source: changed.images, Lease: r.Lease, Dir: r.dir}); !errors.Is(err, image.ErrDigest) {
		t.Errorf("built by the old lock: %v", err)
	}
	changed.compose(next)
}

func TestPlaceErrors(t *testing.T) {
	r := newRoom(t, nil)
	r.source("arm", "image: arm\narches: [arm64]\n")
	r.write("pkgs/bad/build.yml", "imgae: a\n")
	place := pkg.NewPlace(r.Builder, image.FromStore(r.Store, r.Lease))
	for _, tt := range []struct {
		name string
		is   error
		want string
	}{
		{"none", image.ErrNotFound, "no build.yml is there"},
		{"bad", nil, `unknown key "imgae"; did you mean "image"?`},
		{"arm", image.ErrPlatform, "arm is made for arm64, not for amd64"},
	} {
		ref, err := spec.ParseRef("pkg:pkgs/"+tt.name, r.dir)
		check(t, err)
		d, err := place.Resolve(t.Context(), ref)
		if err == nil {
			_, err = place.Image(t.Context(), image.Pin{Ref: ref, Digest: d.Digest, Platform: amd64})
		}
		wants(t, err, tt.want)
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %v is not %v", tt.name, err, tt.is)
		}
	}
}

// TestCacheLost takes away, or damages, parts of what the cache has of an image.
func TestCacheLost(t *testing.T) {
	r, s := web(t, webDebs()...)
	want := r.build(s)
	o := r.openImage(want)
	blob := func(h v1.Hash) string {
		var found []string
		err := filepath.WalkDir(r.Store.Dir(), func(path string, _ os.DirEntry, err error) error {
			if filepath.Base(path) == h.Hex && strings.Contains(path, "blobs") {
				found = append(found, path)
			}
			return err
		})
		check(t, err)
		if len(found) != 1 {
			t.Fatalf("%s is at %v", h, found)
		}
		return found[0]
	}
	for _, tt := range []struct {
		name string
		do   func()
	}{
		{"layer", func() { check(t, os.Remove(blob(o.manifest.Layers[0].Digest))) }},
		{"config", func() { check(t, os.Remove(blob(o.manifest.Config.Digest))) }},
		{"manifest", func() { check(t, os.Remove(blob(o.index.Manifests[0].Digest))) }},
		{"statement", func() { check(t, os.Remove(blob(o.index.Manifests[1].Digest))) }},
		{"index", func() { check(t, os.Remove(blob(want.Index.Digest))) }},
		{"note", func() { check(t, r.Store.SetNote("package", string(want.Source)+" amd64", []byte("{"))) }},
		{"empty note", func() { check(t, r.Store.SetNote("package", string(want.Source)+" amd64", []byte("{}"))) }},
		{"damaged manifest", func() {
			path := blob(o.index.Manifests[0].Digest)
			check(t, os.Chmod(path, 0o600))
			check(t, os.WriteFile(path, []byte("{"), 0o600))
		}},
	} {
		tt.do()
		r.reopenCache()
		got := r.build(s)
		if got.Index.Digest != want.Index.Digest {
			t.Errorf("%s: %s, want %s", tt.name, got.Index.Digest, want.Index.Digest)
		}
		if fresh := slices.Contains(got.Fresh, "amd64"); fresh != (tt.name != "index") {
			t.Errorf("%s: built: %v", tt.name, got.Fresh)
		}
		r.openImage(got)
	}
}

// TestPlaceBuildsOnce asks for one image many times at once.
func TestPlaceBuildsOnce(t *testing.T) {
	r, s := web(t, webDebs()...)
	digest, err := r.Digest(t.Context(), s)
	check(t, err)
	var builds atomic.Int32
	r.Progress = func(stage, _ string) func() {
		if stage == "build" {
			builds.Add(1)
		}
		return func() {}
	}
	place := pkg.NewPlace(r.Builder, image.FromStore(r.Store, r.Lease))
	ref, err := spec.ParseRef("pkg:pkgs/web", r.dir)
	check(t, err)
	pin := image.Pin{Ref: ref, Digest: hashOf(t, digest), Platform: amd64}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := place.Image(t.Context(), pin); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := builds.Load(); n != 1 {
		t.Errorf("it was built %d times", n)
	}
}
