package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
	"github.com/composeos/compose/spec"
)

// aManifest is a manifest of some size.
func aManifest(size int) []byte {
	head := `{"schemaVersion":2,"mediaType":"` + string(types.OCIManifestSchema1) + `","x":"`
	return []byte(head + strings.Repeat("x", size-len(head)-2) + `"}`)
}

func TestResolve(t *testing.T) {
	s := registrytest.New(t)
	a := registrytest.Image(t, "linux/amd64", map[string]string{"etc/a": "a\n"})
	b := registrytest.Image(t, "linux/arm64", map[string]string{"etc/a": "b\n"})
	one := s.PushImage(t, repo, "one", a)
	both := s.PushIndex(t, repo, "both", registrytest.Index(t, a, b))
	c := client(t, registry.Options{UserAgent: "test/1"})
	for name, want := range map[string]v1.Descriptor{
		":one":                {MediaType: types.OCIManifestSchema1, Digest: one},
		":both":               {MediaType: types.OCIImageIndex, Digest: both},
		"@" + both.String():   {MediaType: types.OCIImageIndex, Digest: both},
		":no@" + one.String(): {MediaType: types.OCIManifestSchema1, Digest: one},
	} {
		got, err := c.Resolve(t.Context(), ref(t, s.Host+"/"+repo+name))
		want.Size = int64(len(s.GetManifest(t, repo, want.Digest.String())))
		if err != nil || got.Digest != want.Digest || got.MediaType != want.MediaType || got.Size != want.Size {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	for _, r := range s.Requests() {
		if r.UserAgent != "test/1" {
			t.Errorf("%s %s says %q", r.Method, r.Path, r.UserAgent)
		}
	}
	if n := len(s.Asked("GET", "/v2/")) - len(s.Asked("GET", "/manifests/")); n != 1 {
		t.Errorf("%d handshakes for one repository", n)
	}
	for _, local := range []spec.Ref{{Transport: spec.OCI, Name: "x"}, {Name: "nohost", Tag: "a"}, {Name: s.Host + "/" + repo, Tag: "../x"}, {Name: s.Host + "/" + repo, Digest: "sha256:x"}} {
		if d, err := c.Resolve(t.Context(), local); err == nil {
			t.Errorf("%v: %v", local, d)
		}
	}
}

// TestManifestBad fetches a manifest of 300 bytes by tag and by digest from registries
// that behave badly.
func TestManifestBad(t *testing.T) {
	raw := aManifest(300)
	other := aManifest(301)
	great := aManifest(registry.MaxManifest + 1)
	d := descOf(raw).Digest
	on := func(f registrytest.Fault) registrytest.Fault { return registrytest.On(registrytest.Manifests, f) }
	for name, test := range map[string]struct {
		fault     registrytest.Fault
		byTag     error
		byDigest  error
		words     string
		most      int
		otherwise bool // the tag's bytes are others
	}{
		"good":                 {on(registrytest.Drip()), nil, nil, "", 1, false},
		"cut once":             {on(registrytest.First(1, registrytest.Cut(100))), nil, nil, "", 2, false},
		"cut":                  {on(registrytest.Cut(100)), registry.ErrIncomplete, registry.ErrIncomplete, "EOF", 5, false},
		"stalls":               {on(registrytest.Stall(100)), registry.ErrIncomplete, registry.ErrIncomplete, "only 100 bytes came in 50ms", 5, false},
		"a header's digest":    {on(registrytest.Header("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))), nil, nil, "", 1, false},
		"other bytes":          {on(registrytest.Answer(string(types.OCIManifestSchema1), other)), nil, registry.ErrDigest, "sends sha256:", 1, true},
		"greatest":             {on(registrytest.Answer("x/y", great[1:])), registry.ErrServer, registry.ErrServer, "not JSON", 1, false},
		"too great":            {on(registrytest.Answer("x/y", great)), registry.ErrSize, registry.ErrSize, "4194305 bytes, at most 4194304", 1, false},
		"too great, chunked":   {on(registrytest.Long(registry.MaxManifest)), registry.ErrSize, registry.ErrSize, "more than 4194304", 1, false},
		"endless":              {on(registrytest.Long(-1)), registry.ErrSize, registry.ErrSize, "more than 4194304", 1, false},
		"no JSON":              {on(registrytest.Answer("text/html", []byte("<html>"))), registry.ErrServer, registry.ErrServer, "not JSON", 1, false},
		"401":                  {on(registrytest.Status(401, "a\x1b[31mb\nc")), registry.ErrUnauthorized, registry.ErrUnauthorized, "(anonymous): a [31mb c", 1, false},
		"403":                  {on(registrytest.Status(403, strings.Repeat("ä", 500))), registry.ErrUnauthorized, registry.ErrUnauthorized, "ää…", 1, false},
		"404":                  {on(registrytest.Status(404, "manifest unknown")), registry.ErrNotFound, registry.ErrNotFound, "404 Not Found: manifest unknown", 1, false},
		"429":                  {on(registrytest.Status(429, "slowly")), registry.ErrTooMany, registry.ErrTooMany, "429 Too Many Requests: slowly", 5, false},
		"500 at the handshake": {registrytest.On(isPing, registrytest.Status(500, "oh")), registry.ErrServer, registry.ErrServer, "500 Internal Server Error: oh", 0, false},
		"404 at the handshake": {registrytest.On(isPing, registrytest.Status(404, "no registry")), registry.ErrNotFound, registry.ErrNotFound, "no registry", 0, false},
		"no words":             {on(registrytest.Answer("text/html", nil)), registry.ErrServer, registry.ErrServer, "", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			s.PutManifest(t, repo, "v1", string(types.OCIManifestSchema1), raw)
			s.Fault(test.fault)
			c := client(t, registry.Options{Stall: stallOf(name)})
			got, desc, err := c.Tag(t.Context(), s.Host+"/"+repo, "v1")
			check(t, err, test.byTag, test.words)
			if err == nil && (desc.MediaType != types.OCIManifestSchema1 || desc.Size != int64(len(got)) || desc.Digest != descOf(got).Digest || bytes.Equal(got, raw) == test.otherwise) {
				t.Errorf("tag: %d bytes, %+v", len(got), desc)
			}
			if n := len(s.Asked("GET", "/manifests/")); n > test.most {
				t.Errorf("asked %d times, at most %d", n, test.most)
			}
			got, err = c.Manifest(t.Context(), s.Host+"/"+repo, d)
			check(t, err, test.byDigest, test.words)
			if test.byDigest == nil && !bytes.Equal(got, raw) {
				t.Errorf("digest: %d bytes", len(got))
			}
		})
	}
}

func isPing(r *http.Request) bool { return r.URL.Path == "/v2/" }

func TestSmallBlob(t *testing.T) {
	s := registrytest.New(t)
	raw, d := putBlob(t, s, 300)
	c := client(t, registry.Options{})
	for name, test := range map[string]struct {
		fault registrytest.Fault
		want  error
	}{
		"good":        {registrytest.Drip(), nil},
		"other bytes": {registrytest.Answer("x/y", fixedBytes(301)[1:]), registry.ErrDigest},
		"cut once":    {registrytest.First(1, registrytest.Cut(299)), nil},
		"short":       {registrytest.Short(299), registry.ErrIncomplete},
		"long":        {registrytest.Long(1), registry.ErrSize},
		"announced":   {registrytest.Answer("x/y", fixedBytes(299)), registry.ErrSize},
	} {
		s.Fault(registrytest.On(registrytest.Blobs, test.fault))
		got, err := c.SmallBlob(t.Context(), s.Host+"/"+repo, d)
		t.Run(name, func(t *testing.T) {
			check(t, err, test.want, "")
			if test.want == nil && !bytes.Equal(got, raw) {
				t.Error("other bytes")
			}
		})
	}
	d.Size = registry.MaxManifest + 1
	_, err := c.SmallBlob(t.Context(), s.Host+"/"+repo, d)
	check(t, err, registry.ErrSize, "at most")
}

// TestWaits compares how long is waited with what the registry asks for.
func TestWaits(t *testing.T) {
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	for name, test := range map[string]struct {
		headers []string
		tries   int64 // that fail; -1: all
		want    time.Duration
		asked   int
		words   string
	}{
		"nothing said":  {nil, -1, (500 + 1000 + 2000 + 4000) * time.Millisecond, 5, ""},
		"seconds":       {[]string{"Retry-After", "7"}, 2, 14 * time.Second, 3, ""},
		"the most":      {[]string{"Retry-After", "60"}, 1, time.Minute, 2, ""},
		"too long":      {[]string{"Retry-After", "61"}, -1, 0, 1, "ask again after 1m1s"},
		"far too long":  {[]string{"Retry-After", "99999999999999"}, 1, 500 * time.Millisecond, 2, ""},
		"a date":        {[]string{"Retry-After", "Sun, 06 Nov 1994 08:49:40 GMT", "Date", date}, 1, 3 * time.Second, 2, ""},
		"a date before": {[]string{"Retry-After", "Sun, 06 Nov 1993 08:49:40 GMT", "Date", date}, 1, 500 * time.Millisecond, 2, ""},
		"nonsense":      {[]string{"Retry-After", "-5"}, 1, 500 * time.Millisecond, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(t)
			s.PutManifest(t, repo, "v1", string(types.OCIManifestSchema1), aManifest(300))
			s.Fault(registrytest.On(registrytest.Manifests, registrytest.First(test.tries, registrytest.Status(429, "slowly", test.headers...))))
			w := &waits{}
			_, _, err := client(t, registry.Options{Wait: w.wait}).Tag(t.Context(), s.Host+"/"+repo, "v1")
			if test.tries < 0 {
				check(t, err, registry.ErrTooMany, test.words)
			} else if err != nil {
				t.Error(err)
			}
			if asked := len(s.Asked("", "/manifests/")); w.total() != test.want || asked != test.asked {
				t.Errorf("waited %s, asked %d times, want %s, %d", w.total(), asked, test.want, test.asked)
			}
		})
	}
}

// TestCancelledWait ends when the context does, not when the wait would.
func TestCancelledWait(t *testing.T) {
	s := registrytest.New(t)
	s.Fault(registrytest.Status(503, "oh"))
	ctx, cancel := context.WithCancel(t.Context())
	c, err := registry.New(registry.Options{Retries: 1 << 30, Wait: nil})
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(50*time.Millisecond, cancel)
	defer timer.Stop()
	_, _, err = c.Tag(ctx, s.Host+"/"+repo, "v1")
	check(t, err, context.Canceled, "")
}

// TestParallel shares one client among many goroutines: one handshake, one token.
func TestParallel(t *testing.T) {
	s := registrytest.New(t)
	s.Fault(registrytest.Bearer("", ""))
	raw, d := putBlob(t, s, 3000)
	c := client(t, registry.Options{})
	var wg sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		wg.Go(func() {
			got, err := fetch(t, c, s.Host+"/"+repo, d)
			if err == nil && !bytes.Equal(got, raw) {
				err = fmt.Errorf("other bytes: %d", len(got))
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	if tokens, pings := len(s.Asked("GET", "/token")), len(s.Requests())-len(s.Asked("GET", "/blobs/"))-len(s.Asked("GET", "/token")); tokens != 1 || pings != 1 {
		t.Errorf("%d tokens, %d pings", tokens, pings)
	}
}
