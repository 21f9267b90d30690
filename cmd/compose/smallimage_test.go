package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// doc is a JSON document that a test may bend.
type doc = map[string]any

// smallImage makes an OCI layout of one image, "app", of one layer, for
// linux/amd64. Each of its functions may change one part before what names that
// part is made, so that only the part itself is wrong.
type smallImage struct {
	entries  []*tar.Header // of the layer; one file by default
	tar      func([]byte) []byte
	packed   func([]byte) []byte // the layer, once it is compressed
	media    string              // of the layer
	config   func(doc)
	manifest func(doc)
	index    func(doc)
	top      func(doc)         // index.json
	after    func(*madeLayout) // changes files
}

// madeLayout is a layout on disk.
type madeLayout struct {
	dir                            string
	layer, config, manifest, index string // names of their blobs
}

func (l *madeLayout) blob(name string) string { return filepath.Join(l.dir, "blobs", "sha256", name) }

// write makes the layout in dir.
func (s smallImage) write(t *testing.T, dir string) {
	t.Helper()
	l := &madeLayout{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		t.Fatal(err)
	}
	raw := change(s.tar, s.archive(t))
	packed := change(s.packed, compressed(t, raw))
	media := firstOf(s.media, "application/vnd.oci.image.layer.v1.tar+gzip")
	layer := l.put(t, media, packed)
	config := l.putJSON(t, "application/vnd.oci.image.config.v1+json", s.config, doc{
		"architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05Z",
		"config": doc{"Cmd": []string{"/app"}},
		"rootfs": doc{"type": "layers", "diff_ids": []any{"sha256:" + hexOf(raw)}},
	})
	manifest := l.putJSON(t, "application/vnd.oci.image.manifest.v1+json", s.manifest, doc{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []any{layer},
	})
	manifest["platform"] = doc{"os": "linux", "architecture": "amd64"}
	index := l.putJSON(t, "application/vnd.oci.image.index.v1+json", s.index, doc{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{manifest},
	})
	index["annotations"] = doc{"org.opencontainers.image.ref.name": "app", "io.containerd.image.name": "docker.io/test/app:v1"}
	top := doc{"schemaVersion": 2, "manifests": []any{index}}
	if s.top != nil {
		s.top(top)
	}
	l.file(t, "index.json", encode(t, top))
	l.file(t, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	l.layer, l.config, l.manifest, l.index = nameOf(layer), nameOf(config), nameOf(manifest), nameOf(index)
	if s.after != nil {
		s.after(l)
	}
}

// archive is the layer's tar.
func (s smallImage) archive(t *testing.T) []byte {
	t.Helper()
	entries := s.entries
	if entries == nil {
		entries = []*tar.Header{{Name: "app", Typeflag: tar.TypeReg, Mode: 0o755, Size: 4}}
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compressed(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// change returns what f makes of a copy of data; f may be nil.
func change(f func([]byte) []byte, data []byte) []byte {
	if f == nil {
		return data
	}
	return f(bytes.Clone(data))
}

func (l *madeLayout) put(t *testing.T, media string, data []byte) doc {
	t.Helper()
	l.file(t, filepath.Join("blobs", "sha256", hexOf(data)), data)
	return doc{"mediaType": media, "digest": "sha256:" + hexOf(data), "size": len(data)}
}

func (l *madeLayout) putJSON(t *testing.T, media string, edit func(doc), d doc) doc {
	t.Helper()
	if edit != nil {
		edit(d)
	}
	data := encode(t, d)
	if raw, ok := d["raw"].(string); ok { // for what is no JSON of a map
		data = []byte(raw)
	}
	return l.put(t, media, data)
}

func (l *madeLayout) file(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func encode(t *testing.T, d doc) []byte {
	t.Helper()
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func hexOf(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

func nameOf(d doc) string { return d["digest"].(string)[len("sha256:"):] }

// first is the first of a document's list.
func first(d doc, key string) doc { return d[key].([]any)[0].(doc) }
