package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// errSource says that what was to be pushed cannot be read, or is not what its
// descriptor says. Nobody is asked again for it.
var errSource = errors.New("what is pushed")

// blob uploads a blob that is not there: POST for a session, then one PUT with all of
// it; see distribution-spec, "Pushing a blob monolithically". Each try is from its
// start.
func (p *push) blob(ctx context.Context, b Upload) error {
	there, err := p.isThere(ctx, b)
	if err != nil || there {
		return err
	}
	add, done := p.client.progress(p.repo+"@"+b.Desc.Digest.String(), b.Desc.Size)
	defer done()
	count := upTo(add)
	err = p.client.repeat(ctx, func() error { return p.upload(ctx, b, count) })
	if err != nil {
		return fmt.Errorf("blob %s: %w", b.Desc.Digest, err)
	}
	return nil
}

// upTo tells add only how far it never got before: a try starts again, and the one
// before may still be reading.
func upTo(add func(int64)) func(at int64) {
	var mu sync.Mutex
	var told int64
	return func(at int64) {
		mu.Lock()
		defer mu.Unlock()
		if at > told {
			add(at - told)
			told = at
		}
	}
}

func (p *push) isThere(ctx context.Context, b Upload) (bool, error) {
	resp, err := p.session.do(ctx, ask{method: http.MethodHead, path: "blobs/" + b.Desc.Digest.String()}, http.StatusOK)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("blob %s: %w", b.Desc.Digest, err)
	}
	return true, resp.Body.Close()
}

func (p *push) upload(ctx context.Context, b Upload, count func(at int64)) error {
	resp, err := p.session.do(ctx, ask{method: http.MethodPost, path: "blobs/uploads/"}, http.StatusAccepted)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	to, err := location(resp)
	if err != nil {
		return err
	}
	from := resp.Request.URL
	home := sameOrigin(from, to) && sameHost(from, &url.URL{Scheme: from.Scheme, Host: p.session.host()})
	query := "digest=" + b.Desc.Digest.String()
	to.RawQuery = strings.TrimPrefix(to.RawQuery+"&"+query, "&") // the rest is the registry's, as it stands
	resp, err = p.session.do(ctx, ask{
		method: http.MethodPut, to: to, home: home,
		header: http.Header{"Content-Type": {"application/octet-stream"}},
		body: func() (io.ReadCloser, error) {
			r, err := b.Open()
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errSource, err)
			}
			return &source{r: r, size: b.Desc.Size, count: count}, nil
		},
		size: b.Desc.Size,
	}, http.StatusCreated)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// source is the body of an upload: exactly as long as its descriptor says.
type source struct {
	r     io.ReadCloser
	at    int64
	size  int64
	count func(at int64)
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.at += int64(n)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return n, fmt.Errorf("%w: %w", errSource, err)
	case s.at > s.size || err != nil && s.at < s.size:
		return 0, fmt.Errorf("%w: %w: has not %d bytes", errSource, ErrSize, s.size)
	}
	s.count(s.at)
	return n, err
}

// Close implements io.Closer.
func (s *source) Close() error { return s.r.Close() }
