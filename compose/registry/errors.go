package registry

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// What can be wrong, for errors.Is. Where mirrors were asked too, it is what the
// registry itself said.
var (
	ErrNotFound     = errors.New("not found")                      // 404
	ErrUnauthorized = errors.New("not authorised")                 // 401, 403: credentials are wrong or missing
	ErrTooMany      = errors.New("too many requests")              // 429, to the last try
	ErrServer       = errors.New("the registry answers wrongly")   // any other status to the last try, or nonsense
	ErrIncomplete   = errors.New("incomplete")                     // cut or stalled, to the last try
	ErrInsecure     = errors.New("the connection is not allowed")  // plain HTTP, or a redirect to where none may lead
	ErrSize         = errors.New("wrong size")                     // not the descriptor's, or above the limit
	ErrDigest       = errors.New("wrong digest")                   // the bytes are not what was asked for
	ErrPlain        = errors.New("plain HTTP")                     // an ErrInsecure: a host wants it that nobody named
	ErrTLS          = errors.New("it may want TLS")                // it was asked over plain HTTP, and says 400
	ErrCertificate  = errors.New("its certificate is not trusted") // it is by an unknown authority
)

// Error is an answer that says no. It wraps the sentinel of its status.
type Error struct {
	Host   string // who answered
	Status int    // of HTTP
	As     string // "anonymous" or "as USER", with 401 and 403
	Says   string // the registry's own words, at most 200 bytes without control characters; may be ""

	after time.Duration // from Retry-After; 0: not said
}

// Error returns the answer in one line, without any credentials.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s answers %d %s", e.Host, e.Status, http.StatusText(e.Status))
	if e.As != "" {
		s += " (" + e.As + ")"
	}
	if e.Says != "" {
		s += ": " + e.Says
	}
	if e.after > maxPause {
		s += fmt.Sprintf(" (ask again after %s)", e.after)
	}
	return s
}

// Unwrap returns the sentinel of the status.
func (e *Error) Unwrap() error {
	switch e.Status {
	case http.StatusNotFound, http.StatusGone:
		return ErrNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrUnauthorized
	case http.StatusTooManyRequests:
		return ErrTooMany
	}
	return ErrServer
}

// maxSays is how much of a registry's words is shown, maxErrorBody how much is read
// of an answer that says no, in bytes.
const (
	maxSays      = 200
	maxErrorBody = 64 << 10
)

// answerError turns an answer that says no into an error, and closes it. as says with
// which credentials it was asked for.
func answerError(resp *http.Response, as string) error {
	defer resp.Body.Close()
	e := &Error{Host: hostName(resp.Request.URL.Host), Status: resp.StatusCode, after: retryAfter(resp.Header)}
	if errors.Is(e, ErrUnauthorized) {
		e.As = as
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return e // the status says enough
	}
	e.Says = clean(withoutSecrets(words(resp.Header.Get("Content-Type"), body), resp.Request.Header))
	return e
}

// words picks what is meant for people out of an answer; see distribution-spec,
// "Error Codes".
func words(contentType string, body []byte) string {
	var answer struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(body, &answer) == nil {
		var all []string
		for _, e := range answer.Errors {
			text := e.Message
			if text == "" {
				text = e.Code
			}
			if text != "" && !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
		return strings.Join(all, "; ")
	}
	if kind, _, err := mime.ParseMediaType(contentType); err == nil && kind == "text/plain" {
		return string(body)
	}
	return ""
}

// withoutSecrets takes what the request was authorised with out of an answer that
// repeats it.
func withoutSecrets(text string, header http.Header) string {
	_, secret, ok := strings.Cut(header.Get("Authorization"), " ")
	if !ok || secret == "" {
		return text
	}
	text = strings.ReplaceAll(text, secret, "…")
	if basic, err := base64.StdEncoding.DecodeString(secret); err == nil {
		if _, password, ok := strings.Cut(string(basic), ":"); ok && password != "" {
			text = strings.ReplaceAll(text, password, "…")
		}
	}
	return text
}

// clean makes one line of a stranger's text: at most maxSays bytes, nothing that
// steers a terminal.
func clean(text string) string {
	if len(text) > 4*maxSays {
		text = text[:4*maxSays]
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || unicode.Is(unicode.Cf, r):
			return '?'
		case unicode.IsControl(r) || unicode.IsSpace(r):
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxSays {
		return text
	}
	cut := maxSays - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// wayError puts into words what went wrong on the way to the registry: no answer, or a
// handshake that failed.
func (s *session) wayError(err error) error {
	return s.wayErrorAt(s.host(), err)
}

// wayErrorAt is wayError for a host that the registry led to.
func (s *session) wayErrorAt(host string, err error) error {
	host = hostName(host)
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		e, plain := handshakeAnswer(host, s.as, answer)
		return handshakeError(host, err, e, plain)
	}
	plain, refused := errors.AsType[*plainError](err)
	mismatch := errors.Is(err, http.ErrSchemeMismatch)
	switch {
	case mismatch && (refused || !s.allowed):
		return &plainError{host: host}
	case refused && plain.host != host:
		return plain
	case strings.Contains(err.Error(), "no token in bearer response"):
		return fmt.Errorf("%s: %w: the token server sends no token", host, ErrServer) // its answer is not for eyes
	}
	if where, ok := errors.AsType[*url.Error](err); ok && !mismatch && !refused {
		err = where.Err // its own text has the whole URL
	}
	return fmt.Errorf("%s: %w", host, err)
}

// handshakeError is what a host answers to the handshake. With loopback hosts it is
// made over TLS and then over plain HTTP: where a certificate that is not trusted
// forbids the first, the answer to the second says nothing.
func handshakeError(host string, err error, answer *Error, plain bool) error {
	where, ok := errors.AsType[*url.Error](err)
	if ok {
		if _, bad := errors.AsType[*tls.CertificateVerificationError](where); bad {
			return fmt.Errorf("%s: %w; without TLS: %w", host, where.Err, answer)
		}
	}
	if plain && answer.Status == http.StatusBadRequest && answer.Says == "" {
		return fmt.Errorf("%w; %w", answer, ErrTLS)
	}
	return answer
}

// handshakeAnswer is an answer that another library has read.
func handshakeAnswer(host, as string, answer *transport.Error) (e *Error, plain bool) {
	e = &Error{Host: host, Status: answer.StatusCode}
	if answer.Request != nil {
		e.Host, plain = hostName(answer.Request.URL.Host), answer.Request.URL.Scheme == "http"
	}
	if errors.Is(e, ErrUnauthorized) {
		e.As = as
	}
	var all []string
	for _, d := range answer.Errors {
		all = append(all, d.Message)
	}
	e.Says = strings.Join(all, "; ")
	if answer.Request != nil {
		e.Says = withoutSecrets(e.Says, answer.Request.Header)
	}
	e.Says = clean(e.Says)
	return e, plain
}

// plainError says that a host was asked over plain HTTP, or answers nothing else.
type plainError struct{ host string }

// Error names the host.
func (e *plainError) Error() string { return e.host + " wants plain HTTP" }

// Unwrap returns ErrInsecure and ErrPlain.
func (e *plainError) Unwrap() []error { return []error{ErrInsecure, ErrPlain} }
