package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// place is a repository at a registry or at one of its mirrors.
type place struct {
	repo   name.Repository
	mirror bool
}

// places lists where a repository is found: the mirrors in the order of the
// settings, then the registry itself.
func (c *Client) places(repo string) ([]place, error) {
	host, path, ok := strings.Cut(repo, "/")
	if !ok || path == "" {
		return nil, fmt.Errorf("%q is not a repository of a registry", repo)
	}
	var all []place
	for _, mirror := range c.reach.hosts[strings.ToLower(host)].Mirrors {
		mirrorHost, prefix, _ := strings.Cut(mirror, "/")
		p, err := c.place(mirrorHost, strings.TrimPrefix(prefix+"/"+path, "/"))
		if err != nil {
			return nil, fmt.Errorf("mirror %s: %w", mirror, err)
		}
		p.mirror = true
		all = append(all, p)
	}
	p, err := c.place(host, path)
	if err != nil {
		return nil, err
	}
	return append(all, p), nil
}

func (c *Client) place(host, path string) (place, error) {
	var options []name.Option
	if c.reach.plain(&url.URL{Scheme: "http", Host: host}) {
		options = append(options, name.Insecure) // TLS is tried first all the same
	}
	registry, err := name.NewRegistry(host, options...)
	if err != nil {
		return place{}, err
	}
	return place{repo: registry.Repo(path)}, nil
}

// session is the way to one repository, authorised. All requests for it share one.
type session struct {
	place   place
	health  *health
	as      string // "anonymous" or "as USER"
	allowed bool   // plain HTTP may be spoken
	auth    http.RoundTripper
	bare    http.RoundTripper // without credentials, for other hosts
}

// seat holds a session: who comes first makes it while the others wait.
type seat struct {
	turn    chan struct{} // full while somebody makes it
	session *session
	down    error // what did not work, to the last try, is not asked again
}

// health is what became of a host: one that nobody can connect to, to the last try, is
// not waited for again, whichever repository is asked for.
type health struct {
	mu   sync.Mutex
	down error
}

func (h *health) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = err
}

func (h *health) get() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.down
}

// unreachable reports whether err says that there was no connection at all: refused,
// no way, no such name, of the host or its proxy.
func unreachable(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// session returns the session for a place, for pulling or for pushing too.
func (c *Client) session(ctx context.Context, p place, scope string) (*session, error) {
	st, h := c.seat(p, scope)
	select {
	case st.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-st.turn }()
	if err := h.get(); err != nil {
		return nil, err
	}
	if st.session != nil || st.down != nil {
		return st.session, st.down
	}
	s, err := c.handshake(ctx, p, scope)
	if err != nil {
		if ctx.Err() == nil {
			st.down = err
		}
		if ctx.Err() == nil && (unreachable(err) || stallOf(err) != nil) {
			h.set(err)
		}
		return nil, err
	}
	s.health = h
	st.session = s
	return s, nil
}

func (c *Client) seat(p place, scope string) (*seat, *health) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, host := p.repo.Name()+"|"+scope, strings.ToLower(p.repo.RegistryStr())
	if c.seats[key] == nil {
		c.seats[key] = &seat{turn: make(chan struct{}, 1)}
	}
	if c.hosts[host] == nil {
		c.hosts[host] = &health{}
	}
	return c.seats[key], c.hosts[host]
}

// handshake asks the registry how it wants to be asked, and authorises.
func (c *Client) handshake(ctx context.Context, p place, scope string) (*session, error) {
	registry := p.repo.Registry
	host := registry.RegistryStr()
	auth, as, err := c.credentials(ctx, p.repo)
	if err != nil {
		return nil, fmt.Errorf("credentials for %s: %w", p.host(), err)
	}
	origin := &url.URL{Scheme: "https", Host: host}
	bare := &patient{patience: c.patience, inner: &guard{reach: c.reach, origin: origin, agent: c.agent}}
	s := &session{place: p, as: as, bare: bare, allowed: c.reach.plain(&url.URL{Scheme: "http", Host: host})}
	s.auth, err = transport.NewWithContext(ctx, registry, auth, bare, []string{p.repo.Scope(scope)})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, s.wayError(err)
	}
	return s, nil
}

// credentials returns what is configured for that repository's host, and how to call
// it.
func (c *Client) credentials(ctx context.Context, repo name.Repository) (authn.Authenticator, string, error) {
	if c.keychain == nil {
		return authn.Anonymous, anonymous, nil
	}
	auth, err := authn.Resolve(ctx, c.keychain, repo)
	if err != nil {
		return nil, "", err
	}
	if auth == authn.Anonymous {
		return auth, anonymous, nil
	}
	config, err := authn.Authorization(ctx, auth)
	switch {
	case err != nil:
		return nil, "", err
	case config == nil:
		return nil, "", errors.New("the keychain has none and does not say so")
	case config.Username != "":
		return auth, "as " + clean(config.Username), nil
	case *config == authn.AuthConfig{}:
		return authn.Anonymous, anonymous, nil
	}
	return auth, "with a token", nil
}

const anonymous = "anonymous"

// host is the registry or mirror that the session is with.
func (s *session) host() string { return s.place.host() }

func (p place) host() string { return hostName(p.repo.RegistryStr()) }

// hostName is the name that the settings and image names have for a host.
func hostName(host string) string {
	if host == name.DefaultRegistry {
		return dockerHub
	}
	return host
}
