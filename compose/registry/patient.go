package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"
)

// The waits between tries: they double from the first to the last; what a registry
// asks for in Retry-After is waited for up to maxPause.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 8 * time.Second
	maxPause   = time.Minute
	answerTime = 10 // times the stall: how long a registry may think about what was pushed
)

// patience is how often something is tried again, and how long is waited.
type patience struct {
	retries  int
	stall    time.Duration
	document time.Duration // for a whole answer that is no blob
	wait     func(ctx context.Context, d time.Duration) error
	log      *slog.Logger
}

// pause waits before the n-th try after the first one; err says why, and may say how
// long. It returns err where it is not to be tried again.
func (p *patience) pause(ctx context.Context, n int, err error) error {
	if n > p.retries || ctx.Err() != nil || !passing(err) {
		return err
	}
	d := min(firstPause<<min(n-1, 8), lastPause)
	if answer, ok := errors.AsType[*Error](err); ok && answer.after > 0 {
		d = answer.after
	}
	p.log.Debug("asking again", "because", err.Error(), "after", d.String())
	if waitErr := p.wait(ctx, d); waitErr != nil {
		return waitErr
	}
	return nil
}

// passing reports whether err may be over at the next try: no connection, a cut, a
// stall, 429 and what servers say when they are busy.
func passing(err error) bool {
	if answer, ok := errors.AsType[*Error](err); ok {
		return busy(answer.Status) && answer.after <= maxPause
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok && lookup.IsNotFound {
		return false
	}
	for _, lasting := range []error{
		context.Canceled, context.DeadlineExceeded, http.ErrSchemeMismatch,
		ErrServer, ErrInsecure, ErrSize, ErrDigest, errSource,
	} {
		if errors.Is(err, lasting) {
			return false
		}
	}
	_, badCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	_, refused := errors.AsType[tls.AlertError](err)
	return !badCertificate && !noTLS && !refused
}

func busy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads how long a registry wants to be left alone: seconds, or a date,
// which counts from the date of the answer itself. 0: it says nothing.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	then, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, then.Sub(now))
}

// patient asks again what can be asked again: GET and HEAD. Each try, and each body, is
// given up when nothing comes for a while.
type patient struct {
	patience
	inner http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return p.once(req)
	}
	for n := 1; ; n++ {
		resp, err := p.once(req)
		if err == nil && !busy(resp.StatusCode) {
			return resp, nil
		}
		because := err
		if err == nil {
			because = &Error{Host: req.URL.Host, Status: resp.StatusCode, after: retryAfter(resp.Header)}
		}
		if n > p.retries || req.Context().Err() != nil || !passing(because) {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		if err := p.pause(req.Context(), n, because); err != nil {
			return nil, err
		}
	}
}

// once asks once. A body that can be had anew is had anew: whoever authorises a
// request sends it again.
func (p *patient) once(in *http.Request) (*http.Response, error) {
	kind := kindOf(in)
	w := p.watch(in.Context(), kind)
	req := in.Clone(w.ctx)
	if in.GetBody != nil {
		_ = in.Body.Close()
		body, err := in.GetBody()
		if err != nil {
			w.end()
			return nil, err
		}
		req.Body = body
	}
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &sent{ReadCloser: req.Body, watch: w}
	}
	resp, err := p.inner.RoundTrip(req)
	if err != nil {
		err = w.why(err)
		w.end()
		return nil, err
	}
	w.timer.Stop()
	r := &received{body: resp.Body, from: resp.Body, watch: w}
	if kind == handshake {
		r.from = io.LimitReader(resp.Body, maxErrorBody)
	}
	resp.Body = r
	return resp, nil
}

// kind is what a request is about: how long its answer may take, and how long it may
// be.
type kind int

const (
	handshake kind = iota // what the other library asks by itself; nobody else limits its answer
	document
	large // no limit of time while it gets on
)

// own marks the requests of ours in their context. Tokens are asked for under the same
// context, so it tells which path is meant.
type own struct {
	path string
	kind kind
}

type ownKey struct{}

func kindOf(req *http.Request) kind {
	if o, ok := req.Context().Value(ownKey{}).(own); ok && o.path == req.URL.Path {
		return o.kind
	}
	return handshake
}
