package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
)

// ask is a request for something of a repository.
type ask struct {
	method string
	path   string // below the repository's: "manifests/latest"
	header http.Header
	to     *url.URL                      // instead of path: where an answer said to go
	home   bool                          // of to: it is the registry itself, which gets the credentials
	body   func() (io.ReadCloser, error) // nil: none; called again when it is sent again
	size   int64                         // of the body
	large  bool                          // the answer is a blob, which may take its time
}

// do sends a request and follows redirects. An answer with another status than those
// wanted is an error, an [Error]. The answer's body is for the caller to close.
func (s *session) do(ctx context.Context, a ask, want ...int) (*http.Response, error) {
	resp, own, err := s.send(ctx, a)
	if err != nil {
		return nil, err
	}
	if slices.Contains(want, resp.StatusCode) {
		return resp, nil
	}
	as := s.as
	if !own {
		as = anonymous
	}
	return nil, answerError(resp, as)
}

// send also says whether the answer is the registry's own. Credentials go only there:
// once a redirect has left the host, its port or its scheme, they stay behind.
func (s *session) send(ctx context.Context, a ask) (*http.Response, bool, error) {
	u := s.address(a)
	home := a.to == nil || a.home
	for n := 0; ; n++ {
		resp, err := s.once(ctx, a, u, home)
		if err != nil {
			return nil, false, err
		}
		next, err := redirect(resp, a.method)
		if err != nil || next == nil {
			return resp, home, err
		}
		_ = resp.Body.Close()
		if n == maxRedirects {
			return nil, false, tooManyRedirects(s.host())
		}
		home = home && sameOrigin(resp.Request.URL, next)
		u = next
	}
}

// address is where a request goes first. The scheme of the registry's own is what the
// handshake found, whatever stands here.
func (s *session) address(a ask) *url.URL {
	if a.to != nil {
		return a.to
	}
	return &url.URL{Scheme: "https", Host: s.host(), Path: "/v2/" + s.place.repo.RepositoryStr() + "/" + a.path}
}

func (s *session) once(ctx context.Context, a ask, u *url.URL, home bool) (*http.Response, error) {
	mark := own{path: u.Path, kind: document}
	if a.large || a.body != nil {
		mark.kind = large
	}
	req, err := http.NewRequestWithContext(context.WithValue(ctx, ownKey{}, mark), a.method, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.host(), ErrServer)
	}
	if a.header != nil {
		req.Header = a.header.Clone()
	}
	if a.body != nil {
		req.GetBody = a.body
		req.ContentLength = a.size
	}
	way := s.bare
	if home {
		way = s.auth
	}
	resp, err := way.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if home && unreachable(err) {
			s.health.set(s.wayError(err))
		}
		return nil, s.wayErrorAt(u.Host, err)
	}
	return resp, nil
}

// redirect returns where an answer leads to, nil if it is no redirect. Where it may
// not lead is an error, and the answer is closed.
func redirect(resp *http.Response, method string) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if method != http.MethodGet && method != http.MethodHead {
			return nil, nil // an answer that says no
		}
	default:
		return nil, nil
	}
	next, err := location(resp)
	if err != nil {
		_ = resp.Body.Close()
	}
	return next, err
}

// location reads where an answer says to go, and checks that it may lead there.
func location(resp *http.Response) (*url.URL, error) {
	from := resp.Request.URL
	text := resp.Header.Get("Location")
	next, err := from.Parse(text)
	if err != nil || text == "" || next.Host == "" {
		return nil, fmt.Errorf("%s: %w: it leads nowhere (Location)", from.Host, ErrServer)
	}
	if err := follow(from, next); err != nil {
		return nil, err
	}
	next.User, next.Fragment = nil, ""
	return next, nil
}
