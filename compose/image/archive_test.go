package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	savedtar "github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }

func link(name, target string, kind byte) *tar.Header {
	return &tar.Header{Name: name, Linkname: target, Typeflag: kind}
}

func configJSON(layers ...[]byte) []byte {
	var ids []v1.Hash
	for _, l := range layers {
		ids = append(ids, describeBytes("", l).Digest)
	}
	data, _ := json.Marshal(configFor("linux/amd64", ids...))
	return data
}

// saved is an archive of two images that have a layer in common, which the
// second one has by a link, as old Docker wrote it.
func saved(t *testing.T, prefix string, common *tar.Header) string {
	t.Helper()
	base, top := layerTar("base", "base"), layerTar("top", "top")
	return writeTar(t,
		file(prefix+"a/layer.tar", base),
		file(prefix+"a.json", configJSON(base)),
		common,
		file(prefix+"b/top.tar", top),
		file(prefix+"b.json", configJSON(base, top)),
		file(prefix+"manifest.json", []byte(`[
			{"Config":"a.json","RepoTags":["busybox:1","acme/web:v1"],"Layers":["a/layer.tar"]},
			{"Config":"b.json","RepoTags":null,"Layers":["b/layer.tar","b/top.tar"]}]`)),
	)
}

func TestArchive(t *testing.T) {
	base, top := layerTar("base", "base"), layerTar("top", "top")
	digests := map[v1.Hash]bool{}
	for _, tt := range []struct{ name, path string }{
		{"symbolic link", saved(t, "", link("b/layer.tar", "../a/layer.tar", tar.TypeSymlink))},
		{"hard link", saved(t, "", link("b/layer.tar", "a/layer.tar", tar.TypeLink))},
		{"dot", saved(t, "./", link("./b/layer.tar", "../a/layer.tar", tar.TypeSymlink))},
		{"copy", saved(t, "", file("b/layer.tar", base))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := OpenArchive(t.Context(), tt.path)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			img, err := take(t, a, mustRef(t, "docker-archive:x:busybox:1"))
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Image(img, validate.Fast); err != nil {
				t.Error(err)
			}
			checkLayers(t, img, base)
			d, _ := img.Digest()
			digests[d] = true
			if sources, _ := img.LayerSources(t.Context()); sources[0].MediaType != string(types.OCIUncompressedLayer) {
				t.Errorf("media type %s", sources[0].MediaType)
			}
			same, err := take(t, a, mustRef(t, "docker-archive:x:docker.io/acme/web:v1"))
			if err != nil {
				t.Fatal(err)
			}
			if other, _ := same.Digest(); other != d {
				t.Errorf("the other tag has %s, want %s", other, d)
			}
			second, err := a.manifest(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if img, err = readImage(t.Context(), a, Pin{Digest: second.Digest, Platform: amd64()}); err != nil {
				t.Fatal(err)
			}
			checkLayers(t, img, base, top)
		})
	}
	if len(digests) != 1 {
		t.Errorf("one image has the digests %v", digests)
	}
}

func TestArchiveDigestIsFixed(t *testing.T) {
	a, err := OpenArchive(t.Context(), saved(t, "", file("b/layer.tar", layerTar("base", "base"))))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	d, err := a.Resolve(t.Context(), mustRef(t, "docker-archive:x:busybox:1"))
	// The digest is in people's locks: a change of how the manifest is made is a change of format.
	const want = "sha256:dba7f07347d8586af22fe9a7c19131f2931d9efbbdbee88791f34edd476fa096"
	if err != nil || d.Digest.String() != want {
		t.Errorf("digest %s, error %v; want %s", d.Digest, err, want)
	}
	if _, err := a.Image(t.Context(), Pin{Ref: mustRef(t, "docker-archive:x:busybox:1"), Digest: describeBytes("", nil).Digest, Platform: amd64()}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another digest: %v", err)
	}
}

