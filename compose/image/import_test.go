package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

func arm64v8() spec.Platform {
	return spec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
}

func TestImport(t *testing.T) {
	f := good()
	f.name("", f.image("linux/amd64", "without a name"))
	f.name("v1", f.image("linux/amd64", "with a mere tag"))
	for _, path := range []string{f.dir(t), f.tar(t, "./")} {
		m := newMemory()
		var told atomic.Int64
		got, err := Import(t.Context(), m.cache(), path, ImportOptions{Progress: func(n int64) { told.Add(n) }})
		if err != nil {
			t.Fatal(err)
		}
		want := []Imported{
			{Name: "docker.io/acme/db:v2", Platforms: []spec.Platform{amd64()}},
			{Name: "docker.io/acme/web:v1", Platforms: []spec.Platform{amd64(), arm64v8()}},
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Imported{}, "Image", "Size")); d != "" {
			t.Errorf("imported (-want +got):\n%s", d)
		}
		for _, i := range got {
			if n, err := m.cache().Size(t.Context(), i.Image); err != nil || n != i.Size {
				t.Errorf("%s has %d bytes in the cache, %v; %d were imported", i.Name, n, err, i.Size)
			}
		}
		if sum := got[0].Size + got[1].Size; sum != told.Load() {
			t.Errorf("progress was told %d bytes of %d", told.Load(), sum)
		}
		// Index, two manifests, configs and layers, an attestation with two blobs; a manifest, its config and layer.
		if len(m.blobs) != 13 || m.puts != 13 || len(m.refs) != 2 {
			t.Errorf("%d blobs in %d puts, %d names", len(m.blobs), m.puts, len(m.refs))
		}
		img, err := take(t, m.cache(), mustRef(t, "acme/web:v1"))
		if err != nil {
			t.Fatal(err)
		}
		checkLayers(t, img, layerTar("file", "amd"))
		if img.SBOM == (v1.Hash{}) {
			t.Error("the SBOM did not come along")
		}
		if _, err := take(t, m.cache(), mustRef(t, "acme/web@"+m.refs["docker.io/acme/web:v1"].Digest.String())); err != nil {
			t.Errorf("by digest: %v", err)
		}
	}
}

func TestImportArchive(t *testing.T) {
	m := newMemory()
	got, err := Import(t.Context(), m.cache(), saved(t, "", link("b/layer.tar", "a/layer.tar", tar.TypeLink)), ImportOptions{Jobs: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name != "docker.io/acme/web:v1" || got[1].Name != "docker.io/library/busybox:1" || got[0].Image.Digest != got[1].Image.Digest {
		t.Errorf("imported %v", got)
	}
	img, err := take(t, m.cache(), mustRef(t, "busybox:1"))
	if err != nil {
		t.Fatal(err)
	}
	checkLayers(t, img, layerTar("base", "base"))
}

// TestImportBoth imports what newer Docker saves: a layout and a manifest.json
// in one. The layout counts, as it has the digests of the registry.
func TestImportBoth(t *testing.T) {
	both := func(name string) *fixture {
		f := newFixture()
		d := f.image("linux/amd64", "both")
		f.name(name, f.index(d))
		var m v1.Manifest
		json.Unmarshal(f.files["blobs/sha256/"+d.Digest.Hex], &m)
		f.files["manifest.json"], _ = json.Marshal([]map[string]any{{
			"Config": "blobs/sha256/" + m.Config.Digest.Hex, "RepoTags": []string{"x:1"}, "Layers": []string{"blobs/sha256/" + m.Layers[0].Digest.Hex},
		}})
		return f
	}
	f := both("docker.io/library/x:1")
	for _, tt := range []struct {
		name string
		f    *fixture
		is   bool // the index of the layout
	}{{"named", f, true}, {"a mere tag", both("latest"), false}} {
		m := newMemory()
		got, err := Import(t.Context(), m.cache(), tt.f.tar(t, ""), ImportOptions{})
		if err != nil || len(got) != 1 || got[0].Name != "docker.io/library/x:1" || (got[0].Image.Digest == tt.f.names[0].Digest) != tt.is {
			t.Errorf("%s: imported %v, error %v", tt.name, got, err)
		}
	}
	a, err := OpenArchive(t.Context(), f.tar(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	img, err := take(t, a, mustRef(t, "docker-archive:x:x:1"))
	if err != nil {
		t.Fatal(err)
	}
	checkLayers(t, img, layerTar("file", "both"))
}

// TestImportSparse imports what a tool left of an index: one platform of two,
// none for other systems, and no attestation.
func TestImportSparse(t *testing.T) {
	f := newFixture()
	amd, arm, win := f.image("linux/amd64", "amd"), f.image("linux/arm64", "arm"), f.image("windows/amd64", "win")
	sbom := f.sbom(amd, "{}")
	f.name("x:1", f.index(amd, arm, win, sbom))
	delete(f.files, "blobs/sha256/"+arm.Digest.Hex)
	delete(f.files, "blobs/sha256/"+sbom.Digest.Hex)
	m := newMemory()
	got, err := Import(t.Context(), m.cache(), f.dir(t), ImportOptions{})
	if err != nil || len(got) != 1 || !slices.Equal(got[0].Platforms, []spec.Platform{amd64()}) || len(m.blobs) != 4 {
		t.Fatalf("imported %v with %d blobs, error %v", got, len(m.blobs), err)
	}
	if _, err := take(t, m.cache(), mustRef(t, "x:1")); err != nil {
		t.Error(err)
	}
	_, err = m.cache().Image(t.Context(), Pin{Digest: got[0].Image.Digest, Platform: spec.Platform{OS: "linux", Architecture: "arm64"}})
	if want := "index sha256:…: manifest sha256:…: not found in the cache"; plainError(err, "") != want || !errors.Is(err, ErrNotCached) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestImportIsWhole leaves no name behind when a blob is not what it should be.
func TestImportIsWhole(t *testing.T) {
	lost := func(mediaType string) *fixture {
		f := good()
		for _, name := range slices.Sorted(maps.Keys(f.files)) {
			if bytes.Contains(f.files[name], []byte(mediaType)) {
				delete(f.files, name)
			}
		}
		return f
	}
	changed := good()
	changed.files["blobs/sha256/"+describeBytes("", layerTar("db", "db")).Digest.Hex][0]++
	short := good()
	name := "blobs/sha256/" + describeBytes("", layerTar("db", "db")).Digest.Hex
	short.files[name] = short.files[name][1:]
	gone := good()
	delete(gone.files, name)
	twice := good()
	twice.name("docker.io/acme/db:v2", twice.image("linux/amd64", "another"))
	nested := newFixture()
	nested.name("x:1", nested.index(nested.index(nested.image("linux/amd64", "x"))))
	lies := newFixture()
	liar := lies.image("linux/arm64", "x")
	liar.Platform = platformOfText("linux/amd64")
	lies.name("x:1", lies.index(liar))
	nameless := newFixture()
	nameless.name("", nameless.image("linux/amd64", "x"))
	both := newFixture()
	both.files["manifest.json"] = []byte("[")
	tests := []struct {
		name string
		path string
		is   error
		want string
	}{
		{"no index", lost(`"manifests"`).dir(t), ErrNotFound, "FILE: docker.io/acme/web:v1: sha256:…: not found in the layout"},
		{"layer is changed", changed.dir(t), nil, "FILE: blob sha256:…: put: …"},
		{"layer is short", short.dir(t), ErrDigest, "FILE: blob sha256:…: digest mismatch: 2047 bytes, but its descriptor says 2048"},
		{"layer is missing", gone.dir(t), ErrNotFound, "FILE: blob sha256:…: not found in the layout"},
		{"name twice", twice.dir(t), ErrInvalid, "FILE: index.json: malformed image: docker.io/acme/db:v2 names sha256:… and sha256:…"},
		{"index in an index", nested.dir(t), ErrInvalid, "FILE: docker.io/library/x:1: index sha256:…: manifests[0]: malformed image: an index in an index"},
		{"wrong platform", lies.dir(t), ErrPlatform, "FILE: docker.io/library/x:1: index sha256:…: manifests[0]: manifest sha256:…: not exactly one image for platform linux/amd64: its config says linux/arm64"},
		{"no name", nameless.dir(t), ErrNotFound, "FILE: image with a name not found: the layout has @sha256:…; annotate io.containerd.image.name, or name one in a manifest by oci:DIR@DIGEST"},
		{"archive without a name", writeTar(t, file("manifest.json", []byte(`[{"Config":"c"}]`))), ErrNotFound, "FILE: image with a name not found: the archive has one without a name; tag it before it is saved"},
		{"neither", t.TempDir(), ErrNotFound, "FILE: oci-layout or manifest.json not found: neither an image layout nor a docker archive"},
		{"bad layout", marker("{}").dir(t), ErrInvalid, `image layout FILE: oci-layout: malformed image: version ""; only 1.0.0 is read`},
		{"bad archive", both.dir(t), ErrInvalid, "docker archive FILE: manifest.json: malformed image: …"},
		{"nothing", filepath.Join(t.TempDir(), "none"), ErrNotFound, "FILE: not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory()
			_, err := Import(t.Context(), m.cache(), tt.path, ImportOptions{Jobs: 1})
			if got := plainError(err, tt.path); !sameError(got, tt.want) {
				t.Errorf("error\n%s\nwant\n%s", got, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			if len(m.refs) > 0 {
				t.Errorf("names %v were left", m.refs)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := good().dir(t)
	m := newMemory()
	if _, err := Import(ctx, m.cache(), path, ImportOptions{}); !errors.Is(err, context.Canceled) || len(m.refs)+len(m.blobs) > 0 {
		t.Errorf("import: %v; %d names, %d blobs", err, len(m.refs), len(m.blobs))
	}
	if _, err := Import(t.Context(), m.cache(), path, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := Export(ctx, m.cache(), []string{"acme/web:v1"}, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("export: %v", err)
	}
	images := NewByTransport(m.cache())
	defer images.Close()
	archive := saved(t, "", file("b/layer.tar", layerTar("base", "base")))
	for _, ref := range []string{"acme/web:v1", "oci:" + path, "docker-archive:" + archive + ":busybox:1"} {
		if _, err := images.Resolve(ctx, mustRef(t, ref)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	// What was cancelled was not remembered.
	if _, err := images.Resolve(t.Context(), mustRef(t, "docker-archive:"+archive+":busybox:1")); err != nil {
		t.Error(err)
	}
}

// TestRoundTrip holds the law import(export(x)) = x, in a real store.
func TestRoundTrip(t *testing.T) {
	f := good()
	lost := f.image("linux/s390x", "lost")
	delete(f.files, "blobs/sha256/"+lost.Digest.Hex)
	f.name("ghcr.io/x/sparse:1", f.index(f.image("linux/amd64", "here"), lost))
	first, second := newStore(t), newStore(t)
	want, err := Import(t.Context(), first, f.tar(t, ""), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"ghcr.io/x/sparse:1", "acme/web:v1", "docker.io/acme/db:v2", "acme/web:v1"}
	path := exported(t, first, names)
	got, err := Import(t.Context(), second, path, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the second import (-first +second):\n%s", d)
	}
	slices.Reverse(names)
	for _, again := range []string{exported(t, first, names), exported(t, second, names)} {
		if !bytes.Equal(readAll(t, path), readAll(t, again)) {
			t.Error("two exports differ")
		}
	}
	for _, name := range names {
		if _, err := take(t, second, mustRef(t, name)); err != nil {
			t.Error(err)
		}
	}
	l, err := OpenLayout(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := take(t, l, mustRef(t, "oci:x:acme/db:v2")); err != nil {
		t.Error(err)
	}
}

func newStore(t testing.TB) *Stored {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lease := st.Lease()
	t.Cleanup(func() { lease.Close() })
	return FromStore(st, lease)
}

func exported(t *testing.T, cache *Stored, names []string) string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Export(t.Context(), cache, names, out), out.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestExportedTar looks at the members as any tar reader sees them.
func TestExportedTar(t *testing.T) {
	m := newMemory()
	if _, err := Import(t.Context(), m.cache(), good().dir(t), ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(bytes.NewReader(readAll(t, exported(t, m.cache(), []string{"acme/db:v2"}))))
	var names []string
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.ModTime.Unix() != 0 || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Format != tar.FormatUSTAR {
			t.Errorf("header %+v", h)
		}
		names = append(names, h.Name)
	}
	if !slices.IsSorted(names) || len(names) != 7 {
		t.Errorf("members %q", names)
	}
}

func TestExportErrors(t *testing.T) {
	m := newMemory()
	if _, err := Import(t.Context(), m.cache(), good().dir(t), ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, want string }{
		{"none:1", "docker.io/library/none:1: not found in the cache"},
		{"oci:dir", "oci:dir: only what the cache has a name for can be exported, such as docker.io/library/busybox:latest"},
		{"acme/web@" + describeBytes("", nil).Digest.String(), "docker.io/acme/web@sha256:…: only what the cache has a name for can be exported, such as docker.io/library/busybox:latest"},
	} {
		if got := plainError(Export(t.Context(), m.cache(), []string{tt.name}, io.Discard), ""); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	full := errors.New("no space")
	if err := Export(t.Context(), m.cache(), []string{"acme/web:v1"}, failing{full}); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
	delete(m.blobs, describeBytes("", layerTar("db", "db")).Digest)
	if err := Export(t.Context(), m.cache(), []string{"acme/db:v2"}, io.Discard); !errors.Is(err, ErrNotCached) {
		t.Errorf("a layer that is missing: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
