package registry

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// place is a registry on the loopback, without TLS and without credentials.
type place struct {
	host    string // 127.0.0.1:PORT
	handler http.Handler
}

// everywhere runs a test on each of the registries.
func everywhere(t *testing.T, test func(t *testing.T, p *place)) {
	program(t)
	t.Run("go-containerregistry", func(t *testing.T) {
		t.Parallel()
		test(t, inProcess(t))
	})
	t.Run("docker-registry", func(t *testing.T) {
		t.Parallel()
		test(t, debians(t))
	})
}

// inProcess starts go-containerregistry's registry, which lists referrers.
func inProcess(t *testing.T) *place {
	t.Helper()
	p := &place{handler: registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))}
	s := httptest.NewServer(p.handler)
	t.Cleanup(s.Close)
	p.host = s.Listener.Addr().String()
	return p
}

// configuration of docker-registry: a folder, an address.
const configuration = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}
http: {addr: %q, relativeurls: true}
`

// debians starts Debian's docker-registry, which lists no referrers.
func debians(t *testing.T) *place {
	t.Helper()
	need(t, "docker-registry")
	dir := t.TempDir()
	for range 5 {
		if host := startDebians(t, dir, free(t)); host != "" {
			target := &url.URL{Scheme: "http", Host: host}
			return &place{host, httputil.NewSingleHostReverseProxy(target)}
		}
	}
	t.Fatal("docker-registry does not start")
	return nil
}

// free is an address at which nobody listens, at this moment.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startDebians starts a docker-registry, and waits until it answers. It returns
// nothing where it has ended, because somebody else was faster to take the port.
func startDebians(t *testing.T, dir, host string) string {
	t.Helper()
	config := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, configuration, filepath.Join(dir, "data"), host), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "docker-registry", "serve", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	late := time.After(patience)
	for {
		if answer, err := http.Get("http://" + host + "/v2/"); err == nil {
			answer.Body.Close()
			return host
		}
		select {
		case <-ended:
			t.Logf("docker-registry: %s", said)
			return ""
		case <-late:
			t.Fatal("docker-registry does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// request is one that came to a front.
type request struct {
	method, path, between string // between is the Range header
	status                int
	sent                  int64 // bytes of the body
}

// front stands before a registry: it writes down what is asked for, and may answer
// itself.
type front struct {
	host string

	mu    sync.Mutex
	done  *sync.Cond // a request has been answered
	open  int        // requests that are not
	place *place
	asked []request
	fault func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
}

// before opens a front before a registry.
func before(t *testing.T, p *place) *front {
	t.Helper()
	f := &front{place: p}
	f.done = sync.NewCond(&f.mu)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &counted{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.open--
			f.done.Broadcast()
			f.asked = append(f.asked, request{r.Method, r.URL.Path, r.Header.Get("Range"), seen.status, seen.sent})
		}()
		f.mu.Lock()
		f.open++
		fault, behind := f.fault, f.place
		f.mu.Unlock()
		if fault == nil || !fault(seen, r) {
			behind.handler.ServeHTTP(seen, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	f.host = s.Listener.Addr().String()
	return f
}

// breaks has the front answer itself, where the fault does, from now on; nil ends it.
func (f *front) breaks(fault func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// moves has the front stand before another registry from now on.
func (f *front) moves(p *place) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.place = p
}

// forget returns what was asked for since the last time, once nothing is asked any more:
// somebody who was killed is told of later.
func (f *front) forget() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.open > 0 {
		f.done.Wait()
	}
	asked := slices.Clone(f.asked)
	f.asked = nil
	return asked
}

// counted is an answer whose bytes are counted.
type counted struct {
	http.ResponseWriter
	status int
	sent   int64
}

// WriteHeader implements http.ResponseWriter.
func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.sent += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }
