package contents_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/composeos/compose/outputs/contents"
	"github.com/composeos/compose/test/fixture"
)

// need skips a test whose tool is not there; in CI it has to be.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// shell runs a command in dir, and returns what it prints.
func shell(t *testing.T, dir, command string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TZ=UTC", "LC_ALL=C")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, &complaint)
	}
	return out
}

// randomImage is an image of go-containerregistry with an entrypoint.
func randomImage(t *testing.T, layers int64) v1.Image {
	t.Helper()
	img, err := random.Image(1000, layers)
	if err == nil {
		img, err = mutate.Config(img, v1.Config{Entrypoint: []string{"/bin/x"}, Labels: map[string]string{"a": "b"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestTarball reads what go-containerregistry writes for docker load, two images
// in one file, of which the second has a layer of the first.
func TestTarball(t *testing.T) {
	first := randomImage(t, 2)
	layers, err := first.Layers()
	if err != nil {
		t.Fatal(err)
	}
	second, err := mutate.AppendLayers(randomImage(t, 1), layers[1])
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tarball.MultiWrite(map[name.Tag]v1.Image{name.MustParseReference("acme/a:1").(name.Tag): first, name.MustParseReference("acme/b:1").(name.Tag): second}, &b); err != nil {
		t.Fatal(err)
	}
	img := mustRead(t, b.Bytes())
	if img.Format != contents.Docker || len(img.Containers) != 2 || len(img.Layers) != 3 || len(img.Entries) != 3 {
		t.Fatalf("%s: %d images, %d layers, %d entries", img.Format, len(img.Containers), len(img.Layers), len(img.Entries))
	}
	for _, c := range img.Containers {
		if len(c.Layers) != 2 || c.Entrypoint[0] != "/bin/x" || c.Labels["a"] != "b" || len(c.Tags) != 1 {
			t.Errorf("%+v", c)
		}
	}
	for _, l := range img.Layers {
		if l.Kind != "gzip" || l.Entries != 1 {
			t.Errorf("layer %+v", l)
		}
	}
}

// tarOf packs a folder.
func tarOf(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestLayout reads the layout of an index of two images, and one that has more.
func TestLayout(t *testing.T) {
	dir := t.TempDir()
	index := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: randomImage(t, 1), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: randomImage(t, 2), Descriptor: v1.Descriptor{Annotations: map[string]string{"org.opencontainers.image.ref.name": "two"}}})
	p, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = p.AppendIndex(index)
	}
	if err == nil {
		err = p.WriteBlob(v1.Hash{Algorithm: "sha256", Hex: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}, readCloser("abc"))
	}
	if err != nil {
		t.Fatal(err)
	}
	img := mustRead(t, tarOf(t, dir))
	if img.Format != contents.OCI || len(img.Containers) != 2 || len(img.Layers) != 3 || len(img.Entries) != 3 || img.Containers[1].Tags[0] != "two" {
		t.Errorf("%s: %+v, %d layers, %d entries", img.Format, img.Containers, len(img.Layers), len(img.Entries))
	}
	if last := img.Parts[slices.IndexFunc(img.Parts, func(p contents.Part) bool { return p.Size == 3 })]; last.Kind != "file" {
		t.Errorf("a blob that nothing names: %+v", last)
	}
}

type stringCloser struct{ *strings.Reader }

func (stringCloser) Close() error { return nil }

func readCloser(s string) stringCloser { return stringCloser{strings.NewReader(s)} }

// TestFixture reads the images of the fixture: whiteouts, links to lower layers,
// three platforms, an attestation.
func TestFixture(t *testing.T) {
	dir := t.TempDir()
	if err := fixture.Write(dir, fixture.Options{}); err != nil {
		t.Fatal(err)
	}
	img := mustRead(t, tarOf(t, dir))
	platforms, kinds, paths := map[string]int{}, map[string]int{}, map[string]string{}
	for _, c := range img.Containers {
		platforms[c.Platform]++
	}
	for _, l := range img.Layers {
		kinds[l.Kind]++
	}
	for _, e := range img.Entries {
		paths[e.Path] = e.Type.String()
	}
	if platforms["linux/amd64"] < 6 || platforms["linux/amd64"] != platforms["linux/386"] || kinds["tar"] == 0 || kinds["gzip"] == 0 || kinds["zstd"] == 0 || kinds["opaque"] == 0 {
		t.Errorf("platforms %v, layers %v", platforms, kinds)
	}
	if paths["etc/.wh.old.conf"] != "file" || !slices.Contains(slices.Collect(maps.Values(paths)), "hard link") {
		t.Errorf("no whiteouts, or no links: %d paths", len(paths))
	}
}

// TestSkopeo reads what skopeo makes of an image.
func TestSkopeo(t *testing.T) {
	need(t, "skopeo")
	dir := t.TempDir()
	if err := fixture.Write(filepath.Join(dir, "fixture"), fixture.Options{}); err != nil {
		t.Fatal(err)
	}
	const copies = "skopeo --insecure-policy copy --override-arch amd64 --override-os linux oci:fixture:"
	for _, tt := range []struct {
		name, command, format string
		layers                int
	}{
		{"docker-archive", copies + "init docker-archive:x:acme/init:1 >&2", contents.Docker, 2},
		{"oci-archive", copies + "hello oci-archive:x:hello >&2", contents.OCI, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer os.Remove(filepath.Join(dir, "x"))
			img := mustRead(t, shell(t, dir, tt.command+"; cat x"))
			if img.Format != tt.format || len(img.Containers) != 1 || len(img.Entries) == 0 || len(img.Layers) != len(img.Containers[0].Layers) ||
				tt.layers > 0 && len(img.Layers) != tt.layers || img.Containers[0].Platform != "linux/amd64" {
				t.Errorf("%s: %+v, %d layers, %d entries", img.Format, img.Containers, len(img.Layers), len(img.Entries))
			}
		})
	}
}

// TestUmoci reads a layout of umoci's.
func TestUmoci(t *testing.T) {
	need(t, "umoci", "tar")
	img := mustRead(t, shell(t, t.TempDir(), "umoci init --layout l >&2; umoci new --image l:new >&2; mkdir d; echo x >d/f; umoci insert --rootless --image l:new d /d >&2; tar -cf - -C l ."))
	if img.Format != contents.OCI || len(img.Containers) != 1 || img.Containers[0].Tags[0] != "new" || len(img.Entries) != 2 {
		t.Errorf("%s: %+v, %d entries", img.Format, img.Containers, len(img.Entries))
	}
}

// TestArchives reads archives of a folder that other tools write.
func TestArchives(t *testing.T) {
	dir := t.TempDir()
	folder := "mkdir -p r/d; echo hello >r/d/f; ln r/d/f r/d/g; ln -s f r/d/l; mkfifo r/p; chmod 4755 r/d/f; touch -d @1500000000 r/d/f r/p r/d r"
	shell(t, dir, folder)
	want := "4755 1500000000 6 sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
	for _, tt := range []struct{ tool, command, format string }{
		{"tar", "tar --format=gnu -cf - -C r .", contents.Tar},
		{"tar", "tar --format=pax -cf - -C r .", contents.Tar},
		{"tar", "tar --format=ustar -czf - -C r .", contents.Tar},
		{"tar", "tar --zstd -cf - -C r d p", contents.Tar},
		{"bsdtar", "bsdtar -cf - -C r .", contents.Tar},
		{"bsdtar", "bsdtar --format newc -cf - -C r .", contents.Initrd},
		{"cpio", "cd r; find . | sort | cpio -o -H newc --quiet", contents.Initrd},
		{"cpio", "cd r; find . | sort | cpio -o -H crc --quiet", contents.Initrd},
		{"cpio", "cd r; find . | cpio -o -H newc --quiet | gzip -1; find d | cpio -o -H newc --quiet | zstd", contents.Initrd},
	} {
		t.Run(tt.command, func(t *testing.T) {
			need(t, tt.tool, "zstd")
			img := mustRead(t, shell(t, dir, tt.command))
			if img.Format != tt.format {
				t.Errorf("format %s", img.Format)
			}
			checkFolder(t, img, want)
			if img.Initramfs != nil && img.Initramfs.Complete {
				t.Error("cpio says that it is compose's")
			}
		})
	}
}

// checkFolder wants f and g to be one file, and the link and the fifo.
func checkFolder(t *testing.T, img *contents.Image, want string) {
	t.Helper()
	var first string
	names := 0
	for _, e := range img.Entries {
		switch e.Path {
		case "d/f", "d/g":
			got := fmt.Sprintf("%o %d %d %s", e.Mode, e.ModTime, e.Size, e.Digest)
			if got != want {
				t.Errorf("%s is %s, want %s", e.Path, got, want)
			}
			if e.First == "" {
				first = e.Path
			} else if e.First != first {
				t.Errorf("%s = %s, not %s", e.Path, e.First, first)
			}
			names++
		case "d/l":
			if e.Type.String() != "symbolic link" || e.Link != "f" {
				t.Errorf("%s is a %s to %s", e.Path, e.Type, e.Link)
			}
			names++
		case "p":
			if e.Type.String() != "fifo" {
				t.Errorf("%s is a %s", e.Path, e.Type)
			}
			names++
		}
	}
	if names < 4 {
		t.Errorf("%d names", names)
	}
}
