package compose_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

var amd64 = spec.Platform{OS: "linux", Architecture: "amd64"}

// testImage is a package image as text.
type testImage struct {
	layers  []string // as rootfstest reads them
	label   string   // org.mobyproject.config
	labels  map[string]string
	cmd     []string
	created int64
}

// place is images by name, in memory: an image.Resolver and an image.Source.
type place map[string]v1.Image

func newPlace(t *testing.T, images map[string]testImage) place {
	t.Helper()
	p := place{}
	for name, text := range images {
		img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
		var err error
		for _, l := range text.layers {
			if img, err = mutate.AppendLayers(img, layerOf(t, l)); err != nil {
				t.Fatal(err)
			}
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		config = config.DeepCopy()
		config.OS, config.Architecture = amd64.OS, amd64.Architecture
		config.Created = v1.Time{Time: time.Unix(text.created, 0).UTC()}
		config.Config.Cmd = text.cmd
		config.Config.Labels = maps.Clone(text.labels)
		if text.label != "" {
			config.Config.Labels = map[string]string{"org.mobyproject.config": text.label}
		}
		if p[name], err = mutate.ConfigFile(img, config); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func layerOf(t *testing.T, text string) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range rootfstest.Parse(text) {
		h := &tar.Header{Name: e.Path, Mode: int64(e.Mode), Size: e.Size, Linkname: e.Link, ModTime: time.Unix(e.ModTime, 0)}
		switch e.Type {
		case rootfs.Dir:
			h.Typeflag, h.Name = tar.TypeDir, e.Path+"/"
		case rootfs.Symlink:
			h.Typeflag = tar.TypeSymlink
		case rootfs.HardLink:
			h.Typeflag = tar.TypeLink
		case rootfs.Whiteout:
			h.Typeflag, h.Name = tar.TypeReg, filepath.Join(filepath.Dir(e.Path), ".wh."+filepath.Base(e.Path))
		default:
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if e.Body != nil {
			if _, err := io.Copy(w, io.NewSectionReader(e.Body, 0, e.Size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return static.NewLayer(b.Bytes(), types.OCIUncompressedLayer)
}

func (p place) Resolve(_ context.Context, ref spec.Ref) (v1.Descriptor, error) {
	img, ok := p[ref.String()]
	if !ok {
		return v1.Descriptor{}, image.ErrNotFound
	}
	d, err := partial.Descriptor(img)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return *d, nil
}

func (p place) Image(_ context.Context, pin image.Pin) (*image.Image, error) {
	for _, img := range p {
		if d, err := img.Digest(); err == nil && d == pin.Digest {
			return &image.Image{Image: img}, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", pin.Digest, image.ErrNotFound)
}

// workshop is a folder with a cache and a manifest, and images to make it of.
type workshop struct {
	t      *testing.T
	dir    string
	store  *store.Store
	lease  *store.Lease
	place  place
	images image.Place // where references are looked up: place
}

func newWorkshop(t *testing.T, images map[string]testImage) *workshop {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(filepath.Join(dir, "cache"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lease := st.Lease()
	t.Cleanup(func() { _ = lease.Close() })
	p := newPlace(t, images)
	return &workshop{t, dir, st, lease, p, p}
}

// write makes a file beside the manifest.
func (w *workshop) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workshop) parse(manifest string) *spec.Manifest {
	w.t.Helper()
	m, err := spec.Parse(filepath.Join(w.dir, "m.yml"), []byte(manifest))
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// resolve makes the lock; change alters the options first.
func (w *workshop) resolve(m *spec.Manifest, change func(*compose.ResolveOptions)) (*spec.Lock, []compose.Change, error) {
	w.t.Helper()
	o := compose.ResolveOptions{
		Add: true, Accept: compose.Accept{"*"}, Platform: amd64, Resolver: w.images, Source: w.images, Dir: w.dir, Home: filepath.Join(w.dir, "home"),
	}
	if change != nil {
		change(&o)
	}
	r, err := compose.Resolve(w.t.Context(), m, o)
	if err != nil {
		return nil, nil, err
	}
	return r.Lock, r.Changes, nil
}

func (w *workshop) build(manifest string) (*compose.Result, error) {
	w.t.Helper()
	m := w.parse(manifest)
	lock, _, err := w.resolve(m, nil)
	if err != nil {
		return nil, err
	}
	return w.buildLocked(m, lock)
}

func (w *workshop) buildLocked(m *spec.Manifest, lock *spec.Lock) (*compose.Result, error) {
	w.t.Helper()
	return compose.Build(w.t.Context(), m, compose.Options{
		Lock: lock, Platform: amd64, Source: w.images, Lease: w.lease, Dir: w.dir, Home: filepath.Join(w.dir, "home"),
	})
}

// list writes a tree as text; what compose makes in every root filesystem is
// left out, and the JSON files' content.
func list(tree *rootfs.Tree) string {
	var out strings.Builder
	for line := range strings.Lines(rootfstest.Format(func(yield func(*rootfs.Entry) bool) {
		for e := range tree.Entries() {
			c := *e
			if strings.HasSuffix(c.Path, ".json") {
				c.Body, c.Size = strings.NewReader("{}"), 2
			}
			if !inEvery(c.Path) && !yield(&c) {
				return
			}
		}
	})) {
		out.WriteString(line)
	}
	return out.String()
}

func inEvery(path string) bool {
	for _, p := range []string{"dev", "dev/pts", "dev/shm", "etc", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "sys"} {
		if path == p || strings.HasPrefix(path, "containers/") && strings.HasSuffix(path, "/"+p) {
			return true
		}
	}
	return false
}
