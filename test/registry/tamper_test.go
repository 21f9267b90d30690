package registry

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/trust/trusttest"
)

// answer is what a registry says to a request, before it is sent.
func answer(p *place, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	whole := r.Clone(r.Context())
	whole.Header.Del("Range")
	p.handler.ServeHTTP(w, whole)
	return w
}

// send sends an answer with another body. The length that is said is the body's.
func send(w http.ResponseWriter, a *httptest.ResponseRecorder, body []byte) {
	maps.Copy(w.Header(), a.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.Code)
	w.Write(body)
}

// flipped is data in which one bit in the middle is another.
func flipped(data []byte) []byte {
	data = bytes.Clone(data)
	data[len(data)/2] ^= 1
	return data
}

// changes is a fault: what has the digest comes with another body.
func changes(p *place, digest v1.Hash, change func([]byte) []byte) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/"+digest.String()) || strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		a := answer(p, r)
		send(w, a, change(a.Body.Bytes()))
		return true
	}
}

// part is a part of an image by its name.
type part struct {
	name     string
	digest   v1.Hash
	unpacked []string // what of it must not be unpacked where it is bad; nil: nothing at all of the image
}

// parts are all parts of an image.
func (p *pushed) parts() []part {
	all := []part{{"index", p.index, nil}, {"manifest", p.manifest, nil}, {"config", p.config, nil}}
	for i, l := range p.layers {
		all = append(all, part{"layer " + strconv.Itoa(i), l, []string{p.diffIDs[i].Hex}})
	}
	return all
}

// untouched fails where something was unpacked of a bad part, or written.
func (l *lab) untouched(t *testing.T, image *pushed, bad part, seen []string, out string) {
	t.Helper()
	ids := bad.unpacked
	if ids == nil {
		for _, id := range image.diffIDs {
			ids = append(ids, id.Hex)
		}
	}
	for _, id := range ids {
		if count(seen, id) > 0 {
			t.Errorf("the layer %s was unpacked", id)
		}
	}
	if names := files(t, l.path(out)); len(names) > 0 {
		t.Errorf("there are outputs: %q", names)
	}
}

// stand is an image that is signed, locked and built, behind a front.
type stand struct {
	*lab
	place  *place
	front  *front
	image  *pushed
	key    *trusttest.Key
	digest string // what the build has printed
}

// newStand makes a stand.
func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{lab: newLab(t), place: inProcess(t), key: trusttest.NewKey(t, trusttest.Ed25519)}
	s.front = before(t, s.place)
	s.image = push(t, s.front.host, "signed/init", "init")
	s.image.attach(t, trusttest.SignBundle(t, s.key, s.image.digest()))
	s.write(t, "owner.pub", string(s.key.PublicPEM))
	s.write(t, "system.yml", manifest(byKey("owner.pub"), s.image))
	s.does(t, "lock", "system.yml")
	s.digest = s.does(t, "build", "-frozen", "-format", "tar", "-dir", "good", "system.yml").printed
	return s
}

// rebuilt builds into a folder, and wants what was built at first.
func (s *stand) rebuilt(t *testing.T, l *lab, dir string, flags ...string) {
	t.Helper()
	words := append([]string{"build", "-format", "tar", "-dir", dir}, flags...)
	want := strings.Replace(s.digest, "good/", dir+"/", 1)
	if r := l.does(t, append(words, "system.yml")...); r.printed != want {
		t.Errorf("it writes %q, want %q", r.printed, want)
	}
}

// What the registry changes after it was locked is not unpacked, and nothing is
// written; when the registry is honest again, the same build does it.
func TestTamperedInRegistry(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	for _, how := range []struct {
		name   string
		change func([]byte) []byte
	}{
		{"a bit", flipped},
		{"shorter", func(b []byte) []byte { return b[:len(b)-1] }},
		{"longer", func(b []byte) []byte { return append(bytes.Clone(b), '\n') }},
		{"nothing", func([]byte) []byte { return nil }},
	} {
		for _, part := range s.image.parts() {
			t.Run(part.name+" "+how.name, func(t *testing.T) {
				l, out := s.caching("fresh "+part.name+how.name), "out "+part.name+how.name
				seen := l.watch(t)
				s.front.breaks(changes(s.place, part.digest, how.change))
				l.refuses(t, []string{s.image.tagged()}, "build", "-format", "tar", "-dir", out, "system.yml")
				s.front.breaks(nil)
				l.untouched(t, s.image, part, seen(), out)
				s.rebuilt(t, l, out)
			})
		}
	}
}

