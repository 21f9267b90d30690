package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/composeos/compose/compose/registry"
	"github.com/composeos/compose/compose/registry/registrytest"
	"github.com/composeos/compose/spec"
)

// TestBlobCutAtEveryByte cuts one blob after every number of bytes, once with and once
// without ranges, and always after some.
func TestBlobCutAtEveryByte(t *testing.T) {
	s := registrytest.New(t)
	raw, d := putBlob(t, s, 300)
	c := client(t, registry.Options{})
	for n := int64(-1); n <= d.Size; n++ {
		s.Fault(registrytest.On(registrytest.Blobs, registrytest.First(1, registrytest.Cut(n))))
		if got, err := fetch(t, c, s.Host+"/"+repo, d); err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("cut once after %d: %d bytes, %v", n, len(got), err)
		}
		s.Fault(registrytest.On(registrytest.Blobs, registrytest.NoRange()), registrytest.On(registrytest.Blobs, registrytest.First(1, registrytest.Cut(n))))
		if got, err := fetch(t, c, s.Host+"/"+repo, d); err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("cut once after %d, no ranges: %d bytes, %v", n, len(got), err)
		}
		if n%7 != 1 {
			continue // many connections each
		}
		s.Forget()
		s.Fault(registrytest.On(registrytest.Blobs, registrytest.Cut(n)))
		if got, err := fetch(t, c, s.Host+"/"+repo, d); err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("cut always after %d: %d bytes, %v", n, len(got), err)
		}
		if asked, want := int64(len(s.Asked("GET", "/blobs/"))), (d.Size+n-1)/n; asked > want+1 {
			t.Fatalf("cut always after %d: asked %d times, want %d", n, asked, want)
		}
	}
}

// TestBlobFrom starts at every byte, as a fetch does that was killed.
func TestBlobFrom(t *testing.T) {
	s := registrytest.New(t)
	raw, d := putBlob(t, s, 300)
	c := client(t, registry.Options{})
	for from := int64(0); from <= d.Size; from++ {
		s.Forget()
		r, err := c.Blob(t.Context(), s.Host+"/"+repo, d, from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, raw[from:]) {
			t.Fatalf("from %d: %d bytes, %v", from, len(got), err)
		}
		r.Close()
		for _, a := range s.Asked("GET", "/blobs/") {
			if want := fmt.Sprintf("bytes=%d-299", from); from > 0 && a.Range != want {
				t.Fatalf("from %d: range %q, want %q", from, a.Range, want)
			}
		}
		if n := len(s.Asked("GET", "/blobs/")); n != 1 && from < d.Size || n != 0 && from == d.Size {
			t.Fatalf("from %d: asked %d times", from, n)
		}
	}
	for _, from := range []int64{-1, 301} {
		if _, err := c.Blob(t.Context(), s.Host+"/"+repo, d, from); !errors.Is(err, registry.ErrSize) {
			t.Errorf("from %d: %v", from, err)
		}
	}
}

