package image

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// raw lists a document, as it stands, as the one image of a layout.
func raw(mediaType types.MediaType, text string) *fixture {
	f := newFixture()
	f.name("", f.blob(mediaType, []byte(text)))
	return f
}

// with makes a one-layer image after change has been at its parts.
func with(change func(f *fixture, config map[string]any, m *v1.Manifest)) *fixture {
	f := newFixture()
	layer := f.blob(types.OCIUncompressedLayer, layerTar("file", "content"))
	config := configFor("linux/amd64", layer.Digest)
	m := manifestOf(types.OCIManifestSchema1, v1.Descriptor{}, layer)
	change(f, config, &m)
	if m.Config.Digest == (v1.Hash{}) {
		m.Config = f.json(types.OCIConfigJSON, config)
	}
	f.name("", f.json(types.OCIManifestSchema1, m))
	return f
}

func indexed(change func(f *fixture) []v1.Descriptor) *fixture {
	f := newFixture()
	f.name("", f.index(change(f)...))
	return f
}

func marker(text string) *fixture {
	f := good()
	f.files["oci-layout"] = []byte(text)
	return f
}

func indexJSON(text string) *fixture {
	f := good()
	f.files["index.json"] = []byte(text)
	return f
}

const someDigest = `"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`

func TestMalformedLayout(t *testing.T) {
	tests := []struct {
		name string
		f    *fixture
		is   error
		want string
	}{
		{"version", marker(`{"imageLayoutVersion":"2.0.0"}`), ErrInvalid, `image layout FILE: oci-layout: malformed image: version "2.0.0"; only 1.0.0 is read`},
		{"no version", marker(`{}`), ErrInvalid, `image layout FILE: oci-layout: malformed image: version ""; only 1.0.0 is read`},
		{"marker no object", marker(`[]`), ErrInvalid, `image layout FILE: oci-layout: malformed image: it is not a JSON object`},
		{"index.json not JSON", indexJSON(`{`), ErrInvalid, `image layout FILE: index.json: malformed image: …`},
		{"index.json a manifest", indexJSON(`{"schemaVersion":2,"layers":[],"config":{}}`), ErrInvalid, `image layout FILE: index.json: malformed image: its content is not what its media type "application/vnd.oci.image.index.v1+json" says`},
		{"index.json too large", indexJSON(`{` + strings.Repeat(" ", maxDocument) + `}`), ErrInvalid, `image layout FILE: index.json: malformed image: 4194306 bytes; at most 4194304 are read`},
		{"index.json duplicate key", indexJSON(`{"schemaVersion":2,"manifests":[],"manifests":[]}`), ErrInvalid, `image layout FILE: index.json: malformed image: …`},
		{"index.json folded key", indexJSON(`{"schemaVersion":2,"manifests":[],"Manifests":[]}`), ErrInvalid, `image layout FILE: index.json: malformed image: …`},
		{"index.json empty", indexJSON(`{"schemaVersion":2,"manifests":[]}`), ErrNotFound, `image not found: the layout is empty`},
		{"several images", good(), ErrNotFound, `image not found: the layout has several, name one of them: docker.io/acme/web:v1, acme/db:v2`},

		{"schema 1", raw(types.OCIManifestSchema1, `{"schemaVersion":1}`), ErrInvalid, `sha256:…: malformed image: schemaVersion 1 says too little to be checked; push the image again with a tool of today`},
		{"no schema", raw(types.OCIManifestSchema1, `{"layers":[],"config":{}}`), ErrInvalid, `sha256:…: malformed image: schemaVersion is "", not 2`},
		{"schema is text", raw(types.OCIManifestSchema1, `{"schemaVersion":"two"}`), ErrInvalid, `sha256:…: malformed image: json: …`},
		{"index and manifest", raw(types.OCIManifestSchema1, `{"schemaVersion":2,"layers":[],"config":{},"manifests":[]}`), ErrInvalid, `sha256:…: malformed image: it has manifests and also layers or config: it could be read as an index or as a manifest`},
		{"index with config", raw(types.OCIImageIndex, `{"schemaVersion":2,"config":{},"manifests":[]}`), ErrInvalid, `sha256:…: malformed image: it has manifests and also layers or config: it could be read as an index or as a manifest`},
		{"neither", raw(types.OCIManifestSchema1, `{"schemaVersion":2}`), ErrInvalid, `sha256:…: malformed image: it has neither manifests nor both layers and config`},
		{"no layers", raw(types.OCIManifestSchema1, `{"schemaVersion":2,"config":{}}`), ErrInvalid, `sha256:…: malformed image: it has neither manifests nor both layers and config`},
		{"key in other case", raw(types.OCIManifestSchema1, `{"schemaVersion":2,"config":{},"Layers":[]}`), ErrInvalid, `sha256:…: malformed image: key "Layers" must be "layers"`},
		{"key of a descriptor in other case", raw(types.OCIImageIndex, `{"schemaVersion":2,"manifests":[{"Digest":"x"}]}`), ErrInvalid, `sha256:…: malformed image: key "Digest" must be "digest"`},
		{"media types differ", raw(types.OCIImageIndex, `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}`), ErrInvalid, `sha256:…: malformed image: its media type is "application/vnd.docker.distribution.manifest.list.v2+json", its descriptor says "application/vnd.oci.image.index.v1+json"`},
		{"media type of a layer", raw(types.OCILayer, `{"schemaVersion":2,"manifests":[]}`), ErrInvalid, `sha256:…: malformed image: media type "application/vnd.oci.image.layer.v1.tar+gzip" is neither an index's nor an image manifest's`},
		{"media type of the other", raw(types.OCIManifestSchema1, `{"schemaVersion":2,"manifests":[]}`), ErrInvalid, `sha256:…: malformed image: its content is not what its media type "application/vnd.oci.image.manifest.v1+json" says`},
		{"bad digest", raw(types.OCIImageIndex, `{"schemaVersion":2,"manifests":[{"digest":"sha256:../../../etc/passwd"}]}`), ErrInvalid, `sha256:…: malformed image: found non-hex character in hash: .`},
		{"sha512", raw(types.OCIImageIndex, `{"schemaVersion":2,"manifests":[{"digest":"sha512:`+strings.Repeat("a", 128)+`"}]}`), ErrInvalid, `sha256:…: manifests[0]: malformed image: digest "sha512:` + strings.Repeat("a", 128) + `"; only sha256 is read`},
		{"no digest", raw(types.OCIImageIndex, `{"schemaVersion":2,"manifests":[{}]}`), ErrInvalid, `sha256:…: manifests[0]: malformed image: digest ":"; only sha256 is read`},
		{"negative size", raw(types.OCIImageIndex, `{"schemaVersion":2,"manifests":[{"size":-1,`+someDigest+`}]}`), ErrInvalid, `sha256:…: manifests[0]: malformed image: its size is -1 bytes`},
		{"size is text", raw(types.OCIImageIndex, `{"schemaVersion":2,"manifests":[{"size":"1",`+someDigest+`}]}`), ErrInvalid, `sha256:…: malformed image: json: …`},
		{"too large", raw(types.OCIManifestSchema1, strings.Repeat(" ", maxDocument+1)), ErrInvalid, `sha256:…: malformed image: 4194305 bytes; at most 4194304 are read`},

		{"foreign layer", with(func(_ *fixture, _ map[string]any, m *v1.Manifest) {
			m.Layers[0].URLs = []string{"https://example.org/layer"}
		}), ErrInvalid, `sha256:…: layers[0]: malformed image: it lies at https://example.org/layer; content that is not with its image is not fetched`},
		{"nondistributable layer", with(func(_ *fixture, _ map[string]any, m *v1.Manifest) {
			m.Layers[0].MediaType = types.OCIRestrictedLayer
		}), ErrInvalid, `manifest sha256:…: malformed image: layers[0]: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" is a layer that may not be handed on`},
		{"foreign docker layer", with(func(_ *fixture, _ map[string]any, m *v1.Manifest) {
			m.Layers[0].MediaType = types.DockerForeignLayer
		}), ErrInvalid, `manifest sha256:…: malformed image: layers[0]: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" is a layer that may not be handed on`},
		{"layer of another kind", with(func(_ *fixture, _ map[string]any, m *v1.Manifest) {
			m.Layers[0].MediaType = "text/plain"
		}), ErrInvalid, `manifest sha256:…: malformed image: layers[0]: media type "text/plain" is not a layer's`},
		{"artifact", with(func(f *fixture, _ map[string]any, m *v1.Manifest) {
			m.Config = f.blob(types.OCIEmptyJSON, []byte("{}"))
		}), ErrInvalid, `manifest sha256:…: malformed image: its config is "application/vnd.oci.empty.v1+json": an artifact, not an image`},
		{"config is missing", with(func(_ *fixture, _ map[string]any, m *v1.Manifest) {
			m.Config = describeBytes(types.OCIConfigJSON, []byte("{}"))
		}), ErrNotFound, `manifest sha256:…: config sha256:…: not found in the layout`},
		{"config of another size", with(func(f *fixture, config map[string]any, m *v1.Manifest) {
			m.Config = f.json(types.OCIConfigJSON, config)
			m.Config.Size++
		}), ErrDigest, `manifest sha256:…: config sha256:…: digest mismatch: 151 bytes, but its descriptor says 152`},
		{"config tampered with", with(func(f *fixture, config map[string]any, m *v1.Manifest) {
			m.Config = f.json(types.OCIConfigJSON, config)
			name := "blobs/sha256/" + m.Config.Digest.Hex
			f.files[name] = bytes.Replace(f.files[name], []byte("linux"), []byte("Linux"), 1)
		}), ErrDigest, `manifest sha256:…: config sha256:…: digest mismatch: the bytes have sha256:…`},
		{"config with a key twice", with(func(f *fixture, _ map[string]any, m *v1.Manifest) {
			m.Config = f.blob(types.OCIConfigJSON, []byte(`{"os":"linux","os":"linux"}`))
		}), ErrInvalid, `manifest sha256:…: config sha256:…: malformed image: …`},
		{"config key in other case", with(func(_ *fixture, config map[string]any, _ *v1.Manifest) {
			config["config"] = map[string]any{"entrypoint": []string{"/bin/sh"}}
		}), ErrInvalid, `manifest sha256:…: config sha256:…: malformed image: key "entrypoint" must be "Entrypoint"`},
		{"config is a list", with(func(f *fixture, _ map[string]any, m *v1.Manifest) {
			m.Config = f.blob(types.OCIConfigJSON, []byte(`[]`))
		}), ErrInvalid, `manifest sha256:…: config sha256:…: malformed image: it is not a JSON object`},
		{"rootfs of another type", with(func(_ *fixture, config map[string]any, _ *v1.Manifest) {
			config["rootfs"] = map[string]any{"type": "tree"}
		}), ErrInvalid, `manifest sha256:…: config sha256:…: malformed image: rootfs.type is "tree", not "layers"`},
		{"a diffID too few", with(func(_ *fixture, config map[string]any, _ *v1.Manifest) {
			config["rootfs"] = map[string]any{"type": "layers", "diff_ids": []string{}}
		}), ErrInvalid, `manifest sha256:…: config sha256:…: malformed image: 1 layers, but 0 diff_ids`},
		{"a layer too few", with(func(_ *fixture, _ map[string]any, m *v1.Manifest) {
			m.Layers = []v1.Descriptor{}
		}), ErrInvalid, `manifest sha256:…: config sha256:…: malformed image: 0 layers, but 1 diff_ids`},
		{"layer is missing", with(func(_ *fixture, _ map[string]any, m *v1.Manifest) {
			m.Layers[0].Digest = describeBytes("", nil).Digest
		}), ErrNotFound, `layer sha256:…: not found in the layout`},
		{"layer of another size", with(func(_ *fixture, _ map[string]any, m *v1.Manifest) {
			m.Layers[0].Size++
		}), ErrDigest, `layer sha256:…: digest mismatch: 2048 bytes, but its descriptor says 2049`},

		{"other platform", with(func(_ *fixture, config map[string]any, _ *v1.Manifest) {
			config["architecture"] = "s390x"
		}), ErrPlatform, `manifest sha256:…: not exactly one image for platform linux/amd64: its config says linux/s390x`},
		{"variant", with(func(_ *fixture, config map[string]any, _ *v1.Manifest) {
			config["variant"] = "v3"
		}), ErrPlatform, `manifest sha256:…: not exactly one image for platform linux/amd64: its config says linux/amd64/v3`},
		{"no platform fits", indexed(func(f *fixture) []v1.Descriptor {
			return []v1.Descriptor{f.image("linux/arm64", "a"), f.image("linux/amd64/v3", "b")}
		}), ErrPlatform, `index sha256:…: not exactly one image for platform linux/amd64: the index has linux/arm64, linux/amd64/v3`},
		{"two fit", indexed(func(f *fixture) []v1.Descriptor {
			return []v1.Descriptor{f.image("linux/amd64", "a"), f.image("linux/amd64", "b")}
		}), ErrPlatform, `index sha256:…: not exactly one image for platform linux/amd64: the index has linux/amd64, linux/amd64`},
		{"empty index", indexed(func(*fixture) []v1.Descriptor { return []v1.Descriptor{} }), ErrPlatform, `index sha256:…: not exactly one image for platform linux/amd64: the index has none`},
		{"index lies about the platform", indexed(func(f *fixture) []v1.Descriptor {
			d := f.image("linux/arm64", "a")
			d.Platform = platformOfText("linux/amd64")
			return []v1.Descriptor{d}
		}), ErrPlatform, `manifest sha256:…: not exactly one image for platform linux/amd64: its config says linux/arm64`},
		{"index in an index", indexed(func(f *fixture) []v1.Descriptor {
			return []v1.Descriptor{f.image("linux/amd64", "a"), f.index(f.image("linux/amd64", "b"))}
		}), ErrInvalid, `index sha256:…: malformed image: manifests[1] is an index in an index`},
		{"manifest of another size", indexed(func(f *fixture) []v1.Descriptor {
			d := f.image("linux/amd64", "a")
			d.Size--
			return []v1.Descriptor{d}
		}), ErrDigest, `index sha256:…: manifest sha256:…: digest mismatch: 397 bytes, but its descriptor says 396`},
		{"attestation tampered with", indexed(func(f *fixture) []v1.Descriptor {
			d := f.image("linux/amd64", "a")
			s := f.sbom(d, "{}")
			f.files["blobs/sha256/"+s.Digest.Hex][5] ^= 1
			return []v1.Descriptor{d, s}
		}), ErrDigest, `index sha256:…: attestation sha256:…: digest mismatch: the bytes have sha256:…`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{tt.f.dir(t), tt.f.tar(t, ""), tt.f.tar(t, "./")} {
				images := NewByTransport(newMemory().cache())
				defer images.Close()
				img, err := take(t, images, mustRef(t, "oci:"+path))
				if img != nil || !errors.Is(err, tt.is) {
					t.Fatalf("image %v, error %v; want one that is %v", img, err, tt.is)
				}
				if got := plainError(err, path); !sameError(got, tt.want) {
					t.Errorf("error\n%s\nwant\n%s", got, tt.want)
				}
				if n := countSentinels(err); n != 1 {
					t.Errorf("%v is %d kinds of error, want 1", err, n)
				}
			}
		})
	}
}

func countSentinels(err error) (n int) {
	for _, s := range []error{ErrNotFound, ErrPlatform, ErrDigest, ErrInvalid} {
		if errors.Is(err, s) {
			n++
		}
	}
	return n
}

func TestDescriptorOfZeroHash(t *testing.T) {
	_, err := readBlob(t.Context(), newMemory().cache(), v1.Descriptor{})
	if want := fmt.Sprintf("%v: digest \":\"; only sha256 is read", ErrInvalid); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
