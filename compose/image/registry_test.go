package image

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// fakeRegistry is a registry that checks nothing. All repositories are one.
type fakeRegistry struct {
	*fixture
	tags      map[string]v1.Descriptor
	referring map[v1.Hash][]v1.Descriptor
	cut       int64  // bytes of a blob after which nothing comes; 0: all comes
	stuck     func() // told of that
	failing   error  // of Referrers and Tag

	mu    sync.Mutex
	asked []string
}

func newRegistry(f *fixture) *fakeRegistry {
	r := &fakeRegistry{fixture: f, tags: map[string]v1.Descriptor{}, referring: map[v1.Hash][]v1.Descriptor{}}
	for _, d := range f.names {
		r.tags[tagOf(d.Annotations[refName])] = d
	}
	return r
}

// requests returns what was asked since the last time.
func (r *fakeRegistry) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.asked = nil }()
	return r.asked
}

func (r *fakeRegistry) ask(format string, a ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, fmt.Sprintf(format, a...))
}

func (r *fakeRegistry) data(d v1.Hash) ([]byte, error) {
	data, ok := r.files["blobs/sha256/"+d.Hex]
	if !ok {
		return nil, registry.ErrNotFound
	}
	return data, nil
}

func (r *fakeRegistry) Resolve(_ context.Context, ref spec.Ref) (v1.Descriptor, error) {
	r.ask("resolve %s", ref)
	if ref.Digest != "" {
		return v1.Descriptor{Digest: mustHash(string(ref.Digest))}, nil
	}
	d, ok := r.tags[ref.Tag]
	if !ok {
		return d, fmt.Errorf("%s: %w", ref, registry.ErrNotFound)
	}
	return d, nil
}

func mustHash(text string) v1.Hash {
	h, err := v1.NewHash(text)
	if err != nil {
		panic(err)
	}
	return h
}

func (r *fakeRegistry) Tag(_ context.Context, _, tag string) ([]byte, v1.Descriptor, error) {
	r.ask("tag")
	if r.failing != nil {
		return nil, v1.Descriptor{}, r.failing
	}
	d, ok := r.tags[tag]
	if !ok {
		return nil, d, registry.ErrNotFound
	}
	raw, err := r.data(d.Digest)
	return raw, d, err
}

func (r *fakeRegistry) Manifest(_ context.Context, repo string, d v1.Hash) ([]byte, error) {
	r.ask("manifest of %s", repo)
	return r.data(d)
}

func (r *fakeRegistry) Blob(ctx context.Context, repo string, d v1.Descriptor, from int64) (io.ReadCloser, error) {
	r.ask("blob of %s from %d", repo, from)
	data, err := r.data(d.Digest)
	if err != nil {
		return nil, err
	}
	if r.cut > 0 && r.cut < int64(len(data)) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(data[from:r.cut]), stuck{ctx, r.stuck})), nil
	}
	return io.NopCloser(bytes.NewReader(data[from:])), nil
}

// stuck is a connection on which nothing comes until it is given up.
type stuck struct {
	ctx  context.Context
	told func()
}

func (s stuck) Read([]byte) (int, error) {
	s.told()
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (r *fakeRegistry) SmallBlob(_ context.Context, repo string, d v1.Descriptor) ([]byte, error) {
	r.ask("small blob of %s", repo)
	return r.data(d.Digest)
}

func (r *fakeRegistry) Referrers(_ context.Context, _ string, d v1.Hash) ([]v1.Descriptor, error) {
	r.ask("referrers")
	return r.referring[d], r.failing
}

// bundle is a sigstore bundle as far as this package looks at it.
func bundle(n int) string { return fmt.Sprintf(`{"mediaType":"…","n":%d}`, n) }

// referrer adds a manifest about a subject, with bundles.
func (f *fixture) referrer(subject v1.Hash, bundles ...string) v1.Descriptor {
	config := f.blob("application/vnd.oci.empty.v1+json", []byte("{}"))
	m := manifestOf(types.OCIManifestSchema1, config)
	for _, b := range bundles {
		m.Layers = append(m.Layers, f.blob("application/vnd.dev.sigstore.bundle.v0.3+json", []byte(b)))
	}
	m.Subject = &v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: subject, Size: 1}
	return f.json(types.OCIManifestSchema1, m)
}

// legacy adds a manifest of older signatures.
func (f *fixture) legacy(payloads ...string) v1.Descriptor {
	config := f.json(types.OCIConfigJSON, configFor("linux/amd64"))
	m := manifestOf(types.OCIManifestSchema1, config)
	for _, p := range payloads {
		d := f.blob(spec.SimpleSigningType, []byte(p))
		d.Annotations = map[string]string{
			spec.LegacySignature: "sig of " + p, spec.LegacyCertificate: "certificate", spec.LegacyChain: "chain",
			spec.LegacyRekor: "rekor", spec.LegacyTimestamp: "timestamp",
		}
		m.Layers = append(m.Layers, d)
	}
	return f.json(types.OCIManifestSchema1, m)
}

func gzipOf(t testing.TB, data []byte) []byte {
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

// newLease returns a real store and a lease of it.
func newLease(t testing.TB, dir string) (*store.Store, *store.Lease) {
	t.Helper()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lease := st.Lease()
	t.Cleanup(func() {
		if err := lease.Close(); err != nil {
			t.Error(err)
		}
	})
	return st, lease
}

// change puts other bytes where a blob should be.
func (f *fixture) change(d v1.Hash, change func([]byte) []byte) {
	name := "blobs/sha256/" + d.Hex
	f.files[name] = change(bytes.Clone(f.files[name]))
}

// manifest reads a manifest of the fixture.
func (f *fixture) manifest(d v1.Descriptor) (m v1.Manifest) {
	if err := json.Unmarshal(f.files["blobs/sha256/"+d.Digest.Hex], &m); err != nil {
		panic(err)
	}
	return m
}
