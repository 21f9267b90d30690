package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// FuzzDocument holds what follows from a document having been accepted.
func FuzzDocument(f *testing.F) {
	for _, data := range good().all() {
		f.Add(data)
	}
	f.Add([]byte(`{"schemaVersion":2,"manifests":[],"layers":[]}`))
	f.Add([]byte(`{"schemaVersion":2,"Manifests":[]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[],"mediaType":null}`))
	f.Add([]byte(`{"schemaVersion":2,"layers":null,"config":null}`))
	f.Add([]byte(`{"schemaVersion":2e0,"manifests":[{"digest":"sha256:","size":1e3,"urls":[""]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := parseDocument(raw, "")
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
			return
		}
		if (doc.index == nil) == (doc.manifest == nil) {
			t.Fatal("it is not one of index and manifest")
		}
		mt := doc.desc.MediaType
		if mt.IsIndex() != (doc.index != nil) || mt.IsImage() != (doc.manifest != nil) || doc.desc.Size != int64(len(raw)) {
			t.Errorf("descriptor %v", doc.desc)
		}
		if again, err := parseDocument(raw, mt); err != nil || again.desc.MediaType != mt {
			t.Errorf("by its own media type: %v", err)
		}
		// Nobody can read it as the other one.
		other := types.OCIImageIndex
		if doc.index != nil {
			other = types.OCIManifestSchema1
		}
		if _, err := parseDocument(raw, other); err == nil {
			t.Errorf("it is also %s", other)
		}
		for _, d := range descriptors(doc) {
			if d.Digest.Algorithm != "sha256" || len(d.Digest.Hex) != 64 || d.Size < 0 || len(d.URLs) > 0 {
				t.Errorf("descriptor %v", d)
			}
		}
	})
}

func descriptors(doc *document) []v1.Descriptor {
	if doc.index != nil {
		return doc.index.Manifests
	}
	return append([]v1.Descriptor{doc.manifest.Config}, doc.manifest.Layers...)
}

// FuzzConfig holds that an accepted config has diffIDs that can be checked.
func FuzzConfig(f *testing.F) {
	f.Add(configJSON(nil, []byte("x")))
	f.Add([]byte(`{"rootfs":{"type":"layers","diff_ids":null},"config":{"Labels":{"a":"","A":""}}}`))
	f.Add([]byte(`{"rootfs":{"type":"layers","diff_ids":["sha512:aa"]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		config, err := parseConfig(raw)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
			return
		}
		for _, h := range config.RootFS.DiffIDs {
			if err := checkHash(h); err != nil {
				t.Error(err)
			}
		}
	})
}

// inMemory is a file in memory.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// FuzzTar holds that every member lies within the file and can be read, or is
// a link that says what is wrong with it.
func FuzzTar(f *testing.F) {
	// Small ones: what is found is made smaller before the search goes on.
	for _, members := range [][]*tar.Header{
		{file("./a", []byte("content"))},
		{link("a", "b", tar.TypeSymlink), link("b", "./a", tar.TypeLink)},
		{link("a/b", "../c", tar.TypeSymlink), file("c", nil)},
		{{Name: "a", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"GNU.sparse.map": "0,1"}, Format: tar.FormatPAX}},
	} {
		data, err := os.ReadFile(writeTar(f, members...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		archive, err := newTar(inMemory{bytes.NewReader(raw)})
		if err != nil {
			return
		}
		for name := range archive.members {
			r, size, err := archive.open(name)
			if err != nil {
				if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrNotFound) {
					t.Errorf("%q: %v", name, err)
				}
				continue
			}
			if data, err := readSized(t.Context(), r, size); err != nil || int64(len(data)) != size {
				t.Errorf("%q: %d of %d bytes, error %v", name, len(data), size, err)
			}
		}
	})
}
