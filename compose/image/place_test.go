package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

func TestByTransport(t *testing.T) {
	dir, archive := good().dir(t), saved(t, "", file("b/layer.tar", layerTar("base", "base")))
	m := newMemory()
	if _, err := Import(t.Context(), m.cache(), dir, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	images := NewByTransport(m.cache())
	var wg sync.WaitGroup
	for range 8 {
		for _, text := range []string{"acme/web:v1", "oci:" + dir + ":v1", "oci:" + dir + ":v2", "docker-archive:" + archive + ":busybox:1"} {
			wg.Go(func() {
				if _, err := take(t, images, mustRef(t, text)); err != nil {
					t.Errorf("%s: %v", text, err)
				}
			})
		}
	}
	wg.Wait()
	if len(images.open) != 2 {
		t.Errorf("%d files are open, want 2", len(images.open))
	}
	relative := spec.Ref{Transport: spec.OCI, Name: filepath.Base(dir), Tag: "v1", Base: filepath.Dir(dir)}
	if _, err := images.Resolve(t.Context(), relative); err != nil || len(images.open) != 2 {
		t.Errorf("relative to its base: %v, %d files open", err, len(images.open))
	}
	for _, tt := range []struct {
		ref  spec.Ref
		want string
	}{
		{mustRef(t, "pkg:nginx"), "package sources are not built here; build the package and name what came out by oci:DIR"},
		{spec.Ref{Transport: "ftp", Name: "x"}, `transport "ftp" is not known`},
		{mustRef(t, "none:1"), "not found in the cache"},
		{mustRef(t, "oci:/none:1"), "/none: not found"},
	} {
		if _, err := images.Resolve(t.Context(), tt.ref); err == nil || err.Error() != tt.want {
			t.Errorf("resolve %s: %v, want %s", tt.ref, err, tt.want)
		}
		if tt.ref.Transport != spec.Registry {
			if _, err := images.Image(t.Context(), Pin{Ref: tt.ref}); err == nil || err.Error() != tt.want {
				t.Errorf("image %s: %v, want %s", tt.ref, err, tt.want)
			}
		}
	}
	if err := images.Close(); err != nil {
		t.Error(err)
	}
}

// counted is a source that counts how often it is asked.
type counted struct {
	Source
	asked int
}

func (c *counted) Image(ctx context.Context, pin Pin) (*Image, error) {
	c.asked++
	return c.Source.Image(ctx, pin)
}

func TestCached(t *testing.T) {
	l, err := OpenLayout(t.Context(), good().dir(t))
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Resolve(t.Context(), mustRef(t, "oci:x:v1"))
	if err != nil {
		t.Fatal(err)
	}
	m, src := newMemory(), &counted{Source: l}
	cached, pin := Cached(src, m.cache()), Pin{Digest: d.Digest, Platform: amd64()}
	for n, want := range []int{1, 2} { // the second time only for the layer, which nobody kept
		img, err := cached.Image(t.Context(), pin)
		if err != nil {
			t.Fatal(err)
		}
		checkLayers(t, img, layerTar("file", "amd"))
		if src.asked != want || len(m.blobs) != 4 {
			t.Errorf("time %d: asked %d times, %d blobs kept", n, src.asked, len(m.blobs))
		}
	}
	m.blobs[describeBytes("", layerTar("file", "amd")).Digest] = layerTar("file", "amd")
	img, err := cached.Image(t.Context(), pin)
	if err != nil {
		t.Fatal(err)
	}
	checkLayers(t, img, layerTar("file", "amd"))
	if src.asked != 2 {
		t.Errorf("asked %d times though all is there", src.asked)
	}
	sbom, err := img.OpenSBOM(t.Context())
	if err != nil || src.asked != 3 {
		t.Fatalf("SBOM: error %v, asked %d times", err, src.asked)
	}
	sbom.Close()
	for _, b := range img.core.read[2:] { // an attestation that is lost is asked for again
		delete(m.blobs, b.desc.Digest)
		if img, err = cached.Image(t.Context(), pin); err != nil || img.SBOM == (v1.Hash{}) {
			t.Errorf("without %s: SBOM %s, error %v", b.desc.Digest, img.SBOM, err)
		}
	}
	pin.Digest = describeBytes("", nil).Digest
	if _, err := cached.Image(t.Context(), pin); !errors.Is(err, ErrNotFound) {
		t.Errorf("what is nowhere: %v", err)
	}
	m.blobs[d.Digest] = []byte("{}")
	pin.Digest = d.Digest
	if _, err := cached.Image(t.Context(), pin); !errors.Is(err, ErrDigest) {
		t.Errorf("what is not what it should be: %v", err)
	}
}

// TestImageOfOthers takes an image that was not read by this package.
func TestImageOfOthers(t *testing.T) {
	want := randomImage(t)
	m := newMemory()
	cached := Cached(others{want}, m.cache())
	digest, _ := want.Digest()
	img, err := cached.Image(t.Context(), Pin{Digest: digest, Platform: amd64()})
	if err == nil {
		_, err = img.LayerSources(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	layers, _ := want.Layers()
	digest, _ = layers[1].Digest()
	r, size, err := layersOf{others{want}, Pin{}}.open(t.Context(), v1.Descriptor{Digest: digest})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, n, err := v1.SHA256(r); got != digest || n != size || err != nil {
		t.Errorf("layer %s of %d bytes, error %v", got, n, err)
	}
}

type others struct{ img v1.Image }

func (o others) Image(context.Context, Pin) (*Image, error) { return &Image{Image: o.img}, nil }

// TestDamagedStore tells what was there from what never was.
func TestDamagedStore(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(dir, store.Options{Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	lease := st.Lease()
	if _, err := Import(t.Context(), FromStore(st, lease), good().dir(t), ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := lease.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := st.Ref("docker.io/acme/web:v1")
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Base(path) == d.Digest.Hex {
			found = path
		}
		return err
	})
	if err = errors.Join(err, os.Chmod(found, 0o644), os.WriteFile(found, []byte("{}"), 0o644)); err != nil {
		t.Fatal(err)
	}
	lease = st.Lease()
	defer lease.Close()
	_, err = take(t, FromStore(st, lease), mustRef(t, "acme/web:v1"))
	if !errors.Is(err, ErrNotCached) || !errors.Is(err, store.ErrDamaged) {
		t.Errorf("a damaged blob: %v", err)
	}
	_, err = take(t, FromStore(st, lease), mustRef(t, "acme/none:v1"))
	if fmt.Sprint(err) != "not found in the cache" {
		t.Errorf("no blob: %v", err)
	}
}
