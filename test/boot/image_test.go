package boot

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
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
)

// refName is the annotation by which a layout names an image (image-spec
// annotations.md).
const refName = "org.opencontainers.image.ref.name"

// writeImages makes an OCI image layout of images, by their names.
func writeImages(t *testing.T, dir string, images map[string]v1.Image) {
	t.Helper()
	index := v1.ImageIndex(empty.Index)
	for name, image := range images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			Annotations: map[string]string{refName: name},
		}})
	}
	if _, err := layout.Write(dir, index); err != nil {
		t.Fatal(err)
	}
}

// imageOf is base with a layer of items on it.
func imageOf(t *testing.T, base v1.Image, items []item) v1.Image {
	t.Helper()
	layer, err := archive(items)
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(base, static.NewLayer(layer, types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	image, err = mutate.CreatedAt(image, v1.Time{Time: time.Unix(made, 0)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c.OS, c.Architecture = "linux", "amd64"
	if image, err = mutate.ConfigFile(image, c); err != nil {
		t.Fatal(err)
	}
	return mutate.MediaType(image, types.OCIManifestSchema1)
}

// workloadKernel is the image of the workload's kernel.
func workloadKernel(t *testing.T, workload string) v1.Image {
	t.Helper()
	const name = "docker.io/anchor/kernel:v1"
	image, err := func() (v1.Image, error) {
		index, err := layout.ImageIndexFromPath(filepath.Join(workload, "oci"))
		if err != nil {
			return nil, err
		}
		d, err := find(index, func(d v1.Descriptor) bool { return d.Annotations[refName] == name })
		if err != nil || d.MediaType.IsImage() {
			return nil, fmt.Errorf("%s is an image without an index: %w", name, err)
		}
		if index, err = index.ImageIndex(d.Digest); err != nil {
			return nil, err
		}
		d, err = find(index, func(d v1.Descriptor) bool {
			return d.Platform != nil && d.Platform.OS == "linux" && d.Platform.Architecture == "amd64"
		})
		if err != nil {
			return nil, err
		}
		return index.Image(d.Digest)
	}()
	if err != nil {
		t.Fatalf("the workload's kernel: %v", err)
	}
	return image
}

func find(index v1.ImageIndex, is func(v1.Descriptor) bool) (v1.Descriptor, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	for _, d := range manifest.Manifests {
		if is(d) {
			return d, nil
		}
	}
	return v1.Descriptor{}, errors.New("not in the index")
}

// fileOf reads a file of an image.
func fileOf(t *testing.T, image v1.Image, name string) []byte {
	t.Helper()
	files := mutate.Extract(image)
	defer files.Close()
	r := tar.NewReader(files)
	for {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("look for %s: %v", name, err)
		}
		if strings.TrimPrefix(h.Name, "/") == name {
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return content
		}
	}
}

// microcode is a cpio archive as the kernel looks for one in front of the
// initramfs (Documentation/arch/x86/microcode, "Early load microcode"). The
// microcode in it is for no processor.
func microcode() []byte {
	var b bytes.Buffer
	record := func(mode int, name, content string) {
		fmt.Fprintf(&b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
			b.Len()+1, mode, 0, 0, 1, made, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
		b.WriteString(strings.Repeat("\x00", -b.Len()&3))
		b.WriteString(content)
		b.WriteString(strings.Repeat("\x00", -b.Len()&3))
	}
	for _, d := range []string{"kernel", "kernel/x86", "kernel/x86/microcode"} {
		record(0o40755, d, "")
	}
	record(0o100644, "kernel/x86/microcode/GenuineIntel.bin", strings.Repeat("for no processor", 16))
	record(0o100644, "kernel/x86/microcode/AuthenticAMD.bin", strings.Repeat("for no processor", 16))
	record(0, "TRAILER!!!", "")
	return b.Bytes()
}
