package image

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/spec"
)

// about is a manifest with a subject.
func (f *fixture) about(subject v1.Descriptor, text string) v1.Descriptor {
	m := manifestOf(types.OCIManifestSchema1, f.blob("application/vnd.oci.empty.v1+json", []byte("{}")), f.blob("text/plain", []byte(text)))
	m.Subject = &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	return f.json(types.OCIManifestSchema1, m)
}

// whole is a layout of an image with all that can be attached to it, the names of
// its parts, and another image with a signature, which has no part in it.
func whole() (f *fixture, parts map[v1.Hash]string) {
	f = newFixture()
	amd, arm := f.image("linux/amd64", "amd"), f.image("linux/arm64/v8", "arm")
	sbom := f.sbom(amd, `{"_type":"statement"}`)
	index := f.index(amd, arm, sbom)
	f.name("web:v1", index)
	bundle, ofArm := f.about(index, "bundle"), f.about(arm, "of arm")
	ofBundle := f.about(bundle, "of the bundle")
	old, att := f.image("linux/amd64", "older signature"), f.image("linux/amd64", "older attestation")
	for d, tag := range map[string]string{"sha256-" + index.Digest.Hex + ".sig": "old", "sha256-" + amd.Digest.Hex + ".att": "att"} {
		f.name(d, map[string]v1.Descriptor{"old": old, "att": att}[tag])
	}
	for _, d := range []v1.Descriptor{bundle, ofArm, ofBundle} {
		f.name("", d)
	}
	other := f.image("linux/amd64", "other")
	f.name("other:v1", other)
	f.name("", f.about(other, "of the other"))
	f.name("sha256-"+other.Digest.Hex+".sig", f.image("linux/amd64", "its older signature"))
	return f, map[v1.Hash]string{
		amd.Digest: "amd", arm.Digest: "arm", sbom.Digest: "sbom", index.Digest: "index", bundle.Digest: "bundle",
		ofArm.Digest: "of arm", ofBundle.Digest: "of the bundle", old.Digest: "old", att.Digest: "att",
	}
}

// namesOf returns the names of documents.
func namesOf(t *testing.T, docs []Document, parts map[v1.Hash]string) []string {
	t.Helper()
	names := []string{}
	for _, d := range docs {
		if got := describeBytes(d.MediaType, d.Raw); got.Digest != d.Digest || got.Size != d.Size {
			t.Errorf("%s: the bytes are of %s", parts[d.Digest], got.Digest)
		}
		names = append(names, parts[d.Digest])
	}
	return names
}

func TestWholeOfLayout(t *testing.T) {
	f, parts := whole()
	for name, path := range map[string]string{"folder": f.dir(t), "tar": f.tar(t, "./")} {
		t.Run(name, func(t *testing.T) {
			l, err := OpenLayout(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			w, err := l.Whole(t.Context(), spec.Ref{Transport: spec.OCI, Tag: "v1", Name: path})
			if err == nil {
				t.Fatalf("v1 names two images, and %s was taken", parts[w.Top.Digest])
			}
			w, err = l.Whole(t.Context(), spec.Ref{Transport: spec.OCI, Tag: "web:v1", Name: path})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"amd", "arm", "sbom", "index"}, namesOf(t, w.Manifests, parts)); diff != "" {
				t.Errorf("manifests (-want +got):\n%s", diff)
			}
			referrers := namesOf(t, w.Referrers, parts)
			if len(referrers) != 3 || slices.Index(referrers, "bundle") > slices.Index(referrers, "of the bundle") {
				t.Errorf("referrers %q, want those of arm and of index, and what is about one behind it", referrers)
			}
			tags := map[string]string{}
			for _, d := range w.Tagged {
				tags[parts[d.Digest]] = d.Tag[len(d.Tag)-4:]
			}
			if diff := cmp.Diff(map[string]string{"old": ".sig", "att": ".att"}, tags); diff != "" {
				t.Errorf("tagged (-want +got):\n%s", diff)
			}
			checkBlobs(t, w)
		})
	}
}

