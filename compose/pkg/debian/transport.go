package debian

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// tries is how often a file is asked for of one mirror, as long as it may be that the next
// time goes better: no answer, an answer that breaks off, one of overload (408, 429, 5xx).
const tries = 3

// passing is an error that may be over when the file is asked for again.
type passing struct{ error }

// Unwrap returns the error itself.
func (p passing) Unwrap() error { return p.error }

// get asks for base + "/" + path and has what comes read by use, once for each try. A
// file that is not there is errNotFound. Errors name the URI, without name and password.
func (a *Archive) get(ctx context.Context, base, path string, use func(io.Reader) error) error {
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("%s: no URI", withoutUser(base))
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/")+"/"+path, ""
	name := withoutUser(u.String())
	if u.Scheme == "file" {
		return named(name, readFile(u.Path, use))
	}
	for n := 1; ; n++ {
		err := a.try(ctx, u, use)
		var again passing
		if err == nil || n == tries || !errors.As(err, &again) || ctx.Err() != nil {
			return named(name, err)
		}
		a.log().Info("asking again", "uri", name, "because", err.Error())
		if err := a.wait(ctx, time.Second<<(n-1)); err != nil {
			return named(name, err)
		}
	}
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// readFile is get for a mirror that is a folder.
func readFile(path string, use func(io.Reader) error) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return errNotFound
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return use(f)
}

// try asks once, and gives up when nothing comes for a while.
func (a *Archive) try(ctx context.Context, u *url.URL, use func(io.Reader) error) error {
	stall := cmp.Or(a.Stall, time.Minute)
	silent := fmt.Errorf("nothing came for %s", stall)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(stall, func() { cancel(silent) })
	defer timer.Stop()
	err := a.ask(ctx, u, func(r io.Reader) error {
		body := &watched{r: r, more: func() { timer.Reset(stall) }}
		err := use(body)
		if err != nil && body.err != nil {
			return passing{fmt.Errorf("the answer breaks off: %w", body.err)}
		}
		return err
	})
	if err != nil && errors.Is(context.Cause(ctx), silent) {
		return passing{silent}
	}
	return err
}

func (a *Archive) ask(ctx context.Context, u *url.URL, use func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return errors.New("no URI")
	}
	client := a.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		if where, ok := errors.AsType[*url.Error](err); ok {
			err = where.Err // its own text has the URI, with the name
		}
		return passing{err}
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		return use(response.Body)
	case code == http.StatusNotFound || code == http.StatusGone:
		return errNotFound
	case code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code >= 500:
		return passing{fmt.Errorf("the mirror answers %d %s", code, http.StatusText(code))}
	default:
		return fmt.Errorf("the mirror answers %d %s", code, http.StatusText(code))
	}
}

// watched remembers the error of the reader below, other than io.EOF, and says when that
// gave something.
type watched struct {
	r    io.Reader
	more func()
	err  error
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.more()
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// wait lets time pass before the next try.
func (a *Archive) wait(ctx context.Context, d time.Duration) error {
	if a.Wait != nil {
		return a.Wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
