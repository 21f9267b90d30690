package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

func TestRemote(t *testing.T) {
	r := newRegistry(good())
	_, lease := newLease(t, t.TempDir())
	remote := NewRemote(r, lease)
	img, err := take(t, remote, mustRef(t, "ghcr.io/acme/web:v1"))
	if err != nil {
		t.Fatal(err)
	}
	const repo = " of ghcr.io/acme/web"
	// Index, manifest, attestation and config; no layer.
	want := []string{"resolve ghcr.io/acme/web:v1", "manifest" + repo, "manifest" + repo, "manifest" + repo, "small blob" + repo}
	if d := cmp.Diff(want, r.requests()); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
	for n, want := range [][]string{{"blob" + repo + " from 0"}, nil} { // the second time it is there
		checkLayers(t, img, layerTar("file", "amd"))
		if d := cmp.Diff(want, r.requests()); d != "" {
			t.Errorf("time %d: asked (-want +got):\n%s", n, d)
		}
	}
	sbom, err := img.OpenSBOM(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer sbom.Close()
	if text, err := io.ReadAll(sbom); string(text) != `{"_type":"statement"}` || err != nil {
		t.Errorf("SBOM %q, %v", text, err)
	}
	if _, err := take(t, remote, mustRef(t, "ghcr.io/acme/web@"+r.tags["v1"].Digest.String())); err != nil {
		t.Errorf("by digest: %v", err)
	}
	_, err = take(t, remote, mustRef(t, "ghcr.io/acme/web:none"))
	if !errors.Is(err, ErrNotFound) || !errors.Is(err, registry.ErrNotFound) || err.Error() != "ghcr.io/acme/web:none: not found" {
		t.Errorf("no such tag: %v", err)
	}
}

// A layer that is unpacked in the store is not downloaded, whatever it is
// called in the registry.
func TestUnpackedLayerIsNotDownloaded(t *testing.T) {
	f := good()
	layer := layerTar("file", "amd")
	config := f.json(types.OCIConfigJSON, configFor("linux/amd64", describeBytes("", layer).Digest))
	f.name("acme/web:zipped", f.json(types.OCIManifestSchema1, manifestOf(types.OCIManifestSchema1, config, f.blob(types.OCILayer, gzipOf(t, layer)))))
	r := newRegistry(f)
	dir := t.TempDir()
	for n, tag := range []string{"v1", "v1", "zipped"} {
		_, lease := newLease(t, dir)
		img, err := take(t, NewRemote(r, lease), mustRef(t, "acme/web:"+tag))
		if err != nil {
			t.Fatal(err)
		}
		r.requests()
		sources, err := img.LayerSources(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lease.Layer(t.Context(), sources[0]); err != nil {
			t.Fatal(err)
		}
		if asked := r.requests(); (len(asked) > 0) != (n == 0) {
			t.Errorf("time %d: asked %q", n, asked)
		}
	}
}

// told notes what a progress is told.
type told struct{ lines []string }

func (p *told) progress(name string, size int64) (func(int64), func()) {
	sum := int64(0)
	p.lines = append(p.lines, fmt.Sprintf("begin %s %d", name, size))
	return func(n int64) { sum += n }, func() { p.lines = append(p.lines, fmt.Sprintf("done %d", sum)) }
}

// A download ends with the context that the layers were asked for with, and
// goes on where it was, in another process as well.
func TestDownloadGoesOn(t *testing.T) {
	f := newFixture()
	f.name("docker.io/acme/web:v1", f.image("linux/amd64", strings.Repeat("x", 3<<17)))
	size := int64(len(layerTar("file", strings.Repeat("x", 3<<17))))
	r := newRegistry(f)
	dir := t.TempDir()
	const part = 1<<17 + 5
	for n, want := range [][]string{
		{"begin docker.io/acme/web:v1 " + fmt.Sprint(size), "done " + fmt.Sprint(part)},
		{"begin docker.io/acme/web:v1 " + fmt.Sprint(size), "done " + fmt.Sprint(size)},
	} {
		var p told
		_, lease := newLease(t, dir)
		remote := NewRemote(r, lease)
		remote.Progress = p.progress
		img, err := take(t, remote, mustRef(t, "acme/web:v1"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		sources, err := img.LayerSources(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if r.cut = 0; n == 0 {
			r.cut, r.stuck = part, cancel
		}
		body, err := sources[0].Open()
		if errors.Is(err, context.Canceled) != (n == 0) {
			t.Fatalf("time %d: %v", n, err)
		}
		if err == nil {
			body.Close()
		}
		cancel()
		if d := cmp.Diff(want, p.lines); d != "" {
			t.Errorf("time %d: progress (-want +got):\n%s", n, d)
		}
	}
	asked := r.requests()
	if last := asked[len(asked)-1]; last != fmt.Sprintf("blob of docker.io/acme/web from %d", part) {
		t.Errorf("the second time: %s", last)
	}
}

func TestWithRegistry(t *testing.T) {
	f := good()
	r := newRegistry(f)
	dir := t.TempDir()
	st, lease := newLease(t, dir)
	cache, remote := FromStore(st, lease), NewRemote(r, lease)
	images := WithRegistry(cache, remote)
	ref := mustRef(t, "acme/web:v1")
	img, err := take(t, images, ref)
	if err != nil {
		t.Fatal(err)
	}
	checkLayers(t, img, layerTar("file", "amd"))
	if refs, err := st.Refs(); err != nil || len(refs) != 0 {
		t.Errorf("names were recorded: %v, %v", refs, err)
	}
	if _, err := take(t, cache, ref); !errors.Is(err, ErrNotCached) {
		t.Errorf("the cache alone has it by name: %v", err)
	}
	r.requests()

	// By digest all comes from the cache now.
	pinned := mustRef(t, "acme/web@"+r.tags["v1"].Digest.String())
	if img, err = take(t, images, pinned); err != nil {
		t.Fatal(err)
	}
	checkLayers(t, img, layerTar("file", "amd"))
	if asked := r.requests(); len(asked) != 0 {
		t.Errorf("though all is in the cache, asked %q", asked)
	}

	// Layers that are not there are asked for by their digest, and nothing else.
	layer := f.manifest(f.image("linux/amd64", "amd")).Layers[0].Digest
	if err := lease.Close(); err != nil {
		t.Fatal(err)
	}
	if err := st.Remove(t.Context(), layer.String()); err != nil {
		t.Fatal(err)
	}
	st, lease = newLease(t, dir)
	cache = FromStore(st, lease)
	images = WithRegistry(cache, NewRemote(r, lease))
	if img, err = take(t, images, pinned); err != nil {
		t.Fatal(err)
	}
	checkLayers(t, img, layerTar("file", "amd"))
	if d := cmp.Diff([]string{"blob of docker.io/acme/web from 0"}, r.requests()); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}

	// A name of the cache counts, whatever the registry says.
	if err := st.SetRef("docker.io/acme/web:v2", r.tags["v1"]); err != nil {
		t.Fatal(err)
	}
	if d, err := images.Resolve(t.Context(), mustRef(t, "acme/web:v2")); err != nil || d.Digest != r.tags["v1"].Digest || len(r.requests()) > 0 {
		t.Errorf("%v, %v", d, err)
	}
}

// A name that was lost by damage is not looked for in the registry.
func TestDamagedNameIsNotTheRegistrys(t *testing.T) {
	r := newRegistry(good())
	damaged := &damagedNames{newMemory()}
	images := WithRegistry(FromStore(damaged, damaged.memory), NewRemote(r, nil))
	if _, err := images.Resolve(t.Context(), mustRef(t, "acme/web:v1")); !errors.Is(err, store.ErrDamaged) || len(r.requests()) > 0 {
		t.Error(err)
	}
}

type damagedNames struct{ *memory }

func (damagedNames) Ref(string) (v1.Descriptor, error) {
	return v1.Descriptor{}, errors.Join(store.ErrDamaged, fs.ErrNotExist)
}

func TestRemoteErrors(t *testing.T) {
	r := newRegistry(good())
	_, lease := newLease(t, t.TempDir())
	big := r.blob("application/vnd.in-toto+json", make([]byte, 10))
	big.Size = maxDocument + 1
	if _, err := readBlob(t.Context(), &repository{NewRemote(r, lease), spec.Ref{}}, big); !errors.Is(err, ErrInvalid) || len(r.requests()) > 0 {
		t.Errorf("a document that is too large was asked for: %v", err)
	}
	for _, tt := range []struct{ of, is error }{
		{registry.ErrDigest, ErrDigest}, {registry.ErrSize, ErrDigest}, {registry.ErrNotFound, ErrNotFound}, {registry.ErrServer, registry.ErrServer},
	} {
		err := ofRegistry(fmt.Errorf("blob: %w", tt.of))
		if !errors.Is(err, tt.is) || !errors.Is(err, tt.of) || err.Error() != "blob: "+tt.of.Error() {
			t.Errorf("%v is not %v", err, tt.is)
		}
	}
}
