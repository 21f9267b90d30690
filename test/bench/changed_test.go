package main

import (
	"archive/tar"
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/composeos/compose/test/fixture"
)

// entry is an entry of a layer, as tar has it.
type entry struct {
	header tar.Header
	body   []byte
}

func entriesOf(t *testing.T, l v1.Layer) []entry {
	t.Helper()
	var all []entry
	if err := eachEntry(l, func(h *tar.Header, body io.Reader) error {
		b, err := io.ReadAll(body)
		all = append(all, entry{*h, b})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func imageOf(t *testing.T, dir, name string) v1.Image {
	t.Helper()
	path, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	image, err := changed{name: name}.find(path)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func layersOf(t *testing.T, image v1.Image) []v1.Layer {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	return layers
}

func TestChangedPackage(t *testing.T) {
	from := t.TempDir()
	if err := fixture.Write(from, fixture.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		all  bool
	}{{"one file", false}, {"every file", true}} {
		t.Run(tt.name, func(t *testing.T) {
			c := changed{from: from, name: "init", all: tt.all}
			to := filepath.Join(t.TempDir(), "to")
			if err := c.write(to); err != nil {
				t.Fatal(err)
			}
			image := imageOf(t, to, c.name)
			if err := validate.Image(image, validate.Fast); err != nil { // plain layers are beyond it
				t.Error(err)
			}
			before, after := layersOf(t, imageOf(t, from, c.name)), layersOf(t, image)
			if len(before) != len(after) {
				t.Fatalf("%d layers, want %d", len(after), len(before))
			}
			if err := validate.Layer(after[1]); err != nil {
				t.Error(err)
			}
			for i := range before {
				files, edits := compared(t, entriesOf(t, before[i]), entriesOf(t, after[i]))
				want := 0
				switch {
				case i == 1 && tt.all:
					want = files
				case i == 1:
					want = 1
				}
				if edits != want || files == 0 {
					t.Errorf("layer %d: %d of %d files are other ones, want %d", i, edits, files, want)
				}
			}
		})
	}
}

// compared counts the files with content of a layer, and those whose content is
// another one; all else must be the same.
func compared(t *testing.T, before, after []entry) (files, edits int) {
	t.Helper()
	if len(before) != len(after) {
		t.Fatalf("%d entries, want %d", len(after), len(before))
	}
	for i, b := range before {
		a := after[i]
		same := a.header.Name == b.header.Name && a.header.Size == b.header.Size && a.header.Typeflag == b.header.Typeflag &&
			a.header.Linkname == b.header.Linkname && a.header.Mode == b.header.Mode && a.header.ModTime.Equal(b.header.ModTime) &&
			slices.Equal(xattrs(a.header), xattrs(b.header))
		if !same {
			t.Errorf("%s became %+v, was %+v", b.header.Name, a.header, b.header)
		}
		if len(b.body) > 0 {
			files++
		}
		if !bytes.Equal(a.body, b.body) {
			edits++
		}
	}
	return files, edits
}

// xattrs are the extended attributes of an entry, as PAX records.
func xattrs(h tar.Header) []string {
	var all []string
	for name, value := range h.PAXRecords {
		if len(name) > 13 && name[:13] == "SCHILY.xattr." {
			all = append(all, name+"="+value)
		}
	}
	slices.Sort(all)
	return all
}

func TestChangedPackageThatIsMissing(t *testing.T) {
	from := t.TempDir()
	if err := fixture.Write(from, fixture.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := (changed{from: from, name: "nobody"}).write(t.TempDir()); err == nil {
		t.Error("a layout without the image was taken")
	}
}
