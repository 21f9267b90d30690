package registry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
)

func upload(raw []byte) registry.Upload {
	return registry.Upload{Desc: descOf(raw), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }}
}

func manifest(t *testing.T, v any, mediaType types.MediaType) registry.Manifest {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return registry.Manifest{MediaType: mediaType, Raw: raw}
}

// anIndex is an index of one image with two layers, one of them twice.
func anIndex(t *testing.T) registry.Content {
	t.Helper()
	config, a, b := []byte(`{}`), fixedBytes(300), fixedBytes(5000)
	image := manifest(t, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: descOf(config),
		Layers: []v1.Descriptor{descOf(a), descOf(b), descOf(a)},
	}, types.OCIManifestSchema1)
	child := descOf(image.Raw)
	child.MediaType = image.MediaType
	index := manifest(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{child}}, types.OCIImageIndex)
	return registry.Content{
		Blobs:     []registry.Upload{upload(config), upload(a), upload(b), upload(a)},
		Manifests: []registry.Manifest{image, index},
	}
}

// aReferrer is a manifest with a subject.
func aReferrer(t *testing.T, subject v1.Hash, note string) registry.Manifest {
	t.Helper()
	return manifest(t, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: descOf([]byte(`{}`)), Layers: []v1.Descriptor{},
		Subject: &v1.Descriptor{MediaType: types.OCIImageIndex, Digest: subject, Size: 5}, ArtifactType: "test/" + note,
		Annotations: map[string]string{"note": note},
	}, types.OCIManifestSchema1)
}

// puts returns what was put, in order.
func puts(s *registrytest.Server) (paths []string) {
	for _, r := range s.Asked("PUT", "") {
		paths = append(paths, r.Path)
	}
	return paths
}

// TestPush pushes an index: the tag goes last, what is there is not sent again, and what
// was pushed comes back as it is.
func TestPush(t *testing.T) {
	s := registrytest.New(t)
	s.Fault(registrytest.Bearer("a", secret))
	var bytesSent, ended atomic.Int64
	c := client(t, registry.Options{
		Keychain: keychain{s.Host: authn.AuthConfig{Username: "a", Password: secret}},
		Progress: func(string, int64) (func(int64), func()) {
			return func(n int64) { bytesSent.Add(n) }, func() { ended.Add(1) }
		},
	})
	content := anIndex(t)
	content.Referrers = []registry.Manifest{aReferrer(t, descOf(content.Manifests[1].Raw).Digest, "x")}
	name := ref(t, s.Host+"/"+repo+":v1")
	desc, err := c.Push(t.Context(), name, content)
	if err != nil || desc.Digest != descOf(content.Manifests[1].Raw).Digest || desc.MediaType != types.OCIImageIndex {
		t.Fatalf("%+v, %v", desc, err)
	}
	paths := puts(s)
	if len(paths) != 3+3+1 || !strings.HasSuffix(paths[6], "/manifests/v1") {
		t.Errorf("put in this order: %v", paths)
	}
	if bytesSent.Load() != 5302 || ended.Load() != 3 {
		t.Errorf("%d bytes, %d uploads", bytesSent.Load(), ended.Load())
	}
	back, err := c.Resolve(t.Context(), name)
	if err != nil || back.Digest != desc.Digest {
		t.Errorf("%+v, %v", back, err)
	}
	for _, b := range content.Blobs {
		if raw, err := fetch(t, c, name.Name, b.Desc); err != nil || descOf(raw).Digest != b.Desc.Digest {
			t.Errorf("blob %s: %d bytes, %v", b.Desc.Digest, len(raw), err)
		}
	}
	found, err := c.Referrers(t.Context(), name.Name, desc.Digest)
	if err != nil || len(found) != 1 || s.HasManifest(t, repo, "sha256-"+desc.Digest.Hex) {
		t.Errorf("referrers: %v, %v", found, err)
	}
	s.Forget()
	if _, err := c.Push(t.Context(), name, content); err != nil || len(s.Asked("", "/blobs/uploads/")) != 0 {
		t.Errorf("again: %v, %v", err, s.Asked("", "/blobs/uploads/"))
	}
}

// TestPushFaults pushes to registries that behave badly: it is all there, or there is
// no tag.
func TestPushFaults(t *testing.T) {
	path := registrytest.Path
	for name, test := range map[string]struct {
		fault registrytest.Fault
		want  error
		words string
	}{
		"post fails":         {registrytest.On(path("POST", ""), registrytest.First(2, registrytest.Status(503, "oh"))), nil, ""},
		"put fails":          {registrytest.On(path("PUT", "/blobs/"), registrytest.First(3, registrytest.Status(500, "oh"))), nil, ""},
		"put is cut":         {registrytest.On(path("PUT", ""), registrytest.First(3, registrytest.Cut(-1))), nil, ""},
		"head fails":         {registrytest.On(path("HEAD", ""), registrytest.First(3, registrytest.Cut(-1))), nil, ""},
		"manifest fails":     {registrytest.On(path("PUT", "/manifests/"), registrytest.First(3, registrytest.Status(502, "oh"))), nil, ""},
		"put fails always":   {registrytest.On(path("PUT", "/blobs/"), registrytest.Status(500, "oh")), registry.ErrServer, "500 Internal Server Error: oh"},
		"post denied":        {registrytest.On(path("POST", ""), registrytest.Status(403, "not you")), registry.ErrUnauthorized, "403 Forbidden (anonymous): not you"},
		"too many":           {registrytest.On(path("POST", ""), registrytest.Status(429, "slowly")), registry.ErrTooMany, "slowly"},
		"manifest refused":   {registrytest.On(path("PUT", "/manifests/sha256"), registrytest.Status(400, "bad manifest")), registry.ErrServer, "bad manifest"},
		"nowhere to put":     {registrytest.On(path("POST", ""), registrytest.Header("Location", "")), registry.ErrServer, "leads nowhere"},
		"put far away":       {registrytest.On(path("POST", ""), registrytest.Header("Location", "http://far.example/x")), registry.ErrInsecure, "far.example wants plain HTTP"},
		"post is redirected": {registrytest.On(path("POST", ""), registrytest.Redirect(302, "/x")), registry.ErrServer, "302"},
	} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(t)
			s.Fault(test.fault)
			content := anIndex(t)
			_, err := client(t, registry.Options{}).Push(t.Context(), ref(t, s.Host+"/"+repo+":v1"), content)
			check(t, err, test.want, test.words)
			if has := s.HasManifest(t, repo, "v1"); has != (test.want == nil) {
				t.Errorf("has the tag: %v", has)
			}
			if n := len(s.Asked("POST", "")); n > 3*5 {
				t.Errorf("%d uploads begun", n)
			}
		})
	}
}