// TestForeignArchive reads what a library wrote: gzip layers, hashes as names.
func TestForeignArchive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "saved.tar")
	tag, err := name.NewTag("acme/web:v1")
	if err != nil {
		t.Fatal(err)
	}
	want := randomImage(t)
	if err := savedtar.WriteToFile(path, tag, want); err != nil {
		t.Fatal(err)
	}
	a, err := OpenArchive(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	img, err := take(t, a, mustRef(t, "docker-archive:x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	wantIDs, _ := partialDiffIDs(want)
	if ids, err := partialDiffIDs(img); err != nil || !cmp.Equal(ids, wantIDs) {
		t.Errorf("diffIDs %v, error %v; want %v", ids, err, wantIDs)
	}
	for _, l := range img.core.manifest.manifest.Layers {
		if l.MediaType != types.OCILayer {
			t.Errorf("media type %s of a gzip layer", l.MediaType)
		}
	}
}

func TestMalformedArchive(t *testing.T) {
	layer := layerTar("file", "content")
	listing := func(config, layers string) *tar.Header {
		return file("manifest.json", fmt.Appendf(nil, `[{"Config":%q,"RepoTags":["x:1"],"Layers":[%s]}]`, config, layers))
	}
	config := file("c.json", configJSON(layer))
	loop := []*tar.Header{listing("c.json", `"a"`), config, link("a", "b", tar.TypeSymlink), link("b", "a", tar.TypeSymlink)}
	long := []*tar.Header{listing("c.json", `"n0"`), config}
	for n := range maxLinks + 1 {
		long = append(long, link(fmt.Sprint("n", n), fmt.Sprint("n", n+1), tar.TypeLink))
	}
	tests := []struct {
		name    string
		members []*tar.Header
		is      error
		want    string
	}{
		{"no manifest.json", []*tar.Header{config}, ErrNotFound, "docker archive FILE: manifest.json: not found"},
		{"not JSON", []*tar.Header{file("manifest.json", []byte("["))}, ErrInvalid, "docker archive FILE: manifest.json: malformed image: …"},
		{"an object", []*tar.Header{file("manifest.json", []byte("{}"))}, ErrInvalid, "docker archive FILE: manifest.json: malformed image: json: …"},
		{"a key twice", []*tar.Header{file("manifest.json", []byte(`[{"Config":"a","config":"b"}]`))}, ErrInvalid, "docker archive FILE: manifest.json: malformed image: …"},
		{"too large", []*tar.Header{file("manifest.json", []byte(strings.Repeat(" ", maxDocument+1)))}, ErrInvalid, "docker archive FILE: manifest.json: malformed image: 4194305 bytes; at most 4194304 are read"},
		{"empty", []*tar.Header{file("manifest.json", []byte("[]"))}, ErrNotFound, "image not found: the archive has none"},
		{"two", []*tar.Header{file("manifest.json", []byte(`[{"Config":"a","RepoTags":["x:1"]},{"Config":"b"}]`))}, ErrNotFound, "image not found: the archive has several, name one of them: docker.io/library/x:1, one without a name"},
		{"no config", []*tar.Header{file("manifest.json", []byte(`[{"Layers":[]}]`))}, ErrInvalid, "docker archive FILE: manifest.json: malformed image: [0] has no Config"},
		{"bad tag", []*tar.Header{file("manifest.json", []byte(`[{"Config":"c","RepoTags":["oci:x"]}]`))}, ErrInvalid, `docker archive FILE: manifest.json: malformed image: [0]: "oci:x" in RepoTags is not an image's name`},
		{"config is missing", []*tar.Header{listing("c.json", "")}, ErrNotFound, "config: c.json: not found"},
		{"config leads out", []*tar.Header{listing("../../etc/passwd", "")}, ErrInvalid, `config: ../../etc/passwd: link to "../../etc/passwd": malformed image: it leads out of the archive`},
		{"config is a list", []*tar.Header{listing("c.json", ""), file("c.json", []byte("[]"))}, ErrInvalid, "config c.json: malformed image: it is not a JSON object"},
		{"a layer too few", []*tar.Header{listing("c.json", ""), config}, ErrInvalid, "config c.json: malformed image: 0 layers, but 1 diff_ids"},
		{"layer is missing", []*tar.Header{listing("c.json", `"layer.tar"`), config}, ErrNotFound, "layer layer.tar: layer.tar: not found"},
		{"layer is a folder", []*tar.Header{listing("c.json", `"layer.tar"`), config, {Name: "layer.tar/", Typeflag: tar.TypeDir}}, ErrNotFound, "layer layer.tar: layer.tar: not found"},
		{"layer tampered with", []*tar.Header{listing("c.json", `"layer.tar"`), config, file("layer.tar", layerTar("file", "changed"))}, ErrDigest, "layer layer.tar: digest mismatch: it is sha256:…, the config says sha256:…"},
		{"link to nothing", []*tar.Header{listing("c.json", `"l"`), config, link("l", "gone", tar.TypeLink)}, ErrNotFound, `layer l: l: link to "gone": not found`},
		{"link leads out", []*tar.Header{listing("c.json", `"l"`), config, link("l", "../../x", tar.TypeSymlink)}, ErrInvalid, `layer l: l: link to "../../x": malformed image: it leads out of the archive`},
		{"link loop", loop, ErrInvalid, "layer a: a: malformed image: more than 40 links"},
		{"too many links", long, ErrInvalid, "layer n0: n0: malformed image: more than 40 links"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := writeTar(t, tt.members...)
			images := NewByTransport(newMemory().cache())
			defer images.Close()
			img, err := take(t, images, mustRef(t, "docker-archive:"+path))
			if got := plainError(err, path); img != nil || !sameError(got, tt.want) {
				t.Errorf("image %v, error\n%s\nwant\n%s", img, got, tt.want)
			}
			if !errors.Is(err, tt.is) || countSentinels(err) != 1 {
				t.Errorf("%v is not %v alone", err, tt.is)
			}
		})
	}
}