// What is changed in the cache is not unpacked, and nothing is written; where it can
// be fetched, it is fetched anew. That is so where it lies, and in a copy, which no
// stamp vouches for.
func TestTamperedInCache(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	for _, copied := range []bool{false, true} {
		for _, part := range s.image.parts() {
			name := part.name
			if copied {
				name += " in a copy"
			}
			t.Run(name, func(t *testing.T) {
				l, out := s.caching("cache "+name), "out "+name
				s.rebuilt(t, l, "good "+name) // fills it
				l.forget(t, "layers", "archives", "members", "notes/outputs")
				flipFile(t, filepath.Join(l.cache("blobs"), "sha256", part.digest.Hex))
				if copied {
					if err := os.CopyFS(l.path("copy of "+l.store), os.DirFS(l.path(l.store))); err != nil {
						t.Fatal(err)
					}
					l = l.caching("copy of " + l.store)
				}
				seen := l.watch(t)
				l.refuses(t, []string{s.image.tagged()}, "build", "-offline", "-format", "tar", "-dir", out, "system.yml")
				l.untouched(t, s.image, part, seen(), out)
				s.rebuilt(t, l, out)
			})
		}
	}
}

// What is changed of a layer that is unpacked already is unpacked again.
func TestTamperedUnpacked(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	for _, id := range s.image.diffIDs {
		for _, suffix := range []string{".tar", ".idx", ".stamp"} {
			t.Run(id.Hex[:8]+suffix, func(t *testing.T) {
				flipFile(t, filepath.Join(s.cache("layers"), id.Hex+suffix))
				s.rebuilt(t, s.lab, "out "+id.Hex+suffix, "-offline")
			})
		}
	}
}

func flipFile(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(flipped(data), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// Signatures are asked for when the lock is made, and never again: they may change
// or go. One that comes changed when the lock is made is not believed.
func TestSignaturesInRegistry(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	signatures := func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/referrers/") || strings.Contains(r.URL.Path, "/manifests/sha256-") {
			return status(500, "UNKNOWN")(w, r)
		}
		return false
	}
	s.front.breaks(signatures)
	s.rebuilt(t, s.caching("fresh"), "out")
	s.rebuilt(t, s.caching("fresher"), "out frozen", "-frozen")
	s.front.breaks(nil)

	for digest, bundle := range s.evidence(t) {
		hash, _, err := v1.SHA256(strings.NewReader(bundle.Bundle))
		if err != nil {
			t.Fatal(err)
		}
		s.front.breaks(changes(s.place, hash, flipped))
		t.Logf("the evidence %s is the blob %s", digest, hash)
	}
	l := s.caching("another")
	seen := l.watch(t)
	l.refuses(t, []string{s.image.tagged()}, "lock", "-lock", "another.lock.json", "system.yml")
	if names := seen(); len(names) > 0 {
		t.Errorf("layers were unpacked: %q", names)
	}
}

// The tag that moves to somebody else's image changes nothing of what is locked, and
// the lock does not follow it.
func TestTagMoves(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	theirs := push(t, s.front.host, "signed/init", "tools")
	s.rebuilt(t, s.caching("fresh"), "out")
	before := s.read(t, "system.lock.json")
	l := s.caching("fresher")
	seen := l.watch(t)
	s.front.forget()
	l.refuses(t, []string{theirs.tagged(), "owner"}, "lock", "-update", "system.yml")
	for _, r := range s.front.forget() {
		for _, layer := range theirs.layers {
			if strings.HasSuffix(r.path, layer.String()) {
				t.Errorf("a layer was fetched before it was known who has signed it: %+v", r)
			}
		}
	}
	if names := seen(); len(names) > 0 {
		t.Errorf("layers were unpacked: %q", names)
	}
	if s.read(t, "system.lock.json") != before {
		t.Error("the lock has changed")
	}
}
