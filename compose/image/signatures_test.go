package image

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/spec"
)

// list lists d in index.json as it is.
func (f *fixture) list(d v1.Descriptor, tag string) {
	if tag != "" {
		d.Annotations = map[string]string{refName: tag}
	}
	f.names = append(f.names, d)
}

// signed is a fixture with an index whose image has two bundles and an older
// signature, and the index one bundle more. How they are attached says attach.
func signed(attach func(f *fixture, subject v1.Hash, referrer v1.Descriptor), legacy func(f *fixture, tag string, d v1.Descriptor)) (f *fixture, digests []v1.Hash, want []spec.Signature) {
	f = newFixture()
	img := f.image("linux/amd64", "signed")
	index := f.index(img)
	f.name("docker.io/acme/web:v1", index)
	attach(f, img.Digest, f.referrer(img.Digest, bundle(1), bundle(2)))
	attach(f, index.Digest, f.referrer(index.Digest, bundle(3)))
	legacy(f, "sha256-"+img.Digest.Hex+".sig", f.legacy(`{"payload":1}`))
	of := map[v1.Hash][]spec.Signature{
		img.Digest:   {bundleSignature(1), bundleSignature(2), legacySignatureOf(`{"payload":1}`)},
		index.Digest: {bundleSignature(3)},
	}
	digests = []v1.Hash{index.Digest, img.Digest}
	for _, d := range distinct(digests) {
		slices.SortFunc(of[d], func(a, b spec.Signature) int { return strings.Compare(string(a.Digest()), string(b.Digest())) })
		want = append(want, of[d]...)
	}
	return f, append(digests, index.Digest), want
}

func bundleSignature(n int) spec.Signature {
	return spec.Signature{Format: spec.FormatBundle, Bundle: bundle(n)}
}

func legacySignatureOf(payload string) spec.Signature {
	return spec.Signature{
		Format: spec.FormatLegacy, Payload: base64.StdEncoding.EncodeToString([]byte(payload)), Signature: "sig of " + payload,
		Certificate: "certificate", Chain: "chain", Rekor: "rekor", Timestamp: "timestamp",
	}
}

func checkSignatures(t *testing.T, from Signatures, ref string, digests []v1.Hash, want []spec.Signature) {
	t.Helper()
	got, err := from.Signatures(t.Context(), mustRef(t, ref), digests...)
	if err != nil && !errors.Is(err, errDeaf) {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("signatures (-want +got):\n%s", d)
	}
}

func listed2(f *fixture, _ v1.Hash, d v1.Descriptor) { f.list(d, "") }

