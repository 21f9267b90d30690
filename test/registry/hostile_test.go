package registry

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// fault is what a registry does to a request instead of answering it; false: nothing.
type fault = func(w http.ResponseWriter, r *http.Request) bool

// hostile is an image behind a front.
type hostile struct {
	*lab
	place *place
	front *front
	image *pushed
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	h := &hostile{lab: newLab(t), place: inProcess(t)}
	h.front = before(t, h.place)
	h.image = push(t, h.front.host, "some/hello", "hello")
	h.write(t, "system.yml", manifest("", h.image))
	h.front.forget()
	return h
}

// build has compose build the image.
func (h *hostile) build(t *testing.T, flags ...string) *ran {
	t.Helper()
	words := append([]string{"build", "-accept-unsigned", "**", "-format", "tar", "-dir", "out"}, flags...)
	return h.try(t, append(words, "system.yml")...)
}

// fails wants the build to fail with these words, and to leave nothing.
func (h *hostile) fails(t *testing.T, words []string, flags ...string) {
	t.Helper()
	r := h.build(t, flags...)
	if r.code != 1 || r.printed != "" {
		t.Errorf("want a failure: %v", r)
	}
	for _, word := range append(words, h.image.tagged()) {
		if !strings.Contains(r.said, word) {
			t.Errorf("%q is not among the reasons", word)
		}
	}
	left := append(files(t, h.path("out")), files(t, h.cache("tmp"))...)
	if h.there("system.lock.json") || len(left) > 0 {
		t.Errorf("something is left: %q, a lock: %v", left, h.there("system.lock.json"))
	}
}

// to is a fault of requests whose path has all of these in it.
func to(f fault, parts ...string) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		for _, p := range parts {
			if !strings.Contains(r.URL.Path, p) {
				return false
			}
		}
		return f(w, r)
	}
}

// times is a fault of n requests.
func times(n int, f fault) fault {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		done := n == 0
		n = max(0, n-1)
		mu.Unlock()
		return !done && f(w, r)
	}
}

// status answers with a status and an error as the distribution specification has it.
func status(code int, word string) fault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		if code == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		}
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		io.WriteString(w, `{"errors":[{"code":"`+word+`","message":"so says the registry"}]}`)
		return true
	}
}

// cut says how long the answer is, sends a part of it, and ends the connection.
func (h *hostile) cut(part func(size int) int) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		a := answer(h.place, r)
		body := a.Body.Bytes()
		from := rangeStart(r)
		if a.Code != http.StatusOK || from >= len(body) {
			return false
		}
		code := http.StatusOK
		if r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", "bytes "+strconv.Itoa(from)+"-"+strconv.Itoa(len(body)-1)+"/"+strconv.Itoa(len(body)))
			code = http.StatusPartialContent
		}
		body = body[from:]
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(code)
		w.Write(body[:part(len(body))])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// rangeStart is the first byte that is asked for.
func rangeStart(r *http.Request) int {
	text, _ := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	text, _, _ = strings.Cut(text, "-")
	n, _ := strconv.Atoi(text)
	return n
}

func half(size int) int    { return size / 2 }
func none(int) int         { return 0 }
func oneByte(size int) int { return min(1, size) }

