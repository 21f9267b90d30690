package registry_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
)

// TestEndlessHandshake reads no more of an answer to the handshake than it needs, at
// whatever speed it comes.
func TestEndlessHandshake(t *testing.T) {
	long := registrytest.Long(-1)
	slow := func(next http.Handler) http.Handler { return registrytest.Trickle(time.Millisecond)(long(next)) }
	isToken := registrytest.Path("", "/token")
	for name, test := range map[string]struct {
		faults []registrytest.Fault
		want   error
	}{
		"200":           {[]registrytest.Fault{registrytest.On(isPing, long)}, nil},
		"200, slowly":   {[]registrytest.Fault{registrytest.On(isPing, slow)}, nil},
		"401":           {[]registrytest.Fault{registrytest.On(isPing, long), registrytest.Bearer("", "")}, nil},
		"401, slowly":   {[]registrytest.Fault{registrytest.On(isPing, slow), registrytest.Bearer("", "")}, nil},
		"500":           {[]registrytest.Fault{registrytest.On(isPing, func(next http.Handler) http.Handler { return long(registrytest.Status(500, "oh")(next)) })}, errAny},
		"token":         {[]registrytest.Fault{registrytest.On(isToken, long), registrytest.Bearer("", "")}, errAny},
		"token, slowly": {[]registrytest.Fault{registrytest.On(isToken, slow), registrytest.Bearer("", "")}, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			s.PutManifest(t, repo, "v1", string(types.OCIManifestSchema1), aManifest(300))
			s.Fault(test.faults...)
			o := registry.Options{Retries: -1}
			if strings.HasSuffix(name, "slowly") {
				o.Document = 300 * time.Millisecond
			}
			_, _, err := client(t, o).Tag(t.Context(), s.Host+"/"+repo, "v1")
			if (err != nil) != (test.want != nil) {
				t.Errorf("error: %v, want %v", err, test.want)
			}
		})
	}
}

// TestTrickle gives up what comes a byte at a time, though something always comes.
func TestTrickle(t *testing.T) {
	const never = time.Hour
	for name, test := range map[string]struct {
		o        registry.Options
		document string // the words of a manifest's error; "": it comes
		blob     string
	}{
		"too few in a stall's time": {registry.Options{Stall: 50 * time.Millisecond, Document: never}, "bytes came in 50ms", "bytes came in 50ms"},
		"no end":                    {registry.Options{Stall: never, Document: 50 * time.Millisecond}, "not whole after 50ms", ""},
		"time enough":               {registry.Options{Stall: never, Document: never}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			raw, d := putBlob(t, s, 300)
			manifest := aManifest(300)
			s.PutManifest(t, repo, "v1", string(types.OCIManifestSchema1), manifest)
			slow := registrytest.Trickle(2 * time.Millisecond)
			s.Fault(registrytest.On(registrytest.Blobs, slow), registrytest.On(registrytest.Manifests, slow))
			c := client(t, test.o)
			_, err := c.Manifest(t.Context(), s.Host+"/"+repo, descOf(manifest).Digest)
			check(t, err, incomplete(test.document), test.document)
			_, err = c.SmallBlob(t.Context(), s.Host+"/"+repo, d)
			check(t, err, incomplete(test.document), test.document)
			got, err := fetch(t, c, s.Host+"/"+repo, d)
			check(t, err, incomplete(test.blob), test.blob)
			if test.blob == "" && !bytes.Equal(got, raw) {
				t.Errorf("other bytes: %d", len(got))
			}
		})
	}
}

// incomplete is the error that words are of.
func incomplete(words string) error {
	if words == "" {
		return nil
	}
	return registry.ErrIncomplete
}

// TestGreatBlob is cut nowhere, though a token was asked for under its context, and
// where a redirect leads.
func TestGreatBlob(t *testing.T) {
	s, other := registrytest.New(t), registrytest.New(t)
	raw, d := putBlob(t, other, 300<<10)
	s.Fault(registrytest.Bearer("", ""), registrytest.On(registrytest.Blobs, registrytest.Redirect(307, other.URL)))
	for _, host := range []string{s.Host, other.Host} {
		got, err := fetch(t, client(t, registry.Options{}), host+"/"+repo, d)
		if err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if n := len(other.Asked("GET", "/blobs/")); n != 2 {
		t.Errorf("asked %d times", n)
	}
}