// TestWholeOfMany attaches more than a search for signatures looks at: all of it
// belongs to the image.
func TestWholeOfMany(t *testing.T) {
	f := newFixture()
	img := f.image("linux/amd64", "signed")
	f.name("web:v1", img)
	const many = maxReferrers + 3
	for n := range many {
		f.name("", f.referrer(img.Digest, bundle(n)))
	}
	l, err := OpenLayout(t.Context(), f.dir(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w, err := l.Whole(t.Context(), spec.Ref{Transport: spec.OCI, Tag: "web:v1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Referrers) != many {
		t.Errorf("%d of %d attachments", len(w.Referrers), many)
	}
}

// checkBlobs reads all blobs, and looks whether each is there that a manifest names.
func checkBlobs(t *testing.T, w *Whole) {
	t.Helper()
	sizes := map[v1.Hash]int64{}
	for _, d := range w.Blobs {
		r, err := w.Open(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		r.Close()
		if got := describeBytes(d.MediaType, data); err != nil || got.Digest != d.Digest {
			t.Errorf("%s: the bytes are of %s (%v)", d.Digest, got.Digest, err)
		}
		if _, twice := sizes[d.Digest]; twice {
			t.Errorf("%s is listed twice", d.Digest)
		}
		sizes[d.Digest] = d.Size
	}
	for _, doc := range slices.Concat(w.Manifests, w.Referrers, w.Tagged) {
		parsed, err := parseDocument(doc.Raw, doc.MediaType)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.manifest == nil {
			continue
		}
		for _, d := range append(parsed.manifest.Layers, parsed.manifest.Config) {
			if size, ok := sizes[d.Digest]; !ok || size != d.Size {
				t.Errorf("%s of manifest %s is not there", d.Digest, doc.Digest)
			}
		}
	}
}

func TestWholeOfCache(t *testing.T) {
	f, parts := whole()
	m := newMemory()
	for name, data := range f.files {
		if hex, ok := strings.CutPrefix(name, "blobs/sha256/"); ok {
			m.blobs[v1.Hash{Algorithm: "sha256", Hex: hex}] = data
		}
	}
	w, err := m.cache().Whole(t.Context(), spec.Ref{Name: "example.com/a", Digest: spec.Digest(f.names[0].Digest.String())})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"amd", "arm", "sbom", "index"}, namesOf(t, w.Manifests, parts)); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}
	checkBlobs(t, w)
	if len(w.Referrers)+len(w.Tagged) > 0 {
		t.Errorf("the cache attaches %v %v", w.Referrers, w.Tagged)
	}
}

// TestWholeIsWhole takes each file of the image away in turn, and damages each.
func TestWholeIsWhole(t *testing.T) {
	f, _ := whole()
	open := func(f *fixture) (*Whole, error) {
		l, err := OpenLayout(t.Context(), f.dir(t))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Whole(t.Context(), spec.Ref{Transport: spec.OCI, Tag: "web:v1"})
	}
	good, err := open(f)
	if err != nil {
		t.Fatal(err)
	}
	needed := slices.Clone(good.Blobs)
	for _, d := range slices.Concat(good.Manifests, good.Tagged) {
		needed = append(needed, d.Descriptor)
	}
	for _, d := range needed {
		name := "blobs/sha256/" + d.Digest.Hex
		lacking := &fixture{files: maps.Clone(f.files), names: f.names}
		delete(lacking.files, name)
		if _, err := open(lacking); !errors.Is(err, ErrNotFound) {
			t.Errorf("without %s %s: %v, want %v", d.MediaType, d.Digest, err, ErrNotFound)
		}
		longer := &fixture{files: maps.Clone(f.files), names: f.names}
		longer.files[name] = append(slices.Clone(longer.files[name]), ' ')
		if _, err := open(longer); !errors.Is(err, ErrDigest) {
			t.Errorf("%s %s with a byte more: %v, want %v", d.MediaType, d.Digest, err, ErrDigest)
		}
	}
}

// TestWholeRefuses has an index that is too deep.
func TestWholeRefuses(t *testing.T) {
	f := newFixture()
	d := f.image("linux/amd64", "amd")
	for range maxLevels + 1 {
		d = f.index(d)
	}
	f.name("web:v1", d)
	l, err := OpenLayout(t.Context(), f.dir(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Whole(t.Context(), spec.Ref{Transport: spec.OCI}); !errors.Is(err, ErrInvalid) {
		t.Errorf("%d indexes in each other: %v, want %v", maxLevels+1, err, ErrInvalid)
	}
}
