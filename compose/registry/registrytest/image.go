package registrytest

import (
	"archive/tar"
	"bytes"
	"io"
	"maps"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image makes a small OCI image for a platform ("linux/amd64"), always of the same
// bytes. Each layer is a gzipped tar of files, by path.
func Image(tb testing.TB, platform string, layers ...map[string]string) v1.Image {
	tb.Helper()
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		tb.Fatal(err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range layers {
		data := tarOf(tb, files)
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}, tarball.WithMediaType(types.OCILayer))
		if err != nil {
			tb.Fatal(err)
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			tb.Fatal(err)
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		tb.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	if img, err = mutate.ConfigFile(img, config); err != nil {
		tb.Fatal(err)
	}
	return img
}

func tarOf(tb testing.TB, files map[string]string) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatUSTAR}); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// Index makes an index of images, each under the platform of its configuration.
func Index(tb testing.TB, images ...v1.Image) v1.ImageIndex {
	tb.Helper()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		config, err := img.ConfigFile()
		if err != nil {
			tb.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: config.Platform()}})
	}
	return index
}

// PushImage puts an image into a repository, under its digest and a tag; "" is none.
// It goes past faults and the list of requests.
func (s *Server) PushImage(tb testing.TB, repo, tag string, img v1.Image) v1.Hash {
	tb.Helper()
	layers, err := img.Layers()
	if err != nil {
		tb.Fatal(err)
	}
	for _, layer := range layers {
		r, err := layer.Compressed()
		if err != nil {
			tb.Fatal(err)
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			tb.Fatal(err)
		}
		s.PutBlob(tb, repo, must(layer.Digest())(tb).String(), raw)
	}
	s.PutBlob(tb, repo, must(img.ConfigName())(tb).String(), must(img.RawConfigFile())(tb))
	raw := must(img.RawManifest())(tb)
	return s.pushManifest(tb, repo, tag, raw, must(img.MediaType())(tb))
}

// PushIndex puts an index and its images into a repository, under its digest and a tag;
// "" is none. It goes past faults and the list of requests.
func (s *Server) PushIndex(tb testing.TB, repo, tag string, index v1.ImageIndex) v1.Hash {
	tb.Helper()
	list := must(index.IndexManifest())(tb)
	for _, d := range list.Manifests {
		s.PushImage(tb, repo, "", must(index.Image(d.Digest))(tb))
	}
	raw := must(index.RawManifest())(tb)
	return s.pushManifest(tb, repo, tag, raw, must(index.MediaType())(tb))
}

func (s *Server) pushManifest(tb testing.TB, repo, tag string, raw []byte, mediaType types.MediaType) v1.Hash {
	tb.Helper()
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		tb.Fatal(err)
	}
	s.PutManifest(tb, repo, digest.String(), string(mediaType), raw)
	if tag != "" {
		s.PutManifest(tb, repo, tag, string(mediaType), raw)
	}
	return digest
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}
