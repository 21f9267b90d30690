package clients

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/test/fixture"
)

// manyPackages makes a manifest of n services, each of an image of its own, and
// returns its path. Their images are made of one small layer, no two equal.
func manyPackages(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	index := v1.ImageIndex(empty.Index)
	var manifest strings.Builder
	manifest.WriteString("init:\n  - oci:fixture:init\nservices:\n")
	for i := range n {
		name := fmt.Sprintf("package-%03d", i)
		fmt.Fprintf(&manifest, "  - name: %s\n    image: oci:packages:%s\n    command: [/bin/%s]\n", name, name, name)
		image, err := smallImage(name)
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			Annotations: map[string]string{refName: name},
		}})
	}
	_, err := layout.Write(filepath.Join(dir, "packages"), index)
	path := filepath.Join(dir, "many.yml")
	if err := errors.Join(
		err, fixture.Write(filepath.Join(dir, "fixture"), fixture.Options{}), os.WriteFile(path, []byte(manifest.String()), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	return path
}

// made is when the packages were made.
const made = 1700000000

// smallImage is an image with the name in it, and some of what layers can hold.
func smallImage(name string) (v1.Image, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "bin/" + name, Mode: 0o4755, Size: int64(len(name))},
		{Typeflag: tar.TypeDir, Name: "var/", Mode: 0o711, Uid: 5},
		{Typeflag: tar.TypeLink, Name: "var/" + name, Linkname: "bin/" + name},
		{Typeflag: tar.TypeSymlink, Name: "var/link", Linkname: "../bin/" + name},
		{Typeflag: tar.TypeReg, Name: "var/own", Mode: 0o600, Uid: 1000, Gid: 70000, PAXRecords: map[string]string{"SCHILY.xattr.user.name": name}},
	} {
		h.ModTime, h.Format = time.Unix(made-int64(len(h.Name)), 0), tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(name)[:h.Size]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, static.NewLayer(archive.Bytes(), types.OCIUncompressedLayer))
	if err != nil {
		return nil, err
	}
	image, err = mutate.CreatedAt(image, v1.Time{Time: time.Unix(made, 0)})
	if err != nil {
		return nil, err
	}
	c, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	c.OS, c.Architecture = "linux", "amd64"
	image, err = mutate.ConfigFile(image, c)
	return mutate.MediaType(image, types.OCIManifestSchema1), err
}
