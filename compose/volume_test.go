package compose_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/rootfs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const lower = "containers/volumes/app/lower"

// ociVolume is a manifest with one volume that has an image as it is stored.
func ociVolume(ref, platforms string) string {
	if platforms != "" {
		platforms = ", platforms: [" + platforms + "]"
	}
	return fmt.Sprintf("volumes:\n- {name: app, image: %q, format: oci%s}\n", ref, platforms)
}

// TestVolumeAsLayout holds the bytes of volumes with the format oci: which blobs
// there are, and index.json.
func TestVolumeAsLayout(t *testing.T) {
	const golden = "testdata/oci_volumes.txtar"
	want, err := txtar.ParseFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var got txtar.Archive
	got.Comment = want.Comment
	for _, c := range []struct{ name, ref, platforms string }{
		{"the platform that is built for", "acme/app:1", ""},
		{"another platform alone", "acme/app:1", "linux/arm64/v8"},
		{"two platforms", "acme/app:1", "linux/arm64/v8, linux/amd64"},
		{"one platform in two spellings", "acme/app:1", "arm64, linux/arm64, linux/arm64/v8"},
		{"of a layout by name", "oci:app:docker.io/acme/app:1", ""},
		{"of a layout without a name", "oci:app", ""},
	} {
		w, _ := imported(t)
		if strings.HasPrefix(c.ref, "oci:") {
			w, _ = local(t, true)
		}
		r, err := w.build(ociVolume(c.ref, c.platforms))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got.Files = append(got.Files, txtar.File{Name: c.name, Data: []byte(volumeText(t, r.Tree))})
	}
	if *update {
		if err := os.WriteFile(golden, txtar.Format(&got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(txtar.Format(want)), string(txtar.Format(&got))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// volumeText lists the tree below the volume, and what index.json and the
// indexes that it names say. Everything there is compose's own: of root, and of
// one time.
func volumeText(t *testing.T, tree *rootfs.Tree) string {
	t.Helper()
	var list, indexes strings.Builder
	for e := range tree.Entries() {
		path, below := strings.CutPrefix(e.Path, "containers/volumes/app/")
		if !below {
			continue
		}
		if e.UID != 0 || e.GID != 0 || e.ModTime != rootfs.DefaultModTime || e.Nlink != 1 || len(e.Xattrs) > 0 {
			t.Errorf("%s: owner %d:%d, time %d, %d names, attributes %v", e.Path, e.UID, e.GID, e.ModTime, e.Nlink, e.Xattrs)
		}
		if strings.HasPrefix(path, "lower/") && !strings.HasPrefix(e.Origin, "volumes[0] app ") {
			t.Errorf("%s is from %q", e.Path, e.Origin)
		}
		fmt.Fprintf(&list, "%04o %5d %s\n", e.Mode, e.Size, path)
		if e.Type != rootfs.File {
			continue
		}
		text := read(t, tree, e.Path)
		if got := digestOf([]byte(text)); got != e.Digest.String() || int64(len(text)) != e.Size {
			t.Errorf("%s: %d bytes with %s, the entry says %d with %s", e.Path, len(text), got, e.Size, e.Digest)
		}
		if strings.HasSuffix(path, "index.json") || strings.Contains(text, `"manifests"`) {
			fmt.Fprintf(&indexes, "%s:\n%s", path, text)
		}
	}
	return list.String() + indexes.String()
}

// writeOut writes what lies below a path of the tree into a folder.
func writeOut(t *testing.T, tree *rootfs.Tree, below string) string {
	t.Helper()
	dir := t.TempDir()
	for e := range tree.Entries() {
		path, ok := strings.CutPrefix(e.Path, below+"/")
		if !ok {
			continue
		}
		var err error
		switch e.Type {
		case rootfs.Dir:
			err = os.Mkdir(filepath.Join(dir, path), 0o755)
		default:
			err = os.WriteFile(filepath.Join(dir, path), []byte(read(t, tree, e.Path)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestVolumeIsAValidLayout lets others read the layout: go-containerregistry,
// which reads every blob, and our own import.
func TestVolumeIsAValidLayout(t *testing.T) {
	for _, platforms := range []string{"", "linux/arm64/v8", "linux/amd64, linux/arm64/v8"} {
		w, a := imported(t)
		r, err := w.build(ociVolume("acme/app:1", platforms))
		if err != nil {
			t.Fatal(err)
		}
		dir := writeOut(t, r.Tree, lower)
		index, err := layout.ImageIndexFromPath(dir)
		if err != nil {
			t.Fatal(err)
		}
		var how []validate.Option
		if platforms != "" {
			how = append(how, validate.Fast) // it takes every layer for a gzip stream, and arm64 has a plain one
		}
		if err := validate.Index(index, how...); err != nil {
			t.Errorf("platforms %q: %v", platforms, err)
		}
		other := newWorkshop(t, nil)
		names, err := image.Import(t.Context(), image.FromStore(other.store, other.lease), dir, image.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(names) != 1 || names[0].Name != "docker.io/acme/app:1" || platforms == "" && names[0].Image.Digest.String() != a.amd64.digest {
			t.Errorf("platforms %q: imported as %+v", platforms, names)
		}
		if got := len(names[0].Platforms); got != strings.Count(platforms, ",")+1 {
			t.Errorf("platforms %q: %d were imported", platforms, got)
		}
	}
}

// TestVolumeWithSkopeo lets skopeo read the layout.
func TestVolumeWithSkopeo(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	w, a := imported(t)
	for platforms, arches := range map[string]map[string]string{
		"":                      {"amd64": a.amd64.digest},
		"arm64":                 {"arm64": a.arm64.digest},
		"linux/arm64/v8, amd64": {"amd64": a.amd64.digest, "arm64": a.arm64.digest},
	} {
		r, err := w.build(ociVolume("acme/app:1", platforms))
		if err != nil {
			t.Fatal(err)
		}
		source := "oci:" + writeOut(t, r.Tree, lower) + ":docker.io/acme/app:1"
		for arch, digest := range arches {
			to := filepath.Join(t.TempDir(), "to")
			out, err := exec.CommandContext(t.Context(), "skopeo", "--insecure-policy", "--override-os", "linux", "--override-arch", arch, "copy", source, "dir:"+to).CombinedOutput()
			if err != nil {
				t.Fatalf("platforms %q, %s: %v\n%s", platforms, arch, err, out)
			}
			manifest, err := os.ReadFile(filepath.Join(to, "manifest.json"))
			if err != nil {
				t.Fatal(err)
			}
			if digestOf(manifest) != digest {
				t.Errorf("platforms %q: skopeo took another manifest for %s:\n%s", platforms, arch, manifest)
			}
		}
		if out, err := exec.CommandContext(t.Context(), "skopeo", "--override-arch", "arm64", "inspect", "--raw", source).CombinedOutput(); err != nil {
			t.Errorf("skopeo inspect: %v\n%s", err, out)
		}
	}
}

// TestVolumeFromDockerArchive holds that an image without a manifest gets the one
// that is made for it.
func TestVolumeFromDockerArchive(t *testing.T) {
	w := newWorkshop(t, nil)
	layer, err := layerOf(t, "file bin/app v1").Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(layer)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	archive := tar.NewWriter(&b)
	for _, f := range []struct{ name, text string }{
		{"manifest.json", `[{"Config":"config.json","RepoTags":["acme/app:1"],"Layers":["layer.tar"]}]`},
		{"config.json", fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, digestOf(plain))},
		{"layer.tar", string(plain)},
	} {
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.text)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, f.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	w.write("app.tar", b.String())
	places := image.NewByTransport(w.place)
	defer func() { _ = places.Close() }()
	w.images = places
	r, err := w.build(ociVolume("docker-archive:app.tar:acme/app:1", ""))
	if err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(writeOut(t, r.Tree, lower))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Error(err)
	}
	if got := read(t, r.Tree, lower+"/blobs/sha256/"+strings.TrimPrefix(digestOf(plain), "sha256:")); got != string(plain) {
		t.Error("the layer is another one")
	}
	if _, err := w.build(ociVolume("docker-archive:app.tar", "arm64")); err == nil || !errors.Is(err, image.ErrPlatform) {
		t.Errorf("another platform: %v", err)
	}
}

// TestVolumeWithoutAttestation holds that what is attached to an image is no part
// of a volume, and does not decide its bytes.
func TestVolumeWithoutAttestation(t *testing.T) {
	var texts []string
	for _, attested := range []bool{true, false} {
		w, _ := local(t, attested)
		r, err := w.build(ociVolume("oci:app", "amd64, arm64"))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, volumeText(t, r.Tree))
	}
	if texts[0] != texts[1] {
		t.Errorf("an attestation moves the volume:\n%s\n%s", texts[0], texts[1])
	}
}

// TestVolumeBodiesStay holds that blobs are read from the cache once the tree is
// there: what the image came from may be gone by then.
func TestVolumeBodiesStay(t *testing.T) {
	w, a := local(t, true)
	places := image.NewByTransport(w.place)
	w.images = places
	r, err := w.build(ociVolume("oci:app", ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(places.Close(), os.RemoveAll(a.dir)); err != nil {
		t.Fatal(err)
	}
	volumeText(t, r.Tree) // reads everything
}
