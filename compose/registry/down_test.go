package registry_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
	"github.com/composeos/compose/spec"
)

// nobody returns an address of this machine where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestNobodyThere waits once for a host that refuses connections, whatever repositories
// are asked for, and warns once of a mirror.
func TestNobodyThere(t *testing.T) {
	s := registrytest.New(t)
	for _, repo := range []string{"test/a", "test/b", "test/c"} {
		s.PutManifest(t, repo, "v1", string(types.OCIManifestSchema1), aManifest(300))
	}
	down := nobody(t)
	settings := &spec.Settings{Registries: map[string]spec.RegistrySettings{s.Host: {Mirrors: []string{down}}}}
	for host, want := range map[string]error{s.Host: nil, down: errAny} {
		var log bytes.Buffer
		w := &waits{}
		c := client(t, registry.Options{Settings: settings, Wait: w.wait, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		first := 0
		for _, repo := range []string{"test/a", "test/b", "test/c", "test/a"} {
			_, _, err := c.Tag(t.Context(), host+"/"+repo, "v1")
			if (err != nil) != (want != nil) || err != nil && !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("%s: %v", repo, err)
			}
			if first == 0 {
				first = len(w.all)
			}
		}
		if len(w.all) != first || first == 0 {
			t.Errorf("waited %d times, then %d more", first, len(w.all)-first)
		}
		warned := strings.Count(log.String(), "level=WARN")
		if says := "the mirror " + down + " does not serve " + s.Host + "/test/a:v1: dial tcp "; want == nil && (warned != 1 || !strings.Contains(log.String(), says)) {
			t.Errorf("%d warnings, want one that says %q:\n%s", warned, says, &log)
		}
		if want != nil && warned != 0 {
			t.Errorf("a registry is no mirror:\n%s", &log)
		}
	}
}

// TestDownLater remembers a mirror that goes away after it has served, too.
func TestDownLater(t *testing.T) {
	mirror, s := registrytest.New(t), registrytest.New(t)
	for _, at := range []*registrytest.Server{mirror, s} {
		at.PutManifest(t, repo, "v1", string(types.OCIManifestSchema1), aManifest(300))
	}
	settings := &spec.Settings{Registries: map[string]spec.RegistrySettings{s.Host: {Mirrors: []string{mirror.Host}}}}
	w := &waits{}
	c := client(t, registry.Options{Settings: settings, Wait: w.wait})
	ask := func() int {
		if _, _, err := c.Tag(t.Context(), s.Host+"/"+repo, "v1"); err != nil {
			t.Fatal(err)
		}
		return len(w.all)
	}
	if n := ask(); n != 0 || len(s.Requests()) != 0 {
		t.Fatalf("the mirror does not serve: %d waits", n)
	}
	mirror.Close()
	if first := ask(); first == 0 || ask() != first {
		t.Errorf("waited %d times at first, then again", first)
	}
}

// TestOneWarning tells once of a mirror that fails, as a sentence.
func TestOneWarning(t *testing.T) {
	mirror, s := registrytest.New(t), registrytest.New(t)
	mirror.Fault(registrytest.On(registrytest.Manifests, registrytest.Status(500, "oh")))
	s.PutManifest(t, repo, "v1", string(types.OCIManifestSchema1), aManifest(300))
	settings := &spec.Settings{Registries: map[string]spec.RegistrySettings{s.Host: {Mirrors: []string{mirror.Host}}}}
	var log bytes.Buffer
	c := client(t, registry.Options{Settings: settings, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	for range 3 {
		if _, _, err := c.Tag(t.Context(), s.Host+"/"+repo, "v1"); err != nil {
			t.Fatal(err)
		}
	}
	want := "msg=\"the mirror " + mirror.Host + " does not serve " + s.Host + "/" + repo + ":v1: it answers 500 Internal Server Error: oh; the next is asked\"\n"
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, want) {
		t.Errorf("%s\nwant one line that ends with %s", got, want)
	}
}
