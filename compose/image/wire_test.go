package image

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// serve puts all blobs of a fixture into a repository of a registry, the
// documents among them as manifests too.
func serve(t *testing.T, f *fixture, repo string) (*registrytest.Server, *registry.Client) {
	t.Helper()
	s := registrytest.New(t)
	for _, isIndex := range []bool{false, true} { // which wants what it lists to be there
		for name, data := range f.files {
			hex, ok := strings.CutPrefix(name, "blobs/sha256/")
			if !ok {
				continue
			}
			s.PutBlob(t, repo, "sha256:"+hex, data)
			if doc, err := parseDocument(data, ""); err == nil && doc.desc.MediaType.IsIndex() == isIndex {
				s.PutManifest(t, repo, "sha256:"+hex, string(doc.desc.MediaType), data)
			}
		}
	}
	for _, d := range f.names {
		tag := tagOf(d.Annotations[refName])
		s.PutManifest(t, repo, tag, string(d.MediaType), f.files["blobs/sha256/"+d.Digest.Hex])
	}
	c, err := registry.New(registry.Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// A layer whose download breaks off is not downloaded twice, also where the
// registry knows no ranges.
func TestDownloadOverTheWire(t *testing.T) {
	content := strings.Repeat("0123456789", 1<<15)
	for name, honest := range map[string][]registrytest.Fault{"ranges": nil, "no ranges": {registrytest.NoRange()}} {
		f := newFixture()
		f.name("docker.io/acme/web:v1", f.image("linux/amd64", content))
		s, client := serve(t, f, "acme/web")
		dir := t.TempDir()
		ref := mustRef(t, s.Host+"/acme/web:v1")
		const part = 200000
		for n, faults := range [][]registrytest.Fault{{registrytest.On(registrytest.Blobs, registrytest.Cut(part))}, honest} {
			s.Fault(faults...)
			s.Forget()
			st, lease := newLease(t, dir)
			images := WithRegistry(FromStore(st, lease), NewRemote(client, lease))
			d, err := images.Resolve(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			unpacked, err := unpack(t, &named{images, ref}, st, lease, d.Digest)
			if errors.Is(err, registry.ErrIncomplete) != (n == 0) || unpacked != n {
				t.Errorf("%s: time %d: %v; %d layers unpacked", name, n, err, unpacked)
			}
			items, err := st.Items(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range items {
				if i.Kind == store.PartialKind && (n != 0 || i.Size != part) {
					t.Errorf("%s: time %d: a partial of %d bytes", name, n, i.Size)
				}
			}
		}
		asked := s.Asked("GET", "/blobs/")
		if len(asked) != 1 || !strings.HasPrefix(asked[0].Range, "bytes=200000-") {
			t.Errorf("%s: asked for %+v", name, asked)
		}
	}
}

// named gives every pin a reference.
type named struct {
	Source
	ref spec.Ref
}

func (n *named) Image(ctx context.Context, pin Pin) (*Image, error) {
	pin.Ref = n.ref
	return n.Source.Image(ctx, pin)
}

// A registry that gives other bytes than were named is found out, and nothing
// of what it gave stays.
func TestTamperingOverTheWire(t *testing.T) {
	f, good, evil := pair(t)
	for n, kind := range [...]string{"index", "manifest", "config", "layer"} {
		s, client := serve(t, f, "acme/web")
		other := f.files["blobs/sha256/"+evil[n].Digest.Hex]
		for what, raw := range map[string][]byte{
			"exchanged": other,
			"flipped":   append([]byte{f.files["blobs/sha256/"+good[n].Digest.Hex][0] ^ 1}, f.files["blobs/sha256/"+good[n].Digest.Hex][1:]...),
			"longer":    append(bytes.Clone(f.files["blobs/sha256/"+good[n].Digest.Hex]), ' '),
		} {
			s.Fault(registrytest.On(registrytest.Path("GET", good[n].Digest.Hex), registrytest.Answer(string(good[n].MediaType), raw)))
			st, lease := newLease(t, t.TempDir())
			images := &named{WithRegistry(FromStore(st, lease), NewRemote(client, lease)), mustRef(t, s.Host+"/acme/web:v1")}
			unpacked, err := unpack(t, images, st, lease, good[0].Digest)
			refused := errors.Is(err, ErrDigest) || errors.Is(err, ErrInvalid) || errors.Is(err, registry.ErrServer)
			if !refused || unpacked != 0 {
				t.Errorf("%s %s: %v; %d layers unpacked", kind, what, err, unpacked)
			}
			if _, err := lease.Blob(t.Context(), good[n].Digest); err == nil {
				t.Errorf("%s %s: it is in the cache", kind, what)
			}
		}
	}
}

// Signatures are found with a referrers API, and without one.
func TestSignaturesOverTheWire(t *testing.T) {
	f := newFixture()
	img := f.image("linux/amd64", "signed")
	f.name("docker.io/acme/web:v1", img)
	referrer := f.referrer(img.Digest, bundle(1))
	f.name("docker.io/acme/web:sha256-"+img.Digest.Hex, f.index(referrer))
	f.name("docker.io/acme/web:sha256-"+img.Digest.Hex+".sig", f.legacy(`{"payload":1}`))
	s, client := serve(t, f, "acme/web")
	remote := NewRemote(client, nil)
	for _, faults := range [][]registrytest.Fault{nil, {registrytest.NoReferrers()}} {
		s.Fault(faults...)
		got, err := remote.Signatures(t.Context(), mustRef(t, s.Host+"/acme/web:v1"), img.Digest)
		want := inOrder([]spec.Signature{bundleSignature(1), legacySignatureOf(`{"payload":1}`)})
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("error %v; signatures (-want +got):\n%s", err, d)
		}
	}
	if got, err := remote.Signatures(t.Context(), mustRef(t, s.Host+"/acme/none:v1"), img.Digest); err != nil || got != nil {
		t.Errorf("an image that is not signed: %v, %v", got, err)
	}
	s.Fault(registrytest.Status(500, "no"))
	if got, err := remote.Signatures(t.Context(), mustRef(t, s.Host+"/acme/web:v1"), img.Digest); !errors.Is(err, registry.ErrServer) {
		t.Errorf("a registry that fails: %v, %v", got, err)
	}
}
