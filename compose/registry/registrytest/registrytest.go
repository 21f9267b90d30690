// Package registrytest is a registry on 127.0.0.1 for tests, with the referrers API,
// over plain HTTP or TLS. It writes down who asked for what, and behaves as badly as a
// test wants.
//
//	s := registrytest.New(t)
//	digest := s.PushImage(t, "test/a", "v1", registrytest.Image(t, "linux/amd64", map[string]string{"etc/a": "a\n"}))
//	s.Fault(registrytest.On(registrytest.Blobs, registrytest.Cut(100)))
//	ref, err := spec.ParseRef(s.Host+"/test/a:v1", "")
package registrytest

import (
	"bytes"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Server is a registry that runs until the test ends.
type Server struct {
	Host string // "127.0.0.1:PORT"
	URL  string // "http://127.0.0.1:PORT", or with https
	CA   string // with TLS: the file of its certificate, in PEM; good for 127.0.0.1 and example.com too

	inner http.Handler
	mu    sync.Mutex
	fault []Fault
	log   []Request
	end   func()
}

// Request is what somebody asked for.
type Request struct {
	Method, Host  string
	Path          string // with the query
	Authorization string // the header's value, "" if there was none
	Range         string // the same
	UserAgent     string
}

// New starts a registry over plain HTTP.
func New(tb testing.TB) *Server {
	tb.Helper()
	s, hs := unstarted(tb)
	hs.Start()
	s.started(hs)
	return s
}

// NewTLS starts a registry over TLS, with a certificate that only [Server.CA] knows.
func NewTLS(tb testing.TB) *Server {
	tb.Helper()
	s, hs := unstarted(tb)
	hs.StartTLS()
	s.started(hs)
	s.CA = filepath.Join(tb.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hs.Certificate().Raw})
	if err := os.WriteFile(s.CA, data, 0o644); err != nil {
		tb.Fatal(err)
	}
	return s
}

func unstarted(tb testing.TB) (*Server, *httptest.Server) {
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	s := &Server{inner: registry.New(registry.Logger(quiet), registry.WithReferrersSupport(true))}
	hs := httptest.NewUnstartedServer(s)
	hs.Config.ErrorLog = quiet
	s.end = func() {
		hs.CloseClientConnections()
		hs.Close()
	}
	tb.Cleanup(s.end)
	return s, hs
}

// Close ends the registry before the test does: connections to it are refused.
func (s *Server) Close() { s.end() }

func (s *Server) started(hs *httptest.Server) {
	s.URL = hs.URL
	s.Host = hs.Listener.Addr().String()
}

// Fault makes the registry behave badly from now on: each fault is around those
// behind it. Without any it is good again.
func (s *Server) Fault(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = faults
}

// Requests returns what was asked for up to now, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Asked returns the requests with that method whose path has that part; "" is any.
func (s *Server) Asked(method, part string) []Request {
	return slices.DeleteFunc(s.Requests(), func(r Request) bool {
		return method != "" && r.Method != method || !strings.Contains(r.Path, part)
	})
}

// Forget empties the list of requests.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.log = append(s.log, Request{
		Method: r.Method, Host: r.Host, Path: r.URL.RequestURI(),
		Authorization: r.Header.Get("Authorization"), Range: r.Header.Get("Range"), UserAgent: r.UserAgent(),
	})
	handler := s.inner
	for _, f := range slices.Backward(s.fault) {
		handler = f(handler)
	}
	s.mu.Unlock()
	handler.ServeHTTP(w, r)
}

// direct asks the registry below faults and list.
func (s *Server) direct(tb testing.TB, r *http.Request, want int) *httptest.ResponseRecorder {
	tb.Helper()
	w := httptest.NewRecorder()
	s.inner.ServeHTTP(w, r)
	if w.Code != want {
		tb.Fatalf("%s %s: %d %s", r.Method, r.URL, w.Code, w.Body)
	}
	return w
}

// PutBlob puts a blob into a repository.
func (s *Server) PutBlob(tb testing.TB, repo, digest string, raw []byte) {
	tb.Helper()
	path := "/v2/" + repo + "/blobs/uploads/?digest=" + digest
	s.direct(tb, httptest.NewRequestWithContext(tb.Context(), http.MethodPost, path, bytes.NewReader(raw)), http.StatusCreated)
}

// PutManifest puts a manifest into a repository, under a tag or its digest. It is not
// checked: a test may put there what it likes.
func (s *Server) PutManifest(tb testing.TB, repo, reference, mediaType string, raw []byte) {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPut, "/v2/"+repo+"/manifests/"+reference, bytes.NewReader(raw))
	r.Header.Set("Content-Type", mediaType)
	s.direct(tb, r, http.StatusCreated)
}

// GetManifest returns what is under a tag or digest.
func (s *Server) GetManifest(tb testing.TB, repo, reference string) []byte {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/v2/"+repo+"/manifests/"+reference, http.NoBody)
	return s.direct(tb, r, http.StatusOK).Body.Bytes()
}

// HasManifest reports whether something is under a tag or digest.
func (s *Server) HasManifest(tb testing.TB, repo, reference string) bool {
	tb.Helper()
	w := httptest.NewRecorder()
	s.inner.ServeHTTP(w, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/v2/"+repo+"/manifests/"+reference, http.NoBody))
	return w.Code == http.StatusOK
}