func TestSignaturesInRegistry(t *testing.T) {
	referring := map[v1.Hash][]v1.Descriptor{}
	tags := map[string]v1.Descriptor{}
	f, digests, want := signed(
		func(_ *fixture, subject v1.Hash, d v1.Descriptor) { referring[subject] = append(referring[subject], d) },
		func(_ *fixture, tag string, d v1.Descriptor) { tags[tag] = d })
	r := newRegistry(f)
	r.referring = referring
	maps.Copy(r.tags, tags)
	_, lease := newLease(t, t.TempDir())
	remote := NewRemote(r, lease)
	checkSignatures(t, remote, "acme/web:v1", digests, want)
	m := newMemory()
	checkSignatures(t, NewByTransport(WithRegistry(m.cache(), remote)), "acme/web:v1", digests, want)
	checkSignatures(t, NewByTransport(m.cache()), "acme/web:v1", digests, nil) // offline
	if len(m.blobs)+len(m.notes) > 0 {
		t.Error("signatures of a registry were kept")
	}
	r.failing = registry.ErrServer
	if got, err := remote.Signatures(t.Context(), spec.Ref{}, digests...); !errors.Is(err, registry.ErrServer) || got != nil {
		t.Errorf("a registry that fails: %v, %v", got, err)
	}
	r.failing = registry.ErrNotFound // of the whole repository
	if _, err := remote.Signatures(t.Context(), spec.Ref{}, digests...); !errors.Is(err, ErrNotFound) {
		t.Errorf("a repository that is not there: %v", err)
	}
	if _, err := remote.Signatures(t.Context(), spec.Ref{}, v1.Hash{Algorithm: "md5"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("another digest: %v", err)
	}
}

func TestSignaturesInLayout(t *testing.T) {
	tagged := func(f *fixture, tag string, d v1.Descriptor) { f.list(d, tag) }
	for name, tt := range map[string]struct {
		attach func(f *fixture, subject v1.Hash, d v1.Descriptor)
		legacy func(f *fixture, tag string, d v1.Descriptor)
	}{
		"listed": {listed2, tagged},
		"listed with its type": {func(f *fixture, _ v1.Hash, d v1.Descriptor) {
			d.ArtifactType = "application/vnd.dev.sigstore.bundle.v0.3+json"
			f.list(d, "")
		}, tagged},
		"index under a tag": {func(f *fixture, subject v1.Hash, d v1.Descriptor) {
			f.list(f.index(d), "sha256-"+subject.Hex)
		}, tagged},
		"whole names": {func(f *fixture, subject v1.Hash, d v1.Descriptor) {
			f.list(f.index(d), "docker.io/acme/web:sha256-"+subject.Hex)
		}, func(f *fixture, tag string, d v1.Descriptor) { f.list(d, "docker.io/acme/web:"+tag) }},
		"as cosign saves": {listed2, func(f *fixture, _ string, d v1.Descriptor) {
			d.Annotations = map[string]string{cosignKind: cosignSignatures}
			f.list(d, "")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f, digests, want := signed(tt.attach, tt.legacy)
			if name == "as cosign saves" {
				digests = digests[1:2] // which says not of what they are
				want = slices.DeleteFunc(want, func(s spec.Signature) bool { return s == bundleSignature(3) })
			}
			dir := f.dir(t)
			images := NewByTransport(newMemory().cache())
			defer images.Close()
			checkSignatures(t, images, "oci:"+dir+":v1", digests, want)
			// Signatures are not images: there is one.
			if d, err := images.Resolve(t.Context(), mustRef(t, "oci:"+dir)); err != nil || d.Digest != f.names[0].Digest {
				t.Errorf("the only image: %v, %v", d, err)
			}
			_, lease := newLease(t, t.TempDir())
			st, _ := newLease(t, t.TempDir())
			cache := FromStore(st, lease)
			got, err := Import(t.Context(), cache, dir, ImportOptions{})
			if err != nil || len(got) != 1 {
				t.Fatalf("imported %v, %v", got, err)
			}
			checkSignatures(t, cache, "acme/web:v1", digests, want)
			checkSignatures(t, NewByTransport(WithRegistry(cache, NewRemote(deaf{}, nil))), "acme/web:v1", digests, want)
		})
	}
}

// deaf is registries that do not answer.
type deaf struct{ Registry }

var errDeaf = errors.New("no answer")

func (deaf) Referrers(context.Context, string, v1.Hash) ([]v1.Descriptor, error) { return nil, errDeaf }

func (deaf) Tag(context.Context, string, string) ([]byte, v1.Descriptor, error) {
	return nil, v1.Descriptor{}, errDeaf
}

func TestNoSignatures(t *testing.T) {
	archive := saved(t, "", file("b/layer.tar", layerTar("base", "base")))
	images := NewByTransport(newMemory().cache())
	defer images.Close()
	d := describeBytes("", nil).Digest
	checkSignatures(t, images, "docker-archive:"+archive, []v1.Hash{d}, nil)
	checkSignatures(t, images, "acme/web:v1", []v1.Hash{d}, nil)
	checkSignatures(t, images, "oci:"+good().dir(t), []v1.Hash{d}, nil)
	if _, err := images.Signatures(t.Context(), mustRef(t, "oci:/none"), d); !errors.Is(err, ErrNotFound) {
		t.Errorf("a layout that is not there: %v", err)
	}
}

// Whoever may write to a repository can attach what they like. It is passed
// over, and what is right beside it is found.
func TestMalformedSignatures(t *testing.T) {
	f := newFixture()
	img := f.image("linux/amd64", "signed")
	f.name("docker.io/acme/web:v1", img)
	r := newRegistry(f)
	broken := f.referrer(img.Digest, bundle(1))
	f.change(broken.Digest, func(b []byte) []byte { return b[1:] })
	lost := f.referrer(img.Digest, bundle(9))
	lostBundle := f.manifest(lost).Layers[0]
	delete(f.files, "blobs/sha256/"+lostBundle.Digest.Hex)
	huge := f.referrer(img.Digest, `"`+strings.Repeat("x", spec.MaxSignature)+`"`)
	lying := f.referrer(img.Digest, bundle(8)) // of another size than it says
	other := f.referrer(describeBytes("", []byte("other")).Digest, bundle(7))
	none := f.referrer(img.Digest, bundle(6))
	m := f.manifest(none)
	m.Subject = nil
	r.referring[img.Digest] = []v1.Descriptor{
		broken, lost, huge, other, f.json(types.OCIManifestSchema1, m), f.index(img), img,
		describeBytes(types.OCIManifestSchema1, []byte("not there")),
		f.referrer(img.Digest, "\xff", "{", `{"a":1,"a":2}`, "", bundle(5)),
		f.blob(types.OCIManifestSchema1, []byte("[]")),
		{MediaType: types.OCIManifestSchema1, Digest: lying.Digest, Size: lying.Size + 1},
		{MediaType: types.OCIManifestSchema1, Digest: v1.Hash{Algorithm: "md5", Hex: "00"}},
		{MediaType: types.OCIManifestSchema1, Digest: huge.Digest, Size: maxDocument + 1},
	}
	legacy := f.manifest(f.legacy("no JSON", `{"payload":1}`, `{"payload":2}`, `"`+strings.Repeat("x", spec.MaxSignature-2)+`"`))
	legacy.Layers[1].Annotations = nil
	r.tags["sha256-"+img.Digest.Hex+".sig"] = f.json(types.OCIManifestSchema1, legacy)
	_, lease := newLease(t, t.TempDir())
	want := []spec.Signature{bundleSignature(5), legacySignatureOf(`{"payload":2}`)}
	slices.SortFunc(want, func(a, b spec.Signature) int { return strings.Compare(string(a.Digest()), string(b.Digest())) })
	checkSignatures(t, NewRemote(r, lease), "acme/web:v1", []v1.Hash{img.Digest}, want)
	r.tags["sha256-"+img.Digest.Hex+".sig"] = f.index(img)
	checkSignatures(t, NewRemote(r, lease), "acme/web:v1", []v1.Hash{img.Digest}, []spec.Signature{bundleSignature(5)})
}

func TestSignatureLimits(t *testing.T) {
	f := newFixture()
	img := f.image("linux/amd64", "signed")
	f.name("docker.io/acme/web:v1", img)
	r := newRegistry(f)
	for n := range 2 * maxReferrers {
		r.referring[img.Digest] = append(r.referring[img.Digest], f.referrer(img.Digest, bundle(2*n), bundle(2*n+1)))
	}
	_, lease := newLease(t, t.TempDir())
	got, err := NewRemote(r, lease).Signatures(t.Context(), spec.Ref{}, img.Digest)
	if !errors.Is(err, errTooMany) || len(got) != maxSignatures {
		t.Errorf("%d signatures, %v", len(got), err)
	}
	if asked := r.requests(); len(asked) > 2+maxReferrers+maxSignatures {
		t.Errorf("%d requests", len(asked))
	}
	r.referring[img.Digest] = slices.Repeat(r.referring[img.Digest][:1], 5)
	if got, err := NewRemote(r, lease).Signatures(t.Context(), spec.Ref{}, img.Digest); err != nil || len(got) != 2 {
		t.Errorf("one that is listed five times: %d signatures, %v", len(got), err)
	}
}

// What says that it is a bundle is looked at first, and one manifest that a registry
// does not give keeps nobody from the others.
func TestSignatureAmongOthers(t *testing.T) {
	f := newFixture()
	img := f.image("linux/amd64", "signed")
	r := newRegistry(f)
	for n := range 2 * maxReferrers {
		d := img
		d.Digest.Hex = fmt.Sprintf("%064x", n)
		r.referring[img.Digest] = append(r.referring[img.Digest], d)
	}
	good := f.referrer(img.Digest, bundle(1))
	good.ArtifactType = spec.BundleType
	r.referring[img.Digest] = append(r.referring[img.Digest], good)
	_, lease := newLease(t, t.TempDir())
	got, err := NewRemote(r, lease).Signatures(t.Context(), spec.Ref{}, img.Digest)
	if !errors.Is(err, errTooMany) || len(got) != 1 {
		t.Errorf("%d signatures, %v", len(got), err)
	}
}

// What is kept of an import is what fits, and can be read back.
func TestKeptSignaturesFit(t *testing.T) {
	f := newFixture()
	img := f.image("linux/amd64", "signed")
	f.name("docker.io/acme/web:v1", img)
	for n := range 4 {
		f.list(f.referrer(img.Digest, fmt.Sprintf("[%d,%q]", n, strings.Repeat("x", spec.MaxSignature-13))), "")
	}
	f.list(f.referrer(img.Digest, bundle(1)), "")
	_, lease := newLease(t, t.TempDir())
	st, _ := newLease(t, t.TempDir())
	cache := FromStore(st, lease)
	if _, err := Import(t.Context(), cache, f.dir(t), ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := cache.Signatures(t.Context(), spec.Ref{}, img.Digest)
	if err != nil || len(got) != 2 || !slices.Contains(got, bundleSignature(1)) {
		t.Errorf("%d signatures, %v", len(got), err)
	}
	if err := st.SetNote("signature", img.Digest.String(), []byte("{")); err != nil {
		t.Fatal(err)
	}
	checkSignatures(t, cache, "acme/web:v1", []v1.Hash{img.Digest}, nil)
}

// FuzzSignature holds that what is taken for a signature can stand in a lock.
func FuzzSignature(f *testing.F) {
	f.Add([]byte(bundle(1)), "c2ln")
	f.Add([]byte(`{"critical":{"image":{"docker-manifest-digest":"sha256:00"}}}`), "-----BEGIN CERTIFICATE-----\n")
	f.Add([]byte("\xff{"), "\xff\x00")
	f.Add([]byte(`{"a":1,"A":2,"a":3}`), "\u2028")
	f.Fuzz(func(t *testing.T, raw []byte, annotation string) {
		annotations := map[string]string{spec.LegacySignature: annotation, spec.LegacyCertificate: annotation}
		data, err := json.Marshal(annotations)
		if err == nil {
			err = json.Unmarshal(data, &annotations) // as they are read
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, read := range []func([]byte, map[string]string) (spec.Signature, error){bundleOf, legacyOf} {
			s, err := read(raw, annotations)
			if err != nil && !errors.Is(err, ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
			if err == nil && s.Digest() == "" {
				t.Errorf("%q has no digest", s)
			}
		}
	})
}
