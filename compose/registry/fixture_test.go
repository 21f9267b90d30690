package registry_test

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
	"github.com/composeos/compose/spec"
)

const repo = "test/a"

// waits writes down how long would have been waited.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
	return ctx.Err()
}

func (w *waits) total() (sum time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.all {
		sum += d
	}
	return sum
}

// client makes a client that never waits.
func client(t *testing.T, o registry.Options) *registry.Client {
	t.Helper()
	if o.Wait == nil {
		o.Wait = new(waits).wait
	}
	c, err := registry.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fixedBytes are n bytes that repeat late.
func fixedBytes(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i*7 + i>>8)
	}
	return out
}

func descOf(raw []byte) v1.Descriptor {
	h, _, _ := v1.SHA256(strings.NewReader(string(raw)))
	return v1.Descriptor{MediaType: types.OCILayer, Size: int64(len(raw)), Digest: h}
}

// putBlob puts n bytes into a registry.
func putBlob(t *testing.T, s *registrytest.Server, n int) ([]byte, v1.Descriptor) {
	t.Helper()
	raw := fixedBytes(n)
	d := descOf(raw)
	s.PutBlob(t, repo, d.Digest.String(), raw)
	return raw, d
}

func ref(t *testing.T, s string) spec.Ref {
	t.Helper()
	r, err := spec.ParseRef(s, "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fetch reads a blob to its end.
func fetch(t *testing.T, c *registry.Client, name string, d v1.Descriptor) ([]byte, error) {
	t.Helper()
	r, err := c.Blob(t.Context(), name, d, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// keychain has credentials by host.
type keychain map[string]authn.AuthConfig

func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if c, ok := k[r.RegistryStr()]; ok {
		return authn.FromConfig(c), nil
	}
	return authn.Anonymous, nil
}

// world is a proxy behind which all hosts of the world are servers of the test: it
// makes names that are not loopback reachable.
type world map[string]string // host and port of the world → 127.0.0.1:PORT

func (w world) proxy(t *testing.T) func(*url.URL) (*url.URL, error) {
	t.Helper()
	hs := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		to, ok := w[r.Host]
		if !ok {
			http.Error(rw, "no such host in the world", http.StatusBadGateway)
			return
		}
		conn, err := new(net.Dialer).DialContext(r.Context(), "tcp", to)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		defer conn.Close()
		if r.Method != http.MethodConnect {
			r.Header.Set("Connection", "close")
			if r.Write(conn) == nil {
				answer(rw, r, conn)
			}
			return
		}
		rw.WriteHeader(http.StatusOK)
		client, buffered, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		go func() {
			_, _ = io.Copy(conn, buffered)
			_ = conn.Close()
		}()
		_, _ = io.Copy(client, conn)
	}))
	t.Cleanup(hs.Close)
	u, err := url.Parse(hs.URL)
	if err != nil {
		t.Fatal(err)
	}
	return func(*url.URL) (*url.URL, error) { return u, nil }
}

func answer(rw http.ResponseWriter, r *http.Request, conn net.Conn) {
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	maps.Copy(rw.Header(), resp.Header)
	rw.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(rw, resp.Body)
}
