package trust_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/trust"
	"github.com/composeos/compose/compose/trust/trusttest"
)

// repositoryURL is where the tests' repository is said to be; nothing is asked of it.
const repositoryURL = "https://tuf.example.com"

// from returns the place of the repository r that is remembered in dir.
func from(r *trusttest.Repository, dir string) trust.Repository {
	return trust.Repository{
		URL: repositoryURL, Root: r.Root, Dir: dir,
		Get: func(_ context.Context, url string, _ int64) ([]byte, error) {
			data, ok := r.Files[strings.TrimPrefix(url, repositoryURL+"/")]
			if !ok {
				return nil, fmt.Errorf("%s: %w", url, fs.ErrNotExist)
			}
			return data, nil
		},
	}
}

func TestTrustedRoot(t *testing.T) {
	first, second := trusttest.NewSigstore(t).TrustedRootJSON, trusttest.NewSigstore(t).TrustedRootJSON
	r := trusttest.NewRepository(t)
	dir := t.TempDir()
	steps := []struct {
		name   string
		change func()
		want   []byte
	}{
		{"the first", func() { r.Publish(t, first) }, first},
		{"nothing new", func() {}, first},
		{"another", func() { r.Publish(t, second) }, second},
		{"new keys of all roles", func() { r.Rotate(t); r.Rotate(t); r.Publish(t, first) }, first},
		{"the same again", func() { r.Publish(t, first) }, first},
		{"without memory", func() { dir = t.TempDir() }, first},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			s.change()
			got, err := from(r, dir).TrustedRoot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, s.want) {
				t.Errorf("got %.80s…\nwant %.80s…", got, s.want)
			}
		})
	}
}

func TestTrustedRootRefuses(t *testing.T) {
	old, good := trusttest.NewSigstore(t).TrustedRootJSON, trusttest.NewSigstore(t).TrustedRootJSON
	expired := func(role string) func(*testing.T, *trusttest.Repository) {
		return func(t *testing.T, r *trusttest.Repository) {
			r.Expired = role
			if role == "root" {
				r.Rotate(t)
			}
			r.Publish(t, good)
		}
	}
	// with changes the files whose names match.
	with := func(pattern string, change func([]byte) []byte) func(*testing.T, *trusttest.Repository) {
		return func(t *testing.T, r *trusttest.Repository) {
			r.Publish(t, good)
			changed := false
			for name, data := range r.Files {
				if ok, _ := path.Match(pattern, name); ok {
					r.Files[name], changed = change(bytes.Clone(data)), true
				}
			}
			if !changed {
				t.Fatalf("no file matches %s", pattern)
			}
		}
	}
	// resigned lets keys that no root names sign a role.
	resigned := func(t *testing.T, r *trusttest.Repository) {
		other := trusttest.NewRepository(t)
		for range 3 {
			other.Publish(t, good)
		}
		for name, data := range other.Files {
			if !strings.HasSuffix(name, "root.json") {
				r.Files[name] = data
			}
		}
	}
	swap := func(from, to string) func([]byte) []byte {
		return func(data []byte) []byte { return bytes.Replace(data, []byte(from), []byte(to), 1) }
	}
	tests := []struct {
		name   string
		change func(*testing.T, *trusttest.Repository)
		want   error
	}{
		{"an expired root", expired("root"), trust.ErrExpired},
		{"an expired timestamp", expired("timestamp"), trust.ErrExpired},
		{"an expired snapshot", expired("snapshot"), trust.ErrExpired},
		{"expired targets", expired("targets"), trust.ErrExpired},
		{"a changed target of one length", with("targets/*", swap("test root", "tast root")), trust.ErrTampered},
		{"a target cut short", with("targets/*", func(b []byte) []byte { return b[:len(b)-1] }), trust.ErrTampered},
		{"a target that is longer", with("targets/*", func(b []byte) []byte { return append(b, ' ') }), nil},
		{"targets of another day", with("2.targets.json", swap(`"expires":"21`, `"expires":"22`)), trust.ErrUnsignedRoot},
		{"a snapshot of another version", with("2.snapshot.json", swap(`"version":2`, `"version":3`)), trust.ErrUnsignedRoot},
		{"a timestamp of another version", with("timestamp.json", swap(`"version":2`, `"version":3`)), trust.ErrUnsignedRoot},
		{"a timestamp that is no JSON", with("timestamp.json", func([]byte) []byte { return []byte("<html>") }), nil},
		{"everything signed by other keys", resigned, trust.ErrUnsignedRoot},
		{"no targets", func(_ *testing.T, r *trusttest.Repository) { delete(r.Files, "1.targets.json") }, fs.ErrNotExist},
		{"a target that is no trusted root", func(t *testing.T, r *trusttest.Repository) { r.Publish(t, []byte(`{"a":1}`)) }, nil},
		{"a target that is too large", func(t *testing.T, r *trusttest.Repository) { r.Publish(t, make([]byte, 2<<20)) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := trusttest.NewRepository(t)
			r.Publish(t, old)
			tt.change(t, r)
			data, err := from(r, t.TempDir()).TrustedRoot(t.Context())
			if err == nil || data != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Fatalf("TrustedRoot = %d bytes, %v; want %v", len(data), err, tt.want)
			}
			if !strings.HasPrefix(err.Error(), "trusted root of "+repositoryURL+": ") {
				t.Errorf("the error does not say where: %v", err)
			}
		})
	}
}

// TestTrustedRootRollback shows an older state to a client that has seen a newer one.
func TestTrustedRootRollback(t *testing.T) {
	r := trusttest.NewRepository(t)
	r.Publish(t, trusttest.NewSigstore(t).TrustedRootJSON)
	before := r.State()
	newer := trusttest.NewSigstore(t).TrustedRootJSON
	r.Publish(t, newer)
	dir := t.TempDir()
	if _, err := from(r, dir).TrustedRoot(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := r.Files
	r.Files = before
	if _, err := from(r, dir).TrustedRoot(t.Context()); !errors.Is(err, trust.ErrRollback) {
		t.Errorf("an older state: %v; want %v", err, trust.ErrRollback)
	}
	if _, err := from(r, t.TempDir()).TrustedRoot(t.Context()); err != nil {
		t.Errorf("to a client that has seen nothing: %v", err)
	}
	r.Files = now
	if got, err := from(r, dir).TrustedRoot(t.Context()); err != nil || !bytes.Equal(got, newer) {
		t.Errorf("the newer state again: %v", err)
	}
}

// TestTrustedRootStops holds that nothing is asked for once the context has ended.
func TestTrustedRootStops(t *testing.T) {
	r := trusttest.NewRepository(t)
	r.Publish(t, trusttest.NewSigstore(t).TrustedRootJSON)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	place := from(r, t.TempDir())
	place.Get = func(_ context.Context, url string, _ int64) ([]byte, error) {
		t.Errorf("%s is asked for", url)
		return nil, fs.ErrNotExist
	}
	if _, err := place.TrustedRoot(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("TrustedRoot = %v", err)
	}
}

// TestPublicRoot holds that the root.json that is built in is one.
func TestPublicRoot(t *testing.T) {
	asked := ""
	place := trust.Repository{Dir: t.TempDir(), Get: func(_ context.Context, url string, _ int64) ([]byte, error) {
		if asked == "" {
			asked = url
		}
		return nil, fs.ErrNotExist
	}}
	_, err := place.TrustedRoot(t.Context())
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(asked, trust.PublicRepository+"/") || !strings.HasSuffix(asked, ".root.json") {
		t.Errorf("asked for %q, error %v", asked, err)
	}
}
