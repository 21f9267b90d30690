package image

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/composeos/compose/spec"
)

// TestLayout reads a layout as a folder, as a tar and as a tar of "./".
func TestLayout(t *testing.T) {
	f := good()
	for _, path := range []string{f.dir(t), f.tar(t, ""), f.tar(t, "./"), f.tar(t, "/")} {
		l, err := OpenLayout(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		img, err := take(t, l, mustRef(t, "oci:x:docker.io/acme/web:v1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img, validate.Fast); err != nil {
			t.Errorf("the image does not hold together: %v", err)
		}
		statement, err := img.OpenSBOM(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(statement); string(got) != `{"_type":"statement"}` {
			t.Errorf("SBOM %q", got)
		}
		checkLayers(t, img, layerTar("file", "amd"))
		if img, err = take(t, l, mustRef(t, "oci:x:acme/db:v2")); err != nil {
			t.Fatal(err)
		}
		checkLayers(t, img, layerTar("db", "db"))
		if mt, err := img.MediaType(); err != nil || mt != types.DockerManifestSchema2 {
			t.Errorf("media type %s, error %v", mt, err)
		}
		if r, err := img.OpenSBOM(t.Context()); r != nil || !errors.Is(err, ErrNotFound) {
			t.Errorf("SBOM of an image without: %v, %v", r, err)
		}
	}
}

// checkLayers checks that the store would get those layers, as stored.
func checkLayers(t *testing.T, img *Image, want ...[]byte) {
	t.Helper()
	sources, err := img.LayerSources(t.Context())
	if err != nil || len(sources) != len(want) {
		t.Fatalf("%d layers, error %v; want %d", len(sources), err, len(want))
	}
	for n, s := range sources {
		r, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want[n], got); d != "" {
			t.Errorf("layer %d (-want +got):\n%s", n, d)
		}
		if d := describeBytes("", got); d.Digest != s.Digest || d.Size != s.Size || s.MediaType == "" {
			t.Errorf("layer %d is %v, said to be %v", n, d, s)
		}
	}
}

func TestLayoutNames(t *testing.T) {
	f := newFixture()
	image := func(content string, annotations map[string]string) v1.Hash {
		d := f.image("linux/amd64", content)
		d.Platform, d.Annotations = nil, annotations
		f.names = append(f.names, d)
		return d.Digest
	}
	web := image("web", map[string]string{refName: "docker.io/acme/web:v1"})
	db := image("db", map[string]string{refName: "v2", containerdName: "docker.io/acme/db:v2"})
	box := image("box", map[string]string{containerdName: "docker.io/library/busybox:1"})
	mere := image("mere", map[string]string{refName: "v1.0"})
	plain := image("plain", nil)
	image("one", map[string]string{refName: "ghcr.io/one:v3"})
	image("two", map[string]string{refName: "ghcr.io/two:v3"})
	l, err := OpenLayout(t.Context(), f.tar(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const all = "docker.io/acme/web:v1, docker.io/acme/db:v2, docker.io/library/busybox:1, v1.0, @sha256:…, ghcr.io/one:v3, ghcr.io/two:v3"
	none := describeBytes("", nil).Digest.String()
	tests := []struct {
		name string
		ref  string
		want v1.Hash
		err  string
	}{
		{"the name as it stands", ":docker.io/acme/web:v1", web, ""},
		{"its tag", ":v1", web, ""},
		{"a short name", ":acme/web:v1", web, ""},
		{"a tag that stands as it is", ":v2", db, ""},
		{"containerd's name", ":docker.io/acme/db:v2", db, ""},
		{"containerd's name, short", ":busybox:1", box, ""},
		{"containerd's tag", ":1", box, ""},
		{"a tag as a name", ":v1.0", mere, ""},
		{"by digest", "@" + plain.String(), plain, ""},
		{"tag of several", ":v3", v1.Hash{}, `malformed image: "v3" names several images: ` + all},
		{"no such tag", ":v9", v1.Hash{}, "image not found: the layout has " + all},
		{"a part of a tag", ":v", v1.Hash{}, "image not found: the layout has " + all},
		{"no such digest", "@" + none, v1.Hash{}, "sha256:…: not found in the layout"},
		{"none of several", "", v1.Hash{}, "image not found: the layout has several, name one of them: " + all},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := l.Resolve(t.Context(), mustRef(t, "oci:x"+tt.ref))
			if got := plainError(err, ""); d.Digest != tt.want || got != tt.err {
				t.Errorf("%s, error %q; want %s, %q", d.Digest, got, tt.want, tt.err)
			}
			if err == nil && (d.Size == 0 || d.MediaType != types.OCIManifestSchema1 || d.Annotations != nil) {
				t.Errorf("descriptor %v", d)
			}
		})
	}
}

func TestPlatforms(t *testing.T) {
	f := newFixture()
	bare := f.image("linux/riscv64", "riscv")
	bare.Platform = nil // known by its config alone
	amd := f.image("linux/amd64", "amd")
	windows := f.image("windows/amd64", "windows")
	other := f.blob("application/vnd.example", []byte("neither index nor image"))
	lost := f.image("linux/s390x", "lost")
	delete(f.files, "blobs/sha256/"+lost.Digest.Hex)
	f.name("x:1", f.index(bare, amd, amd, f.image("linux/amd64/v3", "v3"), f.image("linux/arm64/v8", "arm64"),
		f.image("linux/arm/v6", "v6"), f.image("linux/arm/v7", "v7"), windows, other, lost, f.sbom(lost, "{}")))
	l, err := OpenLayout(t.Context(), f.dir(t))
	if err != nil {
		t.Fatal(err)
	}
	const all = "linux/riscv64, linux/amd64, linux/amd64, linux/amd64/v3, linux/arm64/v8, linux/arm/v6, linux/arm/v7, windows/amd64, linux/s390x"
	tests := []struct{ platform, layer, err string }{
		{"linux/amd64", "amd", ""},
		{"linux/amd64/v1", "amd", ""},
		{"linux/amd64/v3", "v3", ""},
		{"linux/arm64", "arm64", ""},
		{"linux/arm64/v8", "arm64", ""},
		{"linux/arm/v7", "v7", ""},
		{"linux/riscv64", "riscv", ""},
		{"windows/amd64", "windows", ""},
		{"linux/arm", "", "index sha256:…: not exactly one image for platform linux/arm: the index has " + all},
		{"linux/arm64/v9", "", "index sha256:…: not exactly one image for platform linux/arm64/v9: the index has " + all},
		{"unknown/unknown", "", "index sha256:…: not exactly one image for platform unknown/unknown: the index has " + all},
		{"linux/s390x", "", "index sha256:…: manifest sha256:…: not found in the layout"},
	}
	for _, tt := range tests {
		t.Run(tt.platform, func(t *testing.T) {
			p, err := spec.ParsePlatform(tt.platform)
			if err != nil {
				t.Fatal(err)
			}
			img, err := l.Image(t.Context(), Pin{Digest: f.names[0].Digest, Platform: p})
			if got := plainError(err, ""); got != tt.err {
				t.Fatalf("error %q, want %q", got, tt.err)
			}
			if err == nil {
				checkLayers(t, img, layerTar("file", tt.layer))
			}
		})
	}
}

// TestSBOM finds the statement of the platform's manifest, and none where the
// attestation did not travel with it.
func TestSBOM(t *testing.T) {
	f := newFixture()
	amd, arm := f.image("linux/amd64", "amd"), f.image("linux/arm64", "arm")
	ofAMD, ofARM := f.sbom(amd, `"amd"`), f.sbom(arm, `"arm"`)
	f.name("all", f.index(ofARM, amd, arm, ofAMD))
	lost := f.image("linux/amd64", "lost")
	ofLost := f.sbom(lost, `"lost"`)
	delete(f.files, "blobs/sha256/"+ofLost.Digest.Hex)
	f.name("lost", f.index(lost, ofLost))
	l, err := OpenLayout(t.Context(), f.dir(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		tag, platform string
		want          v1.Hash
	}{
		{"all", "linux/amd64", describeBytes("", []byte(`"amd"`)).Digest},
		{"all", "linux/arm64", describeBytes("", []byte(`"arm"`)).Digest},
		{"lost", "linux/amd64", v1.Hash{}},
	} {
		d, err := l.Resolve(t.Context(), mustRef(t, "oci:x:"+tt.tag))
		if err != nil {
			t.Fatal(err)
		}
		p, _ := spec.ParsePlatform(tt.platform)
		img, err := l.Image(t.Context(), Pin{Digest: d.Digest, Platform: p})
		if err != nil || img.SBOM != tt.want {
			t.Errorf("%s %s: SBOM %s, error %v; want %s", tt.tag, tt.platform, img.SBOM, err, tt.want)
		}
	}
}

// TestForeignLayout reads what another program's library wrote: gzip layers.
func TestForeignLayout(t *testing.T) {
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	img := randomImage(t)
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: platformOfText("linux/amd64")}})
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: "x"})); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLayout(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := take(t, l, mustRef(t, "oci:x:x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	want, _ := img.Digest()
	if d, err := got.Digest(); d != want || err != nil {
		t.Errorf("digest %s, error %v; want %s", d, err, want)
	}
	ids, _ := partialDiffIDs(img)
	sources, err := got.LayerSources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n, s := range sources {
		if s.DiffID != ids[n] {
			t.Errorf("layer %d: diffID %s, want %s", n, s.DiffID, ids[n])
		}
	}
}

func partialDiffIDs(img v1.Image) ([]v1.Hash, error) {
	c, err := img.ConfigFile()
	return c.RootFS.DiffIDs, err
}

// randomImage is an image of three layers for linux/amd64.
func randomImage(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(2000, 3)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func TestOpenLayoutErrors(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := mkfifo(pipe); err != nil {
		t.Fatal(err)
	}
	piped := good().dir(t)
	if err := errors.Join(os.Remove(filepath.Join(piped, "index.json")), mkfifo(filepath.Join(piped, "index.json"))); err != nil {
		t.Fatal(err)
	}
	file := func(data string) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole, err := os.ReadFile(good().tar(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	marker := file("") // a layout tar needs one; its content does not matter before the tar is read
	tests := []struct {
		name, path string
		is         error
		want       string
	}{
		{"missing", filepath.Join(t.TempDir(), "none"), ErrNotFound, "FILE: not found"},
		{"empty folder", t.TempDir(), ErrNotFound, "image layout FILE: oci-layout: not found"},
		{"empty file", marker, ErrInvalid, "FILE: malformed image: an empty file"},
		{"pipe", pipe, nil, "FILE: it is neither a folder nor a file"},
		{"index.json is a pipe", piped, ErrInvalid, "image layout FILE: index.json: malformed image: it is not a file"},
		{"text", file("no tar"), ErrInvalid, "FILE: malformed image: not a whole tar: unexpected EOF"},
		{"gzip", file("\x1f\x8b\x08\x00"), ErrInvalid, `FILE: malformed image: a compressed archive; run "gunzip" on it first`},
		{"zstd", file("\x28\xb5\x2f\xfd"), ErrInvalid, `FILE: malformed image: a compressed archive; run "unzstd" on it first`},
		{"cut in content", file(string(whole[:700])), ErrInvalid, "FILE: …"},
		{"member twice", writeTar(t, file2("./oci-layout"), file2("oci-layout")), ErrInvalid, `FILE: member "oci-layout": malformed image: it is in the archive twice`},
		{"member leads out", writeTar(t, file2("a/../../oci-layout")), ErrInvalid, `FILE: member "a/../../oci-layout": malformed image: it leads out of the archive`},
		{"other tar", writeTar(t, file2("etc/passwd")), ErrNotFound, "image layout FILE: oci-layout: not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := OpenLayout(t.Context(), tt.path)
			if got := plainError(err, tt.path); l != nil || !sameError(got, tt.want) {
				t.Errorf("%v, error %q; want %q", l, got, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func file2(name string) *tar.Header { return file(name, []byte("x")) }

func TestLayoutFollowsLinks(t *testing.T) {
	f := newFixture()
	f.name("x", f.image("linux/amd64", "linked"))
	dir, elsewhere := f.dir(t), filepath.Join(t.TempDir(), "cache")
	if err := errors.Join(os.Rename(filepath.Join(dir, "blobs"), elsewhere), os.Symlink(elsewhere, filepath.Join(dir, "blobs"))); err != nil {
		t.Fatal(err)
	}
	l, err := OpenLayout(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	img, err := take(t, l, mustRef(t, "oci:x"))
	if err != nil {
		t.Fatal(err)
	}
	checkLayers(t, img, layerTar("file", "linked"))
}
