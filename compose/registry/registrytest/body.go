package registrytest

import (
	"net/http"
	"time"
)

// What happens at the limit of a bad body.
const (
	goOn = iota
	hangUp
	wait
	swallow
)

// badBody is an answer that something is wrong with.
type badBody struct {
	http.ResponseWriter
	request       *http.Request
	header, value string // replaced; value "": taken away
	end           int    // what happens after limit bytes
	limit         int64
	drip          bool
	every         time.Duration // between bytes, with drip
	over          bool          // the connection is gone
	sent          int64
	begun         bool
}

func body(set func(*badBody)) Fault {
	return around(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		b := &badBody{ResponseWriter: w, request: r}
		set(b)
		if b.end == hangUp && b.limit < 0 {
			b.hangUp()
			return
		}
		next.ServeHTTP(b, r)
		if !b.over && b.end == hangUp && b.sent == b.limit {
			b.hangUp()
		}
	})
}

// WriteHeader implements http.ResponseWriter.
func (b *badBody) WriteHeader(code int) {
	b.begun = true
	if b.header != "" {
		b.Header().Del(b.header)
	}
	if b.value != "" {
		b.Header().Set(b.header, b.value)
	}
	b.ResponseWriter.WriteHeader(code)
	if b.header == "Content-Length" && b.value == "" {
		b.flush() // or the server counts by itself
	}
}

// Write implements http.ResponseWriter. It pretends to have written all.
func (b *badBody) Write(p []byte) (int, error) {
	all := len(p)
	if !b.begun {
		b.WriteHeader(http.StatusOK)
	}
	if b.over {
		return all, nil
	}
	if b.end != goOn {
		p = p[:min(int64(len(p)), b.limit-b.sent)]
	}
	b.sent += int64(len(p))
	step := max(1, len(p))
	if b.drip {
		step = 1
	}
	for ; len(p) > 0; p = p[step:] {
		step = min(step, len(p))
		if _, err := b.ResponseWriter.Write(p[:step]); err != nil {
			return all, nil // it lies about its size: the rest finds no room
		}
		if b.drip {
			b.flush()
			b.pause()
		}
	}
	switch {
	case b.end == goOn || b.end == swallow || b.sent < b.limit:
	case b.end == hangUp:
		b.hangUp()
	case b.end == wait:
		b.flush()
		<-b.request.Context().Done()
		b.over = true
	}
	return all, nil
}

// pause waits for the next byte's time, or until the client goes.
func (b *badBody) pause() {
	if b.every == 0 {
		return
	}
	select {
	case <-time.After(b.every):
	case <-b.request.Context().Done():
	}
}

func (b *badBody) flush() {
	_ = http.NewResponseController(b.ResponseWriter).Flush()
}

func (b *badBody) hangUp() {
	b.over = true
	if b.sent > 0 || b.limit == 0 {
		b.flush()
	}
	conn, _, err := http.NewResponseController(b.ResponseWriter).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// Unwrap is for http.ResponseController.
func (b *badBody) Unwrap() http.ResponseWriter { return b.ResponseWriter }
