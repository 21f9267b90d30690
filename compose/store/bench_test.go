package store

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/compose/rootfs"
)

// workloadLayers returns the layers of the measuring workload, each once.
// COMPOSE_WORKLOAD names the folder that its mk.sh made.
func workloadLayers(tb testing.TB) []LayerSource {
	tb.Helper()
	dir := os.Getenv("COMPOSE_WORKLOAD")
	if dir == "" {
		tb.Skip("COMPOSE_WORKLOAD does not name the measuring workload")
	}
	blob := func(d v1.Hash) string { return filepath.Join(dir, "oci", "blobs", "sha256", d.Hex) }
	read := func(path string, v any) {
		data, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(data, v)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	var sources []LayerSource
	seen := map[v1.Hash]bool{}
	var index v1.IndexManifest
	read(filepath.Join(dir, "oci", "index.json"), &index)
	for todo := index.Manifests; len(todo) > 0; todo = todo[1:] {
		var m struct {
			Manifests []v1.Descriptor
			Config    v1.Descriptor
			Layers    []v1.Descriptor
		}
		read(blob(todo[0].Digest), &m)
		todo = append(todo, m.Manifests...)
		if len(m.Layers) == 0 {
			continue
		}
		var config v1.ConfigFile
		read(blob(m.Config.Digest), &config)
		for i, l := range m.Layers {
			if seen[l.Digest] || strings.Contains(string(l.MediaType), "json") {
				continue
			}
			seen[l.Digest] = true
			sources = append(sources, LayerSource{
				Digest: l.Digest, Size: l.Size, DiffID: config.RootFS.DiffIDs[i], MediaType: string(l.MediaType),
				Open: func() (io.ReadCloser, error) { return os.Open(blob(l.Digest)) },
			})
		}
	}
	return sources
}

// cpu returns what this process has used, in seconds.
func cpu() (user, system float64) {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()) / 1e9, float64(u.Stime.Nano()) / 1e9
}

// BenchmarkIntake takes all layers of the workload in, one after the other.
func BenchmarkIntake(b *testing.B) {
	sources := workloadLayers(b)
	var bytes int64
	var user, system float64
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		u0, s0 := cpu()
		b.StartTimer()
		s, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		lease := s.Lease()
		bytes = 0
		for _, src := range sources {
			l, err := lease.Layer(b.Context(), src)
			if err != nil {
				b.Fatal(err)
			}
			bytes += l.Size
		}
		if err := lease.Close(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		u1, s1 := cpu()
		user, system = user+u1-u0, system+s1-s0
		os.RemoveAll(dir)
		b.StartTimer()
	}
	b.SetBytes(bytes)
	b.ReportMetric(user/float64(b.N), "user-s/op")
	b.ReportMetric(system/float64(b.N), "sys-s/op")
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	b.ReportMetric(float64(r.Maxrss)/1024, "maxrss-MB")
}

// BenchmarkWarm opens all layers of the workload from the cache.
func BenchmarkWarm(b *testing.B) {
	sources := workloadLayers(b)
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	entries := 0
	load := func() {
		lease := s.Lease()
		defer lease.Close()
		entries = 0
		for _, src := range sources {
			l, err := lease.Layer(b.Context(), src)
			if err != nil {
				b.Fatal(err)
			}
			entries += len(l.Entries())
		}
	}
	load()
	for b.Loop() {
		load()
	}
	b.ReportMetric(float64(entries), "entries")
}

// BenchmarkMember opens a member of the cache and closes it, one of 400 in turn.
func BenchmarkMember(b *testing.B) {
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	l := newLease(b, s)
	var one uint64
	use := func() {
		m, err := l.Member(b.Context(), rootfs.Digest{byte(one >> 8), byte(one)}, func(w io.Writer) error {
			_, err := w.Write(make([]byte, 4096))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
		one = (one + 1) % 400
	}
	for range 400 {
		use()
	}
	b.ReportAllocs()
	u0, s0 := cpu()
	for b.Loop() {
		use()
	}
	u1, s1 := cpu()
	b.ReportMetric((u1-u0)*1e6/float64(b.N), "user-µs/op")
	b.ReportMetric((s1-s0)*1e6/float64(b.N), "sys-µs/op")
}