// TestBlobBad fetches a blob of 300 bytes from registries that behave badly.
func TestBlobBad(t *testing.T) {
	blobs := func(f ...registrytest.Fault) (out []registrytest.Fault) {
		for _, f := range f {
			out = append(out, registrytest.On(registrytest.Blobs, f))
		}
		return out
	}
	cut := registrytest.Cut(100)
	for name, test := range map[string]struct {
		faults []registrytest.Fault
		want   error  // nil: it comes whole
		words  string // in the error
		most   int    // how often it may be asked for
	}{
		"good":                      {nil, nil, "", 1},
		"slow":                      {blobs(registrytest.Drip()), nil, "", 1},
		"chunked":                   {blobs(registrytest.Chunked()), nil, "", 1},
		"stalls once":               {blobs(registrytest.First(1, registrytest.Stall(120))), nil, "", 6},
		"stalls always, with some":  {blobs(registrytest.Stall(120)), nil, "", 6},
		"stalls always":             {blobs(registrytest.Stall(0)), registry.ErrIncomplete, "nothing came for", 5},
		"ends early, chunked":       {blobs(registrytest.Short(120)), nil, "", 3},
		"ends at once, chunked":     {blobs(registrytest.Short(0)), registry.ErrIncomplete, "0 of 300 bytes", 5},
		"longer, chunked":           {blobs(registrytest.Long(1)), registry.ErrSize, "more than 300 bytes", 1},
		"endless":                   {blobs(registrytest.Long(-1)), registry.ErrSize, "more than 300 bytes", 1},
		"announces less":            {blobs(registrytest.Header("Content-Length", "299")), registry.ErrSize, "announces 299 bytes, want 300", 1},
		"announces more":            {blobs(registrytest.Header("Content-Length", "301")), registry.ErrSize, "announces 301 bytes, want 300", 1},
		"announces very much":       {blobs(registrytest.Header("Content-Length", "9000000000000000000")), registry.ErrSize, "announces 9000000000000000000 bytes", 1},
		"other bytes, another size": {blobs(registrytest.Answer("x/y", []byte("no"))), registry.ErrSize, "announces 2 bytes", 1},
		"encoded":                   {blobs(registrytest.Header("Content-Encoding", "gzip")), registry.ErrServer, "encoded as gzip", 1},
		"no ranges, cut twice":      {blobs(registrytest.NoRange(), registrytest.First(2, cut)), nil, "", 3},
		"no ranges, cut always":     {blobs(registrytest.NoRange(), cut), registry.ErrIncomplete, "100 of 300 bytes", 6},
		"another range":             {blobs(registrytest.First(1, cut), registrytest.Header("Content-Range", "bytes 99-298/300")), nil, "", 3},
		"a range of another size":   {blobs(registrytest.First(1, cut), registrytest.Header("Content-Range", "bytes 100-300/301")), registry.ErrSize, "announces 301 bytes, want 300", 2},
		"no range said":             {blobs(registrytest.First(1, cut), registrytest.On(hasRange, registrytest.Header("Content-Range", ""))), nil, "", 3},
		"ranges refused":            {blobs(registrytest.First(1, cut), registrytest.On(hasRange, registrytest.Status(416, "no"))), nil, "", 3},
		"drops the connection":      {blobs(registrytest.First(3, registrytest.Cut(-1))), nil, "", 4},
		"drops it always":           {blobs(registrytest.Cut(-1)), io.EOF, "", 6},
		"500 thrice":                {blobs(registrytest.First(3, registrytest.Status(500, "oh"))), nil, "", 4},
		"500":                       {blobs(registrytest.Status(500, "oh")), registry.ErrServer, "answers 500 Internal Server Error: oh", 5},
		"502":                       {blobs(registrytest.Status(502, "oh")), registry.ErrServer, "502 Bad Gateway", 5},
		"503":                       {blobs(registrytest.Status(503, "oh")), registry.ErrServer, "503 Service Unavailable", 5},
		"504":                       {blobs(registrytest.Status(504, "oh")), registry.ErrServer, "504 Gateway Timeout", 5},
		"501":                       {blobs(registrytest.Status(501, "oh")), registry.ErrServer, "501 Not Implemented", 1},
		"418":                       {blobs(registrytest.Status(418, "oh")), registry.ErrServer, "418", 1},
		"401":                       {blobs(registrytest.Status(401, "log in")), registry.ErrUnauthorized, "401 Unauthorized (anonymous): log in", 1},
		"403":                       {blobs(registrytest.Status(403, "not you")), registry.ErrUnauthorized, "403 Forbidden (anonymous): not you", 1},
		"404":                       {blobs(registrytest.Status(404, "gone")), registry.ErrNotFound, "404 Not Found: gone", 1},
		"429":                       {blobs(registrytest.Status(429, "slowly")), registry.ErrTooMany, "429 Too Many Requests: slowly", 5},
		"429 twice":                 {blobs(registrytest.First(2, registrytest.Status(429, "slowly"))), nil, "", 3},
		"500 in the middle":         {blobs(registrytest.First(1, cut), registrytest.First(2, registrytest.Status(500, "oh"))), nil, "", 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			raw, d := putBlob(t, s, 300)
			s.Fault(test.faults...)
			c := client(t, registry.Options{Stall: stallOf(name)})
			got, err := fetch(t, c, s.Host+"/"+repo, d)
			check(t, err, test.want, test.words)
			if test.want == nil && !bytes.Equal(got, raw) {
				t.Errorf("other bytes: %d", len(got))
			}
			if n := len(s.Asked("GET", "/blobs/")); n > test.most {
				t.Errorf("asked %d times, at most %d", n, test.most)
			}
		})
	}
}

// stallOf is short only for the cases that are about it: the machine may be busy.
func stallOf(name string) time.Duration {
	if strings.Contains(name, "stall") {
		return 50 * time.Millisecond
	}
	return time.Minute
}

func hasRange(r *http.Request) bool { return r.Header.Get("Range") != "" }

// check compares an error with a sentinel and words; nil wants none.
func check(t *testing.T, err, want error, words string) {
	t.Helper()
	switch {
	case want == nil && err != nil:
		t.Errorf("error: %v", err)
	case want != nil && !errors.Is(err, want):
		t.Errorf("error: %v, want %v", err, want)
	case want != nil && !strings.Contains(err.Error(), words):
		t.Errorf("error: %v, want words %q", err, words)
	case err != nil && strings.ContainsAny(err.Error(), "\n\x1b"):
		t.Errorf("error of more than a line: %q", err)
	}
}

