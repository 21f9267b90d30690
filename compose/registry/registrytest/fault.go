package registrytest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Fault changes how a registry answers.
type Fault func(http.Handler) http.Handler

// On restricts a fault to the requests that match.
func On(match func(*http.Request) bool, f Fault) Fault {
	return func(next http.Handler) http.Handler {
		bad := f(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if match(r) {
				bad.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Blobs matches what fetches a blob.
func Blobs(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/")
}

// Manifests matches what fetches a manifest.
func Manifests(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/")
}

// Referrers matches what asks the referrers API.
func Referrers(r *http.Request) bool { return strings.Contains(r.URL.Path, "/referrers/") }

// Path matches a method, "" for any, and a part of the path.
func Path(method, part string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return (method == "" || r.Method == method) && strings.Contains(r.URL.Path, part)
	}
}

// around makes a fault of what happens instead of an answer, or around it.
func around(f func(w http.ResponseWriter, r *http.Request, next http.Handler)) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(w, r, next) })
	}
}

// First restricts a fault to the first k requests that it sees; below 0: all.
func First(k int64, f Fault) Fault {
	var n atomic.Int64
	return On(func(*http.Request) bool { return k < 0 || n.Add(1) <= k }, f)
}

// Status answers with a status, and with a registry's error whose message is given.
// Headers are names and values in turn.
func Status(code int, message string, headers ...string) Fault {
	return around(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		type fault struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		}
		_ = json.NewEncoder(w).Encode(map[string][]fault{"errors": {{"TEST", message}}})
	})
}

// Redirect sends to base, which the request's path is put behind.
func Redirect(code int, base string) Fault {
	return around(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Location", base+r.URL.RequestURI())
		w.WriteHeader(code)
	})
}

// Answer answers with other bytes, as 200.
func Answer(mediaType string, raw []byte) Fault {
	return around(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
		_, _ = w.Write(raw)
	})
}

// NoRange ignores Range, as some registries do: the answer is 200 with all.
func NoRange() Fault {
	return around(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Header.Del("Range")
		next.ServeHTTP(w, r)
	})
}

// Header sets a header of the answer, after the registry itself; "" takes it away. It
// can lie with Content-Length and Content-Range.
func Header(name, value string) Fault {
	return body(func(b *badBody) { b.header, b.value = name, value })
}

// Cut breaks the connection after n bytes of the answer's body; below 0 before any
// answer at all.
func Cut(n int64) Fault {
	return body(func(b *badBody) { b.end, b.limit = hangUp, n })
}

// Stall sends n bytes of the answer's body, then nothing until the client goes.
func Stall(n int64) Fault {
	return body(func(b *badBody) { b.end, b.limit = wait, n })
}

// Chunked says nothing of the answer's size, and ends it properly.
func Chunked() Fault { return Header("Content-Length", "") }

// Short says nothing of the answer's size, and ends it properly after n bytes.
func Short(n int64) Fault {
	return body(func(b *badBody) { b.header, b.end, b.limit = "Content-Length", swallow, n })
}

// Long says nothing of the answer's size, and puts n bytes behind it; below 0 it never
// ends.
func Long(n int64) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			Chunked()(next).ServeHTTP(w, r)
			for i := int64(0); i < n || n < 0; i++ {
				if _, err := io.WriteString(w, "x"); err != nil || r.Context().Err() != nil {
					return
				}
			}
		})
	}
}

// Drip sends every byte on its own.
func Drip() Fault {
	return body(func(b *badBody) { b.drip = true })
}

// Trickle sends every byte on its own, and waits after each.
func Trickle(every time.Duration) Fault {
	return body(func(b *badBody) { b.drip, b.every = true, every })
}

// NoReferrers has no referrers API.
func NoReferrers() Fault {
	return On(Referrers, Status(http.StatusNotFound, "404 page not found"))
}