// A registry that does not give what is asked for: the build fails, says why, and
// leaves nothing behind.
func TestHostile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault func(h *hostile) fault
		words []string
	}{
		{"401", func(*hostile) fault { return status(401, "UNAUTHORIZED") }, []string{"401 Unauthorized", "anonymous"}},
		{"403", func(*hostile) fault { return status(403, "DENIED") }, []string{"403 Forbidden", "so says the registry"}},
		{"404", func(*hostile) fault { return to(status(404, "MANIFEST_UNKNOWN"), "/manifests/") }, []string{"404 Not Found"}},
		{"404 of a layer", func(h *hostile) fault { return to(status(404, "BLOB_UNKNOWN"), h.image.layers[0].String()) }, []string{"404 Not Found"}},
		{"429", func(*hostile) fault { return to(status(429, "TOOMANYREQUESTS"), "/manifests/") }, []string{"429 Too Many Requests"}},
		{"500", func(*hostile) fault { return to(status(500, "UNKNOWN"), "/manifests/") }, []string{"500"}},
		{"500 of a layer", func(h *hostile) fault { return to(status(500, "UNKNOWN"), h.image.layers[0].String()) }, []string{"500"}},
		{"cut before a byte of a layer", func(h *hostile) fault { return to(h.cut(none), h.image.layers[0].String()) }, []string{"0 of 1207 bytes"}},
		{"a page for people", func(*hostile) fault {
			return to(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", "text/html")
				io.WriteString(w, "<html><title>Log in to this network</title></html>")
				return true
			}, "/manifests/")
		}, []string{"the manifest is not JSON"}},
		{"a manifest without an end", func(*hostile) fault {
			return to(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", string(types.OCIImageIndex))
				endless(w)
				return true
			}, "/manifests/1")
		}, []string{"more than 4194304 bytes"}},
		{"a layer without an end", func(h *hostile) fault {
			return to(func(w http.ResponseWriter, _ *http.Request) bool {
				endless(w)
				return true
			}, h.image.layers[0].String())
		}, []string{"more than 1207 bytes"}},
		{"another manifest than the index names", func(h *hostile) fault {
			return changes(h.place, h.image.manifest, func([]byte) []byte {
				return answer(h.place, asked("/v2/some/hello/manifests/"+h.image.index.String())).Body.Bytes()
			})
		}, []string{"wrong digest: sends sha256:"}},
		{"a layer that was compressed again", func(h *hostile) fault {
			return changes(h.place, h.image.layers[0], recompressed)
		}, []string{"wrong size", "want 1207"}},
		{"redirected in circles", func(*hostile) fault {
			return to(func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
				return true
			}, "/manifests/")
		}, []string{"redirect"}},
		{"redirected to plain HTTP elsewhere", func(h *hostile) fault {
			return to(func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, "http://blobs.example.com"+r.URL.Path, http.StatusTemporaryRedirect)
				return true
			}, h.image.layers[0].String())
		}, []string{"blobs.example.com wants plain HTTP"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t)
			h.front.breaks(tt.fault(h))
			h.fails(t, tt.words)
		})
	}
}

// asked is a request for a path.
func asked(path string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		panic(err)
	}
	return r
}

// endless sends zeroes until nobody reads them, or a gigabyte has gone.
func endless(w io.Writer) {
	zeroes := make([]byte, 1<<20)
	for range 1 << 10 {
		if _, err := w.Write(zeroes); err != nil {
			return
		}
	}
}

// recompressed is a layer with the same files, packed in another way.
func recompressed(layer []byte) []byte {
	var out bytes.Buffer
	if r, err := gzip.NewReader(bytes.NewReader(layer)); err == nil {
		w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		_, _ = io.Copy(w, r)
		_ = w.Close()
	}
	return out.Bytes()
}

