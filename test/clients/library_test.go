package clients

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// refName names an image in a layout (image-spec annotations.md).
const refName = "org.opencontainers.image.ref.name"

// inputsLabel names what an image was made of.
const inputsLabel = "org.composeos.inputs"

// library validates both outputs with go-containerregistry, as "crane validate"
// does: every digest, size and diffID is worked out anew.
func (s *system) library(t *testing.T) {
	t.Run("docker", func(t *testing.T) {
		tag, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(s.docker) })
		if err != nil {
			t.Fatal(err)
		}
		if len(tag) != 1 || !slices.Equal(tag[0].RepoTags, []string{s.name + ":latest"}) {
			t.Errorf("manifest.json is %+v", tag)
		}
		s.valid(t, fromArchive(t, s.docker))
	})
	for compression, archive := range s.oci {
		t.Run("oci "+compression, func(t *testing.T) {
			image := fromLayout(t, untar(t, archive), "latest")
			s.valid(t, image)
			m, err := image.Manifest()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]types.MediaType{"gzip": types.OCILayer, "zstd": types.OCILayerZStd, "none": types.OCIUncompressedLayer}[compression]
			for i, l := range m.Layers {
				if l.MediaType != want {
					t.Errorf("layer %d is %s, want %s", i, l.MediaType, want)
				}
			}
		})
	}
}

// valid checks an image as such, and what it says of itself.
func (s *system) valid(t *testing.T, image v1.Image) {
	t.Helper()
	validImage(t, image)
	digest, c := configOf(t, image)
	if digest != s.config {
		t.Errorf("the configuration is %s, want %s", digest, s.config)
	}
	if !slices.Equal(c.RootFS.DiffIDs, s.diffIDs) {
		t.Errorf("the layers are %v, want %v", c.RootFS.DiffIDs, s.diffIDs)
	}
	s.configured(t, configuration{c.OS, c.Architecture, c.Config.Entrypoint, c.Created.Time, c.Config.Labels})
}

// validImage works out anew every digest, size and diffID. validate reads no layers
// but those compressed by gzip; all are read here.
func validImage(t *testing.T, image v1.Image) {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var o []validate.Option
	for i, l := range layers {
		media, err := l.MediaType()
		if err != nil {
			t.Fatal(err)
		}
		if media != types.OCILayer && media != types.DockerLayer {
			o = []validate.Option{validate.Fast}
		}
		if err := validLayer(l); err != nil {
			t.Errorf("layer %d: %v", i, err)
		}
	}
	if err := validate.Image(image, o...); err != nil {
		t.Error(err)
	}
}

func validLayer(l v1.Layer) error {
	digest, err := l.Digest()
	diffID, err2 := l.DiffID()
	size, err3 := l.Size()
	stored, err4 := l.Compressed()
	plain, err5 := l.Uncompressed()
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		return err
	}
	defer stored.Close()
	defer plain.Close()
	gotDigest, gotSize, err := v1.SHA256(stored)
	gotDiffID, _, err2 := v1.SHA256(plain)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if gotDigest != digest || gotSize != size || gotDiffID != diffID {
		return fmt.Errorf("it is %s of %d bytes, plain %s; want %s of %d, %s", gotDigest, gotSize, gotDiffID, digest, size, diffID)
	}
	return nil
}

// configuration is what all clients tell of an image.
type configuration struct {
	OS, Architecture string
	Entrypoint       []string
	Created          time.Time
	Labels           map[string]string
}

// configured compares it with what compose has to say.
func (s *system) configured(t *testing.T, c configuration) {
	t.Helper()
	ok := c.OS == "linux" && c.Architecture == "amd64" && slices.Equal(c.Entrypoint, []string{"/init"}) &&
		c.Created.Unix() == s.epoch && strings.HasPrefix(c.Labels[inputsLabel], "sha256:")
	if !ok {
		t.Errorf("the configuration is %+v, want linux, amd64, /init, %d and %s", c, s.epoch, inputsLabel)
	}
}

func fromArchive(t *testing.T, path string) v1.Image {
	t.Helper()
	image, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// fromLayout returns the image of that name in a layout, which has no other.
func fromLayout(t *testing.T, dir, name string) v1.Image {
	t.Helper()
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index, validate.Fast); err != nil {
		t.Error(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Manifests) != 1 || m.Manifests[0].Annotations[refName] != name {
		t.Fatalf("index.json has %+v, want one image called %q", m.Manifests, name)
	}
	image, err := index.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// untar unpacks an archive of plain files.
func untar(t *testing.T, archive string) string {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := unpack(filepath.Join(dir, filepath.FromSlash(h.Name)), h, r); err != nil {
			t.Fatal(err)
		}
	}
}

func unpack(path string, h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeDir {
		return os.MkdirAll(path, 0o755)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
