package registry_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
	"github.com/composeos/compose/spec"
)

// subject is an image that need not be there.
var subject = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("5", 64)}

// TestReferrers pushes some, and finds all of them sorted: with the API, without it
// under the fallback tag, and where the registry says that it took note.
func TestReferrers(t *testing.T) {
	for name, test := range map[string]struct {
		fault    registrytest.Fault
		fallback bool // the tag is there
		found    int
	}{
		"API":                    {registrytest.NoRange(), false, 3},
		"no API":                 {registrytest.NoReferrers(), true, 3},
		"a web page for an API":  {registrytest.On(registrytest.Referrers, registrytest.Answer("text/html", []byte("<html>"))), true, 3},
		"bad request for an API": {registrytest.On(registrytest.Referrers, registrytest.Status(400, "what?")), true, 3},
		"took note, shows none":  {registrytest.On(registrytest.Path("PUT", "/manifests/"), registrytest.Header("OCI-Subject", subject.String())), false, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(t)
			s.Fault(test.fault)
			c := client(t, registry.Options{})
			name := ref(t, s.Host+"/"+repo+":untouched")
			if got, err := c.Referrers(t.Context(), name.Name, subject); err != nil || len(got) != 0 {
				t.Errorf("before: %v, %v", got, err)
			}
			var want []string
			for i := range 4 {
				m := aReferrer(t, subject, fmt.Sprint(i%3)) // the last is there already
				desc, err := c.Push(t.Context(), name, registry.Content{Blobs: []registry.Upload{upload([]byte(`{}`))}, Referrers: []registry.Manifest{m}})
				if err != nil || desc.Digest != descOf(m.Raw).Digest {
					t.Fatalf("%v, %v", desc, err)
				}
				want = append(want, desc.Digest.String())
			}
			slices.Sort(want)
			want = slices.Compact(want)
			got, err := c.Referrers(t.Context(), name.Name, subject)
			if err != nil || len(got) != test.found {
				t.Fatalf("%v, %v", got, err)
			}
			for i, d := range got {
				if d.Digest.String() != want[i] || d.Size == 0 || test.fallback && (!strings.HasPrefix(d.ArtifactType, "test/") || d.Annotations["note"] == "") {
					t.Errorf("%d: %+v, want %s", i, d, want[i])
				}
			}
			if s.HasManifest(t, repo, "untouched") || s.HasManifest(t, repo, "sha256-"+subject.Hex) != test.fallback {
				t.Error("other tags than expected")
			}
		})
	}
}

// TestReferrersBad asks registries that behave badly.
func TestReferrersBad(t *testing.T) {
	index := func(entries string) []byte { return []byte(`{"schemaVersion":2,"manifests":[` + entries + `]}`) }
	good := `{"mediaType":"x","size":1,"digest":"` + subject.String() + `"}`
	media := string(types.OCIImageIndex)
	on := func(f ...registrytest.Fault) (out []registrytest.Fault) {
		for _, f := range f {
			out = append(out, registrytest.On(registrytest.Referrers, f))
		}
		return out
	}
	for name, test := range map[string]struct {
		faults []registrytest.Fault
		want   error
		words  string
		found  int
	}{
		"twice the same":   {on(registrytest.Answer(media, index(good+","+good))), nil, "", 1},
		"no index":         {on(registrytest.Answer(media, []byte("[]"))), registry.ErrServer, "no image index", 0},
		"bad digest":       {on(registrytest.Answer(media, index(`{"size":1,"digest":"sha256:../x"}`))), registry.ErrServer, "", 0},
		"bad size":         {on(registrytest.Answer(media, index(strings.Replace(good, "1", "-1", 1)))), registry.ErrServer, "bad descriptor", 0},
		"denied":           {on(registrytest.Status(401, "log in")), registry.ErrUnauthorized, "log in", 0},
		"fails":            {on(registrytest.Status(500, "oh")), registry.ErrServer, "oh", 0},
		"pages":            {on(registrytest.First(1, registrytest.Header("Link", `</v2/test/a/referrers/`+subject.String()+`?n=2>; rel="next"`)), registrytest.Answer(media, index(good))), nil, "", 1},
		"pages for ever":   {on(registrytest.Header("Link", `</v2/test/a/referrers/x>; rel="next"`), registrytest.Answer(media, index(good))), registry.ErrSize, "64 pages", 0},
		"pages elsewhere":  {on(registrytest.Header("Link", `<http://127.0.0.1:1/x>; rel=next`), registrytest.Answer(media, index(good))), registry.ErrServer, "elsewhere", 0},
		"not for a robber": {on(registrytest.Long(-1)), registry.ErrSize, "at most", 0},
		"fallback fails":   {[]registrytest.Fault{registrytest.NoReferrers(), registrytest.On(registrytest.Manifests, registrytest.Status(403, "no"))}, registry.ErrUnauthorized, "", 0},
		"fallback is odd":  {[]registrytest.Fault{registrytest.NoReferrers(), registrytest.On(registrytest.Manifests, registrytest.Answer(media, []byte(`{"manifests":5}`)))}, registry.ErrServer, "no image index", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(t)
			s.PutManifest(t, repo, "v1", string(types.OCIManifestSchema1), aManifest(300))
			s.Fault(test.faults...)
			got, err := client(t, registry.Options{}).Referrers(t.Context(), s.Host+"/"+repo, subject)
			check(t, err, test.want, strings.ReplaceAll(test.words, "at most", "more than"))
			if len(got) != test.found {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestReferrersOfMirrors asks the next where a mirror has none.
func TestReferrersOfMirrors(t *testing.T) {
	mirror, s := registrytest.New(t), registrytest.New(t)
	settings := &spec.Settings{Registries: map[string]spec.RegistrySettings{s.Host: {Mirrors: []string{mirror.Host}}}}
	c := client(t, registry.Options{Settings: settings})
	name := ref(t, s.Host+"/"+repo)
	if got, err := c.Referrers(t.Context(), name.Name, subject); err != nil || len(got) != 0 {
		t.Errorf("nobody has any: %v, %v", got, err)
	}
	if _, err := c.Push(t.Context(), name, registry.Content{Referrers: []registry.Manifest{aReferrer(t, subject, "x")}}); err != nil {
		t.Fatal(err)
	}
	if len(mirror.Asked("PUT", "")) != 0 {
		t.Error("the mirror got what was pushed")
	}
	if got, err := c.Referrers(t.Context(), name.Name, subject); err != nil || len(got) != 1 {
		t.Errorf("the registry has one: %v, %v", got, err)
	}
}
