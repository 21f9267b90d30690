package compose_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/spec"
)

// TestVolumeSharesItsImage builds one image as a container, as two layouts and as
// a filesystem of another platform.
func TestVolumeSharesItsImage(t *testing.T) {
	w, a := imported(t)
	m := w.parse(`
services: [{name: app, image: "acme/app:1", command: [/bin/app], binds: ["app:/data", "/x:/y"]}]
volumes:
- {name: app, image: "acme/app:1", format: oci}
- {name: both, image: "acme/app:1", format: oci, platforms: [linux/arm64, linux/amd64]}
- {name: files, image: "acme/app:1", platforms: [linux/arm64]}
`)
	lock, _, err := w.resolve(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.buildLocked(m, lock)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"containers/services/app/lower/bin/app":  "for-amd64",
		"containers/volumes/files/lower/bin/app": "for-arm64",
	} {
		if got := read(t, r.Tree, path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	base := "/lower/blobs/sha256/" + strings.TrimPrefix(a.base.digest, "sha256:")
	if read(t, r.Tree, "containers/volumes/app"+base) != read(t, r.Tree, "containers/volumes/both"+base) {
		t.Error("the shared layer differs")
	}
	if got := read(t, r.Tree, "containers/services/app/config.json"); !strings.Contains(got, `"/containers/volumes/app/merged"`) {
		t.Errorf("the bind of an oci volume does not lead to it: %s", got)
	}
	pin, _ := lock.Image("docker.io/acme/app:1")
	if len(lock.Images) != 1 || len(pin.Platforms) != 2 || pin.Platforms["linux/arm64"].Manifest != spec.Digest(a.arm64.digest) {
		t.Errorf("locked as %+v", lock.Images)
	}
}

// TestResolveVolumePlatforms holds that the lock pins what volumes want, and
// nothing that nobody wants.
func TestResolveVolumePlatforms(t *testing.T) {
	w, _ := imported(t)
	arm := w.parse(ociVolume("acme/app:1", "linux/arm64"))
	lock, _, err := w.resolve(arm, nil)
	if err != nil {
		t.Fatal(err)
	}
	pin, _ := lock.Image("docker.io/acme/app:1")
	if _, ok := pin.Platforms["linux/arm64"]; !ok || len(pin.Platforms) != 1 {
		t.Errorf("arm64 alone is wanted, pinned is %v", pin.Platforms)
	}
	if want := int64(1704164645); lock.Epoch != want { // the fixture's created
		t.Errorf("epoch %d, want %d", lock.Epoch, want)
	}
	both := w.parse(ociVolume("acme/app:1", "linux/arm64, linux/amd64"))
	var unpinned *compose.UnpinnedError
	if _, err := w.buildLocked(both, lock); !errors.As(err, &unpinned) || unpinned.Name != "docker.io/acme/app:1 for linux/amd64" {
		t.Errorf("a lock without amd64: %v", err)
	}
	frozen := func(o *compose.ResolveOptions) { o.Old, o.Add, o.Frozen = lock, false, true }
	if _, _, err := w.resolve(arm, frozen); err != nil {
		t.Error(err)
	}
	var froze *compose.FrozenError
	if _, _, err := w.resolve(both, frozen); !errors.As(err, &froze) || len(froze.Changes) != 1 || froze.Changes[0].Name != "image docker.io/acme/app:1 for linux/amd64" {
		t.Errorf("-frozen: %v", err)
	}
	more, changes, err := w.resolve(both, func(o *compose.ResolveOptions) { o.Old, o.Add = lock, false })
	if err != nil || len(changes) != 1 {
		t.Fatalf("changes %v, %v", changes, err)
	}
	if _, err := w.buildLocked(both, more); err != nil {
		t.Error(err)
	}
}

// TestVolumeInputs holds that every platform that a volume wants counts, and no
// other one.
func TestVolumeInputs(t *testing.T) {
	w, _ := imported(t)
	both := w.parse(ociVolume("acme/app:1", "linux/arm64, linux/amd64"))
	inputs := func(m *spec.Manifest, moved string) spec.Digest {
		lock, _, err := w.resolve(both, nil)
		if err != nil {
			t.Fatal(err)
		}
		if pin, ok := lock.Images[0].Platforms[moved]; ok {
			pin.Manifest = spec.DigestOf(nil)
			lock.Images[0].Platforms[moved] = pin
		}
		d, err := compose.Inputs(m, lock, amd64)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		if inputs(both, "") == inputs(both, p) {
			t.Errorf("%s does not count", p)
		}
	}
	arm := w.parse(ociVolume("acme/app:1", "linux/arm64"))
	if inputs(arm, "") == inputs(arm, "linux/arm64") {
		t.Error("linux/arm64 alone does not count")
	}
	if inputs(arm, "") != inputs(arm, "linux/amd64") {
		t.Error("linux/amd64 counts, which nothing wants")
	}
}

// spoilBase changes a byte of a layer.
func spoilBase(a *app) error {
	data, err := os.ReadFile(a.path(a.base.digest))
	if err != nil {
		return err
	}
	data[len(data)-1] ^= 1
	return os.WriteFile(a.path(a.base.digest), data, 0o600)
}

// TestVolumeFaults holds what is said of an image that cannot be laid out.
func TestVolumeFaults(t *testing.T) {
	for _, c := range []struct {
		name, platforms string
		spoil           func(*app) error
		is              error
		want            string
	}{
		{"a platform that the image has not", "linux/amd64, linux/riscv64", nil, image.ErrPlatform, "m.yml:2:3: volumes[0] app: oci:app: index sha256:"},
		{"which one", "linux/riscv64", nil, image.ErrPlatform, "not exactly one image for platform linux/riscv64: the index has linux/arm64/v8, linux/s390x, linux/amd64"},
		{"a platform that did not come along", "linux/s390x", nil, image.ErrNotFound, "m.yml:2:3: volumes[0] app: oci:app: "},
		{"a layer with other bytes", "", spoilBase, image.ErrDigest, "volumes[0] app: oci:app: blob sha256:"},
		{"a layer that is not there", "", func(a *app) error { return os.Remove(a.path(a.base.digest)) }, image.ErrNotFound, "volumes[0] app"},
		{"a manifest with other bytes", "", func(a *app) error { return os.WriteFile(a.path(a.amd64.digest), []byte("{}"), 0o600) }, image.ErrDigest, "volumes[0] app"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, a := local(t, true)
			if c.spoil != nil {
				if err := c.spoil(a); err != nil {
					t.Fatal(err)
				}
			}
			_, err := w.build(ociVolume("oci:app", c.platforms))
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant  %q in it", err, c.want)
			}
		})
	}
}

