package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// memory is a cache in memory.
type memory struct {
	mu    sync.Mutex
	refs  map[string]v1.Descriptor
	blobs map[v1.Hash][]byte
	notes map[string][]byte
	puts  int // blobs that were read
}

func newMemory() *memory {
	return &memory{refs: map[string]v1.Descriptor{}, blobs: map[v1.Hash][]byte{}, notes: map[string][]byte{}}
}

func (m *memory) cache() *Stored { return FromStore(m, m) }

func (m *memory) Ref(name string) (v1.Descriptor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.refs[name]
	if !ok {
		return d, fs.ErrNotExist
	}
	return d, nil
}

func (m *memory) SetRef(name string, d v1.Descriptor) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refs[name] = d
	return nil
}

func (m *memory) Note(kind, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.notes[kind+" "+key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

func (m *memory) SetNote(kind, key string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes[kind+" "+key] = data
	return nil
}

func (m *memory) Blob(_ context.Context, d v1.Hash) (*store.Blob, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.blobs[d]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &store.Blob{ReaderAt: bytes.NewReader(data), Digest: d, Size: int64(len(data))}, nil
}

func (m *memory) Put(ctx context.Context, d v1.Hash, size int64, r io.Reader) (*store.Blob, error) {
	if b, err := m.Blob(ctx, d); err == nil {
		return b, nil
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if got := describeBytes("", data); got.Digest != d || size >= 0 && got.Size != size {
		return nil, fmt.Errorf("blob %s: put: the bytes have %s", d, got.Digest)
	}
	m.mu.Lock()
	m.blobs[d] = data
	m.puts++
	m.mu.Unlock()
	return m.Blob(ctx, d)
}

// fixture is the files of a layout that is being made by hand.
type fixture struct {
	files map[string][]byte
	names []v1.Descriptor // what index.json lists
}

func newFixture() *fixture {
	return &fixture{files: map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}}
}

func (f *fixture) blob(mediaType types.MediaType, data []byte) v1.Descriptor {
	d := describeBytes(mediaType, data)
	f.files["blobs/sha256/"+d.Digest.Hex] = data
	return d
}

func (f *fixture) json(mediaType types.MediaType, v any) v1.Descriptor {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return f.blob(mediaType, data)
}

// layerTar is a layer with one file.
func layerTar(name, content string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644, Typeflag: tar.TypeReg})
	w.Write([]byte(content))
	w.Close()
	return b.Bytes()
}

func configFor(platform string, diffIDs ...v1.Hash) map[string]any {
	p, _ := spec.ParsePlatform(platform)
	ids := []string{}
	for _, id := range diffIDs {
		ids = append(ids, id.String())
	}
	c := map[string]any{"os": p.OS, "architecture": p.Architecture, "rootfs": map[string]any{"type": "layers", "diff_ids": ids}}
	if p.Variant != "" {
		c["variant"] = p.Variant
	}
	return c
}

func platformOfText(text string) *v1.Platform {
	p, _ := spec.ParsePlatform(text)
	return &v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}
}

// image adds an image of one plain layer.
func (f *fixture) image(platform, content string) v1.Descriptor {
	layer := f.blob(types.OCIUncompressedLayer, layerTar("file", content))
	config := f.json(types.OCIConfigJSON, configFor(platform, layer.Digest))
	d := f.json(types.OCIManifestSchema1, manifestOf(types.OCIManifestSchema1, config, layer))
	d.Platform = platformOfText(platform)
	return d
}

func manifestOf(mediaType types.MediaType, config v1.Descriptor, layers ...v1.Descriptor) v1.Manifest {
	return v1.Manifest{SchemaVersion: 2, MediaType: mediaType, Config: config, Layers: append([]v1.Descriptor{}, layers...)}
}

func (f *fixture) index(manifests ...v1.Descriptor) v1.Descriptor {
	return f.json(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests})
}

// sbom adds an attestation as BuildKit attaches it.
func (f *fixture) sbom(of v1.Descriptor, statement string) v1.Descriptor {
	layer := f.blob("application/vnd.in-toto+json", []byte(statement))
	layer.Annotations = map[string]string{predicateType: spdxPredicate}
	config := f.json(types.OCIConfigJSON, configFor("unknown/unknown", layer.Digest))
	d := f.json(types.OCIManifestSchema1, manifestOf(types.OCIManifestSchema1, config, layer))
	d.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	d.Annotations = map[string]string{attestationType: attestation, attestationOf: of.Digest.String()}
	return d
}

// name lists d in index.json; name may be "".
func (f *fixture) name(name string, d v1.Descriptor) {
	d.Platform, d.Annotations = nil, nil
	if name != "" {
		d.Annotations = map[string]string{refName: name}
	}
	f.names = append(f.names, d)
}

// all returns the files, index.json among them if it is not there by hand.
func (f *fixture) all() map[string][]byte {
	all := maps.Clone(f.files)
	if all["index.json"] == nil {
		all["index.json"], _ = json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: append([]v1.Descriptor{}, f.names...)})
	}
	return all
}

func (f *fixture) dir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range f.all() {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (f *fixture) tar(t testing.TB, prefix string) string {
	t.Helper()
	all := f.all()
	var members []*tar.Header
	for _, name := range slices.Sorted(maps.Keys(all)) {
		members = append(members, file(prefix+name, all[name]))
	}
	return writeTar(t, members...)
}

// file is a member whose content stands in for its owner's name until it is written.
func file(name string, content []byte) *tar.Header {
	return &tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o644, Uname: string(content)}
}

func writeTar(t testing.TB, members ...*tar.Header) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "images.tar")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := tar.NewWriter(out)
	for _, m := range members {
		h := *m
		h.Uname = ""
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, m.Uname)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// good is a layout with an index of two platforms and an SBOM, and a manifest
// in Docker's words.
func good() *fixture {
	f := newFixture()
	amd, arm := f.image("linux/amd64", "amd"), f.image("linux/arm64/v8", "arm")
	f.name("docker.io/acme/web:v1", f.index(amd, arm, f.sbom(amd, `{"_type":"statement"}`)))
	layer := f.blob(types.DockerUncompressedLayer, layerTar("db", "db"))
	config := f.json(types.DockerConfigJSON, configFor("linux/amd64", layer.Digest))
	f.name("acme/db:v2", f.json(types.DockerManifestSchema2, manifestOf(types.DockerManifestSchema2, config, layer)))
	return f
}

func mustRef(t testing.TB, text string) spec.Ref {
	t.Helper()
	ref, err := spec.ParseRef(text, "")
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func amd64() spec.Platform { return spec.Platform{OS: "linux", Architecture: "amd64"} }

// take resolves a reference and returns its image for linux/amd64.
func take(t testing.TB, from Place, ref spec.Ref) (*Image, error) {
	t.Helper()
	d, err := from.Resolve(t.Context(), ref)
	if err != nil {
		return nil, err
	}
	return from.Image(t.Context(), Pin{Ref: ref, Digest: d.Digest, Platform: amd64()})
}

// plainError is an error's text without what differs from run to run.
func plainError(err error, path string) string {
	if err == nil {
		return ""
	}
	text := regexp.MustCompile(`sha256:[0-9a-f]{64}`).ReplaceAllString(err.Error(), "sha256:…")
	if path != "" {
		text = strings.ReplaceAll(text, path, "FILE")
	}
	return text
}

// sameError compares an error's text; a want that ends in … is its beginning.
func sameError(got, want string) bool {
	if start, ok := strings.CutSuffix(want, "…"); ok && !strings.HasSuffix(want, "sha256:…") {
		return strings.HasPrefix(got, start)
	}
	return got == want
}
