package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
	"github.com/composeos/compose/compose/sign"
	"github.com/composeos/compose/compose/trust/trusttest"
	"github.com/composeos/compose/spec"
)

// signedLayout is a layout whose image init is signed in both formats.
func signedLayout(t *testing.T) (dir string, of v1.Descriptor) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "images")
	if err := makeFixture(dir, ""); err != nil {
		t.Fatal(err)
	}
	key, err := sign.LoadKey(trusttest.NewKey(t, trusttest.Ed25519).PrivatePEM, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, init := testSession(t), spec.Ref{Transport: spec.OCI, Name: dir, Tag: "init"}
	for _, format := range []string{spec.FormatBundle, spec.FormatLegacy} {
		if err := (signableLayout{s, init}).sign(t.Context(), &signer{key: key, format: format}); err != nil {
			t.Fatal(err)
		}
	}
	l, err := openLayout(t.Context(), init)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if of, err = l.Resolve(t.Context(), init); err != nil {
		t.Fatal(err)
	}
	return dir, of
}

// testSession is a session that nobody listens to.
func testSession(t *testing.T) *session {
	t.Helper()
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() }) // nothing was kept
	return &session{&world{stdout: out, stderr: out}, newUI(io.Discard, progressNone)}
}

// push pushes the image init of a layout as test/init:1.
func push(t *testing.T, s *registrytest.Server, dir string) error {
	t.Helper()
	client, err := registry.New(registry.Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	from := spec.Ref{Transport: spec.OCI, Name: dir, Tag: "init"}
	return (&pusher{testSession(t), client}).pushLayout(t.Context(), from, spec.Ref{Name: s.Host + "/test/init", Tag: "1"})
}

// isWrite tells whether requests of a method change something.
func isWrite(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// TestPushTagLast lets a registry take the first requests that write, and no more,
// for every number of them: the tag is there only where all else is, the signatures
// too, and the next push makes it whole.
func TestPushTagLast(t *testing.T) {
	dir, of := signedLayout(t)
	counting := registrytest.New(t)
	if err := push(t, counting, dir); err != nil {
		t.Fatal(err)
	}
	writes := int64(0)
	for _, r := range counting.Requests() {
		if isWrite(r.Method) {
			writes++
		}
	}
	if writes < 10 {
		t.Fatalf("a push makes %d requests that write", writes)
	}
	for taken := range writes {
		t.Run(fmt.Sprint(taken), func(t *testing.T) {
			s := registrytest.New(t)
			var n atomic.Int64
			full := func(r *http.Request) bool { return isWrite(r.Method) && n.Add(1) > taken }
			s.Fault(registrytest.On(full, registrytest.Status(http.StatusForbidden, "no more")))
			if err := push(t, s, dir); err == nil || !strings.Contains(err.Error(), "no more") {
				t.Fatalf("it was pushed by %d requests of %d: %v", taken, writes, err)
			}
			s.Fault()
			if s.HasManifest(t, "test/init", "1") {
				t.Error("the tag names what is not whole")
			}
			if err := push(t, s, dir); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"1", of.Digest.String(), spec.LegacyTag(spec.Digest(of.Digest.String()))} {
				if !s.HasManifest(t, "test/init", want) {
					t.Errorf("%s is not there after the second push", want)
				}
			}
		})
	}
}

// TestPushAgain sends nothing that is there.
func TestPushAgain(t *testing.T) {
	dir, _ := signedLayout(t)
	s := registrytest.New(t)
	if err := push(t, s, dir); err != nil {
		t.Fatal(err)
	}
	s.Forget()
	if err := push(t, s, dir); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Requests() {
		if r.Method == http.MethodPost || r.Method == http.MethodPatch {
			t.Errorf("%s %s", r.Method, r.Path)
		}
	}
}

// TestSignTagOnce signs by tag: the tag is looked up once, and what it named then is
// what is signed.
func TestSignTagOnce(t *testing.T) {
	s := registrytest.New(t)
	was := s.PushImage(t, "test/a", "1", registrytest.Image(t, "linux/amd64", map[string]string{"a": "a"}))
	client, err := registry.New(registry.Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.LoadKey(trusttest.NewKey(t, trusttest.P256).PrivatePEM, nil)
	if err != nil {
		t.Fatal(err)
	}
	image := signableRemote{&pusher{testSession(t), client}, spec.Ref{Name: s.Host + "/test/a", Tag: "1"}}
	if err := image.sign(t.Context(), &signer{key: key, format: spec.FormatBundle}); err != nil {
		t.Fatal(err)
	}
	if asked := append(s.Asked(http.MethodGet, "/manifests/1"), s.Asked(http.MethodHead, "/manifests/1")...); len(asked) != 1 {
		t.Errorf("the tag was looked up %d times", len(asked))
	}
	found, err := client.Referrers(t.Context(), s.Host+"/test/a", was)
	if err != nil || len(found) != 1 {
		t.Errorf("%d signatures of %s (%v)", len(found), was, err)
	}
}
