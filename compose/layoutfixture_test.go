package compose_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/composeos/compose/compose/image"
)

// The media types of the fixture: an image of OCI's and one of Docker's.
const (
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	ociConfig      = "application/vnd.oci.image.config.v1+json"
	ociLayer       = "application/vnd.oci.image.layer.v1.tar"
	ociIndex       = "application/vnd.oci.image.index.v1+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar"
)

// layoutFixture is an image layout that is written by hand, so that its bytes
// are the same wherever the tests run.
type layoutFixture struct {
	t   *testing.T
	dir string
}

// written is a blob of it.
type written struct{ mediaType, digest, diffID, rest string }

// String returns the blob's descriptor.
func (w written) String() string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q%s}`, w.mediaType, w.digest, w.rest)
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// path is where a blob lies.
func (f *layoutFixture) path(digest string) string {
	return filepath.Join(f.dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
}

func (f *layoutFixture) file(path string, data []byte) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *layoutFixture) blob(mediaType string, data []byte) written {
	f.t.Helper()
	w := written{mediaType: mediaType, digest: digestOf(data), rest: fmt.Sprintf(`,"size":%d`, len(data))}
	w.diffID = w.digest
	f.file(f.path(w.digest), data)
	return w
}

// layer is a layer with those entries, as rootfstest reads them.
func (f *layoutFixture) layer(mediaType, text string) written {
	r, err := layerOf(f.t, text).Uncompressed()
	if err != nil {
		f.t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		f.t.Fatal(err)
	}
	if !strings.HasSuffix(mediaType, "gzip") {
		return f.blob(mediaType, plain)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		f.t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		f.t.Fatal(err)
	}
	w := f.blob(mediaType, b.Bytes())
	w.diffID = digestOf(plain)
	return w
}

// manifest is the image of a platform ("amd64", "arm64/v8"), said to be for it.
func (f *layoutFixture) manifest(mediaType, configType, platform string, layers ...written) written {
	arch, variant, _ := strings.Cut(platform, "/")
	said := fmt.Sprintf(`"architecture":%q,"os":"linux"`, arch)
	if variant != "" {
		said += fmt.Sprintf(`,"variant":%q`, variant)
	}
	var ids, descs []string
	for _, l := range layers {
		ids = append(ids, fmt.Sprintf("%q", l.diffID))
		descs = append(descs, l.String())
	}
	config := f.blob(configType, fmt.Appendf(nil, `{%s,"created":"2024-01-02T03:04:05Z","rootfs":{"type":"layers","diff_ids":[%s]}}`, said, strings.Join(ids, ",")))
	m := f.blob(mediaType, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, mediaType, config, strings.Join(descs, ",")))
	m.rest += fmt.Sprintf(`,"platform":{%s}`, said)
	return m
}

// index is an index of those manifests.
func (f *layoutFixture) index(manifests ...written) []byte {
	var descs []string
	for _, m := range manifests {
		descs = append(descs, m.String())
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, ociIndex, strings.Join(descs, ","))
}

// app are the parts of the image that newApp makes.
type app struct {
	layoutFixture
	amd64, arm64, base written
}

// newApp makes a layout in dir with the image docker.io/acme/app:1: for amd64 and
// arm64, which share a compressed layer; for s390x, of which nothing is there;
// and with an attestation where that is said.
func newApp(t *testing.T, dir string, attested bool) *app {
	t.Helper()
	a := &app{layoutFixture: layoutFixture{t, dir}}
	a.base = a.layer(ociLayer+"+gzip", "file etc/base shared\nfile etc/more"+strings.Repeat("x", 80))
	a.amd64 = a.manifest(ociManifest, ociConfig, "amd64", a.base, a.layer(ociLayer+"+gzip", "file bin/app for-amd64"))
	base := a.base
	base.mediaType = dockerLayer + ".gzip"
	a.arm64 = a.manifest(dockerManifest, dockerConfig, "arm64/v8", base, a.layer(dockerLayer, "file bin/app for-arm64"), base)
	gone := written{mediaType: ociManifest, digest: digestOf([]byte("gone")), rest: `,"size":4,"platform":{"architecture":"s390x","os":"linux"}`}
	manifests := []written{a.arm64, gone, a.amd64}
	if attested {
		statement := a.blob("application/vnd.in-toto+json", []byte(`{"_type":"statement"}`))
		attestation := a.blob(ociManifest, fmt.Appendf(nil, `{"schemaVersion":2,"config":%s,"layers":[%s]}`, a.blob(ociConfig, []byte("{}")), statement))
		attestation.rest += fmt.Sprintf(`,"platform":{"architecture":"unknown","os":"unknown"},"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q}`, a.amd64.digest)
		manifests = append(manifests, attestation)
	}
	top := a.blob(ociIndex, a.index(manifests...))
	top.rest += `,"annotations":{"io.containerd.image.name":"docker.io/acme/app:1"}`
	a.file(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
	a.file(filepath.Join(dir, "index.json"), a.index(top))
	return a
}

// imported is a workshop with that image in its cache, and nowhere else.
func imported(t *testing.T) (*workshop, *app) {
	t.Helper()
	w := newWorkshop(t, nil)
	a := newApp(t, filepath.Join(w.dir, "app"), true)
	stored := image.FromStore(w.store, w.lease)
	if _, err := image.Import(t.Context(), stored, a.dir, image.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	w.images = stored
	return w, a
}

// local is a workshop with that image in the layout "app" beside the manifest.
func local(t *testing.T, attested bool) (*workshop, *app) {
	t.Helper()
	w := newWorkshop(t, nil)
	a := newApp(t, filepath.Join(w.dir, "app"), attested)
	places := image.NewByTransport(w.place)
	t.Cleanup(func() { _ = places.Close() })
	w.images = places
	return w, a
}