// TestBlobNeverForever lets a registry give a byte a connection: in the end it is left.
func TestBlobNeverForever(t *testing.T) {
	s := registrytest.New(t)
	_, d := putBlob(t, s, 2000)
	s.Fault(registrytest.On(registrytest.Blobs, registrytest.Cut(1)))
	w := &waits{}
	got, err := fetch(t, client(t, registry.Options{Wait: w.wait}), s.Host+"/"+repo, d)
	check(t, err, registry.ErrIncomplete, "of 2000 bytes")
	if len(got) == 0 || len(got) > 1001 {
		t.Errorf("%d bytes", len(got))
	}
}

// TestBlobClosed reads no more of a blob that is closed before its end.
func TestBlobClosed(t *testing.T) {
	s := registrytest.New(t)
	_, d := putBlob(t, s, 300)
	c := client(t, registry.Options{Progress: func(string, int64) (func(int64), func()) {
		t.Error("a download is told of as a push")
		return func(int64) {}, func() {}
	}})
	r, err := c.Blob(t.Context(), s.Host+"/"+repo, d, 50)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, r, 100); err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	r.Close()
	r.Close()
	if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("reads on when closed: %v", err)
	}
}

// TestBlobCancelled ends at once, while it waits for bytes and while it waits to try
// again.
func TestBlobCancelled(t *testing.T) {
	s := registrytest.New(t)
	_, d := putBlob(t, s, 300)
	for name, fault := range map[string]registrytest.Fault{
		"stalled": registrytest.Stall(100), "no answer": registrytest.Stall(0), "cut": registrytest.Cut(0), "500": registrytest.Status(500, "oh"),
	} {
		t.Run(name, func(t *testing.T) {
			s.Fault(registrytest.On(registrytest.Blobs, fault))
			ctx, cancel := context.WithCancel(t.Context())
			timer := time.AfterFunc(100*time.Millisecond, cancel)
			defer timer.Stop()
			c, err := registry.New(registry.Options{Stall: time.Hour, Wait: func(ctx context.Context, _ time.Duration) error {
				<-ctx.Done()
				return ctx.Err()
			}})
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.Blob(ctx, s.Host+"/"+repo, d, 0)
			if err == nil {
				_, err = io.ReadAll(r)
				r.Close()
			}
			check(t, err, context.Canceled, "")
		})
	}
}

// TestBlobMirrors goes on at the next place where the one before had to be left.
func TestBlobMirrors(t *testing.T) {
	first, second, origin := registrytest.New(t), registrytest.New(t), registrytest.New(t)
	var raw []byte
	raw, d := putBlob(t, first, 300)
	putBlob(t, second, 300)
	putBlob(t, origin, 300)
	settings := &spec.Settings{Registries: map[string]spec.RegistrySettings{
		origin.Host: {Mirrors: []string{first.Host, second.Host}},
	}}
	first.Fault(registrytest.On(registrytest.Blobs, registrytest.First(1, registrytest.Cut(100))), registrytest.On(hasRange, registrytest.Status(500, "oh")))
	second.Fault(registrytest.On(registrytest.Blobs, registrytest.Cut(100)), registrytest.On(registrytest.Path("", "/blobs/"), registrytest.First(1, registrytest.NoRange())))
	got, err := fetch(t, client(t, registry.Options{Settings: settings}), origin.Host+"/"+repo, d)
	if err != nil || !bytes.Equal(got, raw) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if n := len(second.Asked("GET", "/blobs/")); n < 3 {
		t.Errorf("the second mirror was asked %d times", n)
	}
	first.Fault(registrytest.On(registrytest.Blobs, registrytest.First(1, registrytest.Cut(100))), registrytest.On(hasRange, registrytest.Status(500, "oh")))
	second.Fault(registrytest.On(registrytest.Blobs, registrytest.Status(404, "not here")))
	if got, err = fetch(t, client(t, registry.Options{Settings: settings}), origin.Host+"/"+repo, d); err != nil || !bytes.Equal(got, raw) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if asked := origin.Asked("GET", "/blobs/"); len(asked) != 1 || asked[0].Range != "bytes=100-299" {
		t.Errorf("the registry was asked %d times: %v", len(asked), asked)
	}
	origin.Fault(registrytest.On(registrytest.Blobs, registrytest.Status(403, "go away")))
	first.Fault(registrytest.On(registrytest.Blobs, registrytest.Header("Content-Length", "299")))
	_, err = fetch(t, client(t, registry.Options{Settings: settings}), origin.Host+"/"+repo, d)
	check(t, err, registry.ErrUnauthorized, "go away; the mirrors before: ")
	for _, words := range []string{first.Host + ": wrong size", second.Host + " answers 404 Not Found: not here", origin.Host + " answers 403"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not say %q", err, words)
		}
	}
	if errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a mirror's 404 counts: %v", err)
	}
}
