package pkg_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/debian/debtest"
)

// TestFetched plants bad files at the mirror.
func TestFetched(t *testing.T) {
	one := ofText("one", "file usr/share/one "+strings.Repeat("x", 300))
	one.Compression = "none"
	const build = "image: one\narches: [amd64]\ndebs: {suite: trixie, packages: [one]}\n"
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, file string)
		is     error
		want   string
	}{
		{"a flipped byte", func(t *testing.T, file string) {
			t.Helper()
			data, err := os.ReadFile(file)
			check(t, err)
			check(t, os.WriteFile(file, bytes.Replace(data, []byte("xxx"), []byte("xyx"), 1), 0o644))
		}, debian.ErrDamaged, "damaged: its SHA-256 is "},
		{"cut off", func(t *testing.T, file string) {
			t.Helper()
			check(t, os.Truncate(file, 100))
		}, debian.ErrDamaged, "damaged: it ends after 100 of "},
		{"gone", func(t *testing.T, file string) {
			t.Helper()
			check(t, os.Remove(file))
		}, debian.ErrGone, `gone from the mirrors: perhaps a newer version has taken its place; "compose pkg lock -update" pins what is there`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, debtest.New(t, one))
			s := r.locked("one", build)
			tt.change(t, r.repository.File(one))
			_, err := r.Build(t.Context(), s, nil, false)
			wants(t, err, "pkgs/one/build.yml:1:1: debs: one 1.0-1 (amd64): ", tt.want)
			if !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
	t.Run("another package of that name", func(t *testing.T) {
		r := newRoom(t, debtest.New(t, one))
		s := r.locked("one", build)
		s.Set.Lock.Debs[0].Version = "9"
		_, err := r.Build(t.Context(), s, nil, false)
		wants(t, err, `it says that its version is "1.0-1", the lock says "9": damaged`)
	})
}

// TestVendor builds from a vendored folder alone.
func TestVendor(t *testing.T) {
	r, s := web(t, webDebs()...)
	want := r.build(s)
	vendored := filepath.Join(t.TempDir(), "vendored")
	check(t, r.Vendor(t.Context(), r.set(), vendored, nil))
	r.emptyCache()
	check(t, os.RemoveAll(r.repository.Dir))
	r.Archive.Offline, r.Archive.Mirrors = true, debian.Mirrors{}
	_, err := r.Build(t.Context(), s, nil, false)
	wants(t, err, "offline, and neither the cache nor the vendored files have ")
	if !errors.Is(err, debian.ErrOffline) {
		t.Error(err)
	}
	r.Archive.Vendored = debian.Dir(vendored)
	if got := r.build(s); got.Index.Digest != want.Index.Digest {
		t.Errorf("%s, want %s", got.Index.Digest, want.Index.Digest)
	}
	files, err := os.ReadDir(vendored)
	if err != nil || len(files) != 3 {
		t.Errorf("%d files: %v", len(files), err)
	}
}

// TestInterrupted ends a build while a package comes.
func TestInterrupted(t *testing.T) {
	one := ofText("one", "")
	r := newRoom(t, debtest.New(t, one))
	s := r.locked("one", "image: one\narches: [amd64]\ndebs: {suite: trixie, packages: [one]}\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() }))
	defer server.Close()
	r.Archive.Mirrors.Main = []string{server.URL}
	if _, err := r.Build(ctx, s, nil, false); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(r.Store.Dir(), "*", "package*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