// TestPushElsewhere lets the registry take the bytes on another host, which gets no
// credentials; and behind a redirect that keeps the method.
func TestPushElsewhere(t *testing.T) {
	s, other := registrytest.New(t), registrytest.New(t)
	s.Fault(registrytest.Basic("a", secret), registrytest.On(registrytest.Path("POST", ""), registrytest.Header("Location", other.URL+"/v2/"+repo+"/blobs/uploads/1?state=a%2Fb")))
	other.Fault(registrytest.On(registrytest.Path("PUT", "/uploads/1?"), registrytest.Redirect(307, other.URL)), registrytest.On(first(), registrytest.Redirect(307, "")))
	c := client(t, registry.Options{Keychain: keychain{s.Host: {Username: "a", Password: secret}}})
	content := anIndex(t)
	if _, err := c.Push(t.Context(), ref(t, s.Host+"/"+repo+":v1"), content); err != nil {
		t.Fatal(err)
	}
	for _, r := range other.Requests() {
		if !strings.Contains(r.Path, "state=a%2Fb&digest=sha256:") {
			t.Errorf("put to %s", r.Path)
		}
	}
	if with := carries(other); with != nil || len(other.Asked("PUT", "")) != 4 {
		t.Errorf("credentials went to %v; %d requests", with, len(other.Asked("PUT", "")))
	}
}

// first matches once.
func first() func(*http.Request) bool {
	var n atomic.Int64
	return func(*http.Request) bool { return n.Add(1) == 1 }
}

// TestPushSource refuses what is not what its descriptor says, before it is all sent.
func TestPushSource(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, test := range map[string]struct {
		change func(*registry.Content)
		want   error
		words  string
	}{
		"shorter":         {func(c *registry.Content) { c.Blobs[1].Desc.Size++ }, registry.ErrSize, "has not 301 bytes"},
		"longer":          {func(c *registry.Content) { c.Blobs[1].Desc.Size-- }, errAny, ""},
		"other bytes":     {func(c *registry.Content) { c.Blobs[1].Desc.Digest.Hex = strings.Repeat("0", 64) }, errAny, ""},
		"unreadable":      {func(c *registry.Content) { c.Blobs[1].Open = func() (io.ReadCloser, error) { return nil, broken } }, broken, "disk on fire"},
		"bad digest":      {func(c *registry.Content) { c.Blobs[1].Desc.Digest.Hex = "../x" }, errAny, "not a digest"},
		"great manifest":  {func(c *registry.Content) { c.Manifests[1].Raw = make([]byte, registry.MaxManifest+1) }, registry.ErrSize, "at most"},
		"no subject":      {func(c *registry.Content) { c.Referrers = c.Manifests[:1] }, errAny, "no subject"},
		"no JSON":         {func(c *registry.Content) { c.Referrers = []registry.Manifest{{Raw: []byte("x")}} }, errAny, "invalid character"},
		"the wrong order": {func(c *registry.Content) { slices.Reverse(c.Manifests) }, registry.ErrNotFound, "Sub-manifest"},
	} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(t)
			content := anIndex(t)
			test.change(&content)
			_, err := client(t, registry.Options{}).Push(t.Context(), ref(t, s.Host+"/"+repo+":v1"), content)
			switch {
			case !errors.Is(test.want, errAny):
				check(t, err, test.want, test.words)
			case err == nil || !strings.Contains(err.Error(), test.words):
				t.Errorf("error: %v, want words %q", err, test.words)
			}
			if s.HasManifest(t, repo, "v1") {
				t.Error("it has the tag")
			}
		})
	}
}

// TestPushNames sets the tag that the reference has, and none where it has a digest.
func TestPushNames(t *testing.T) {
	content := anIndex(t)
	digest := descOf(content.Manifests[1].Raw).Digest
	for name, want := range map[string]string{":v2": "v2", "": "latest", "@" + digest.String(): "", ":v3@" + digest.String(): "v3"} {
		s := registrytest.New(t)
		c := client(t, registry.Options{})
		if _, err := c.Push(t.Context(), ref(t, s.Host+"/"+repo+name), content); err != nil {
			t.Fatal(err)
		}
		if last := puts(s)[len(puts(s))-1]; want != "" && !strings.HasSuffix(last, "/"+want) || want == "" && !strings.HasSuffix(last, digest.String()) {
			t.Errorf("%q: put last: %s", name, last)
		}
	}
	s := registrytest.New(t)
	_, err := client(t, registry.Options{}).Push(t.Context(), ref(t, s.Host+"/"+repo+"@sha256:"+strings.Repeat("0", 64)), content)
	check(t, err, registry.ErrDigest, digest.String())
}
