package registry

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is how often one request is sent on.
const maxRedirects = 5

// guard stands before the way out, and lets nothing pass that is not allowed, whoever
// made the request: plain HTTP with a host that the settings do not name, this
// machine where the registry is elsewhere, redirects by the rules of follow. The
// handshake is another library's, which falls back to plain HTTP for private
// addresses and follows redirects by itself.
type guard struct {
	reach  *reach
	origin *url.URL // the registry; nil: where each request went first
	agent  string   // User-Agent
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(in *http.Request) (*http.Response, error) {
	if err := g.check(in); err != nil {
		if in.Body != nil {
			_ = in.Body.Close()
		}
		return nil, err
	}
	req := in.Clone(in.Context())
	req.Header.Set("User-Agent", g.agent)
	req.Header.Del("Referer")
	if req.Response != nil && !sameHost(req.URL, req.Response.Request.URL) {
		req.Header.Del("Authorization")
	}
	return g.reach.RoundTrip(req)
}

func (g *guard) check(req *http.Request) error {
	switch req.URL.Scheme {
	case "https":
	case "http":
		if !g.reach.plain(req.URL) {
			return &plainError{host: req.URL.Host}
		}
	default:
		return fmt.Errorf("%w: %s speaks no HTTP", ErrInsecure, clean(req.URL.Scheme))
	}
	origin := g.first(req)
	if err := leadsHome(origin, req.URL); err != nil {
		return err
	}
	hops := 0
	for r := req; r.Response != nil && r.Response.Request != nil; r = r.Response.Request {
		if hops++; hops > maxRedirects {
			return tooManyRedirects(hostName(origin.Host))
		}
		if err := follow(r.Response.Request.URL, r.URL); err != nil {
			return err
		}
		if r.Body != nil && r.Body != http.NoBody && !sameHost(r.URL, r.Response.Request.URL) {
			return fmt.Errorf("%w: %s sends the credentials on to %s", ErrInsecure, r.Response.Request.URL.Host, r.URL.Host)
		}
	}
	return nil
}

// first returns where a request set out.
func (g *guard) first(req *http.Request) *url.URL {
	if g.origin != nil {
		return g.origin
	}
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	return req.URL
}

func tooManyRedirects(host string) error {
	return fmt.Errorf("%s: %w: more than %d redirects", host, ErrServer, maxRedirects)
}

// follow says whether a redirect may lead from one address to another.
func follow(from, to *url.URL) error {
	if from.Scheme == "https" && to.Scheme == "http" {
		return fmt.Errorf("%w: %s leads from TLS to plain HTTP with %s", ErrInsecure, from.Host, to.Host)
	}
	return leadsHome(from, to)
}

// leadsHome refuses the way from another host to this machine, where services
// listen that trust whoever reaches them.
func leadsHome(from, to *url.URL) error {
	if isHere(to.Hostname()) && !isHere(from.Hostname()) {
		return fmt.Errorf("%w: %s leads to %s on this machine", ErrInsecure, from.Host, to.Host)
	}
	return nil
}

// sameHost reports whether two addresses have the same host and port.
func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// sameOrigin reports whether two addresses have the same scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && sameHost(a, b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return usualPort(u.Scheme)
}