// TestVolumeHeldToTheLock holds that a volume gets the image that the lock pins,
// or none.
func TestVolumeHeldToTheLock(t *testing.T) {
	w, _ := imported(t)
	m := w.parse(ociVolume("acme/app:1", "amd64, arm64"))
	lock, _, err := w.resolve(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	pin := lock.Images[0].Platforms["linux/arm64"]
	pin.Layers = pin.Layers[1:]
	lock.Images[0].Platforms["linux/arm64"] = pin
	if _, err := w.buildLocked(m, lock); !errors.Is(err, image.ErrDigest) || !strings.Contains(err.Error(), "volumes[0] app: docker.io/acme/app:1: ") {
		t.Errorf("a lock with other layers: %v", err)
	}
}

// TestVolumeOfAPrunedImage holds that an image whose layers are only there
// unpacked cannot become a layout, and that the error says what is missing.
func TestVolumeOfAPrunedImage(t *testing.T) {
	w, a := imported(t)
	hex := strings.TrimPrefix(a.base.digest, "sha256:")
	if err := filepath.WalkDir(w.store.Dir(), func(path string, _ os.DirEntry, err error) error {
		if err == nil && filepath.Base(path) == hex {
			err = os.Remove(path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	fresh := w.store.Lease()
	defer func() { _ = fresh.Close() }()
	w.lease, w.images = fresh, image.FromStore(w.store, fresh)
	_, err := w.build(ociVolume("acme/app:1", ""))
	if !errors.Is(err, image.ErrNotCached) || !strings.Contains(err.Error(), a.base.digest) {
		t.Errorf("error %v, want one of the layer %s", err, a.base.digest)
	}
}