// A registry that gives what is asked for in the end: the build does it, and writes
// what it always does.
func TestPatient(t *testing.T) {
	t.Parallel()
	good := newHostile(t)
	want := good.build(t)
	if want.code != 0 {
		t.Fatal(want)
	}
	tests := []struct {
		name  string
		fault func(h *hostile) fault
	}{
		{"429 twice", func(*hostile) fault { return times(2, status(429, "TOOMANYREQUESTS")) }},
		{"500 once, 503 once", func(*hostile) fault {
			once, again := times(1, status(500, "UNKNOWN")), times(1, status(503, "UNAVAILABLE"))
			return func(w http.ResponseWriter, r *http.Request) bool { return once(w, r) || again(w, r) }
		}},
		{"a layer cut in the middle", func(h *hostile) fault { return to(times(1, h.cut(half)), h.image.layers[1].String()) }},
		{"a layer cut after every byte, for some time", func(h *hostile) fault { return to(times(3, h.cut(oneByte)), h.image.layers[1].String()) }},
		{"a manifest cut in the middle", func(h *hostile) fault { return to(times(1, h.cut(half)), h.image.manifest.String()) }},
		{"slow", func(h *hostile) fault { return h.trickle() }},
		{"redirected", func(h *hostile) fault {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/blobs/") || r.URL.Query().Has("there") {
					return false
				}
				http.Redirect(w, r, r.URL.Path+"?there", http.StatusTemporaryRedirect)
				return true
			}
		}},
		{"a layer of Docker's that says it is binary", func(h *hostile) fault {
			return to(func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Content-Type", "application/octet-stream")
				return false
			}, "/blobs/")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t)
			// The image has a name in which the port is another, and is so another one.
			h.write(t, "system.yml", manifest("", good.image))
			h.flags = append(h.flags, "-registry-mirror", good.front.host+"="+h.front.host)
			h.front.breaks(tt.fault(h))
			r := h.build(t)
			if r.code != 0 || r.printed != want.printed {
				t.Errorf("want %q: %v", want.printed, r)
			}
			if len(h.front.forget()) < 5 {
				t.Error("the registry was hardly asked")
			}
		})
	}
}

// trickle sends layers in small pieces.
func (h *hostile) trickle() fault {
	return to(func(w http.ResponseWriter, r *http.Request) bool {
		a := answer(h.place, r)
		if a.Code != http.StatusOK || r.Header.Get("Range") != "" {
			return false
		}
		body := a.Body.Bytes()
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		for piece := range chunks(body, 1+len(body)/20) {
			w.Write(piece)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond) // the registry's, not the test's
		}
		return true
	}, "/blobs/")
}

// chunks are pieces of data.
func chunks(data []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			n := min(size, len(data))
			if !yield(data[:n]) {
				return
			}
			data = data[n:]
		}
	}
}

// An index must have one image for the platform.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		h := newHostile(t)
		h.fails(t, []string{"linux/riscv64", "linux/amd64", "linux/arm64"}, "-arch", "riscv64")
	})
	t.Run("two", func(t *testing.T) {
		t.Parallel()
		h := newHostile(t)
		twice(t, h.image)
		h.fails(t, []string{"not exactly one image for platform linux/amd64", "linux/amd64, linux/amd64"})
	})
}

// twice puts an index in the place of the image's that has another image for the same
// platform.
func twice(t *testing.T, image *pushed) {
	t.Helper()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, name := range []string{"hello", "tools"} {
		from := fixtureIndex(t, name)
		img, err := from.Image(amd64(t, from))
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}},
		})
	}
	if err := remote.WriteIndex(parse(t, image.tagged()), index); err != nil {
		t.Fatal(err)
	}
}

// Credentials go to the host that they are for, and no further: not to where it
// redirects, and not to a mirror.
func TestCredentials(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	elsewhere := before(t, h.place)
	var mu sync.Mutex
	var leaked []string
	elsewhere.breaks(func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "" {
			leaked = append(leaked, r.URL.Path)
		}
		return false
	})
	h.front.breaks(func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, ok := r.BasicAuth(); !ok || user != "me" || password != "secret" {
			return status(401, "UNAUTHORIZED")(w, r)
		}
		if strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, "http://"+elsewhere.host+r.URL.Path, http.StatusTemporaryRedirect)
			return true
		}
		return false
	})
	h.fails(t, []string{"401 Unauthorized"})
	h.write(t, ".docker/config.json", `{"auths":{"`+h.front.host+`":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("me:secret"))+`"}}}`)
	if r := h.build(t); r.code != 0 {
		t.Fatal(r)
	}
	if len(elsewhere.forget()) == 0 {
		t.Error("nobody was redirected")
	}
	mirrored := h.caching("mirrored")
	mirrored.does(t, "build", "-registry-mirror", h.front.host+"="+elsewhere.host, "-format", "tar", "-dir", "out", "system.yml")
	if len(elsewhere.forget()) == 0 {
		t.Error("the mirror was not asked")
	}
	if len(leaked) > 0 {
		t.Errorf("another host has got the credentials, with %q", leaked)
	}
}
