package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// leastBytes is what has to come in a stall's time, in bytes: with less a connection
// is given up, as with nothing.
const leastBytes = 1 << 10

// ticks is how many times within a stall it is looked whether somebody waits.
const ticks = 8

// watch gives a try up when too little comes for a while, or when it takes too long.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer // until the answer begins
	total  *time.Timer // nil: it may take as long as it gets on
	stall  time.Duration
}

// watch begins a try.
func (p *patience) watch(ctx context.Context, k kind) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{ctx: ctx, cancel: cancel, stall: p.stall}
	w.timer = time.AfterFunc(p.stall, func() { cancel(&stallError{after: p.stall}) })
	if k != large {
		w.total = time.AfterFunc(p.document, func() { cancel(&stallError{after: p.document, endless: true}) })
	}
	return w
}

type stallError struct {
	after   time.Duration
	got     int64 // bytes that came
	endless bool  // there was no end
}

// Error says how long nothing came, or too little.
func (e *stallError) Error() string {
	switch {
	case e.endless:
		return fmt.Sprintf("not whole after %s", e.after)
	case e.got > 0:
		return fmt.Sprintf("only %d bytes came in %s", e.got, e.after)
	}
	return fmt.Sprintf("nothing came for %s", e.after)
}

// stallOf returns the stall that err comes of, nil for none.
func stallOf(err error) *stallError {
	stalled, _ := errors.AsType[*stallError](err)
	return stalled
}

// why returns the stall where err comes of it.
func (w *watch) why(err error) error {
	if stalled := stallOf(context.Cause(w.ctx)); stalled != nil {
		return stalled
	}
	return err
}

func (w *watch) end() {
	w.timer.Stop()
	if w.total != nil {
		w.total.Stop()
	}
	w.cancel(nil)
}

// received is the body of an answer. It is given up where its reader waited for a
// stall's time and got less than leastBytes. A tick counts only if it finds the reader
// waiting: one that is slow itself is no fault of the registry.
type received struct {
	body  io.Closer
	from  io.Reader
	watch *watch

	mu      sync.Mutex
	tick    *time.Timer // nil before the first Read
	over    bool
	waiting bool
	waited  int   // ticks since the last leastBytes
	got     int64 // since then
}

// Read implements io.Reader.
func (r *received) Read(p []byte) (int, error) {
	r.begin()
	n, err := r.from.Read(p)
	r.count(n, err != nil)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.watch.why(err)
	}
	return n, err
}

func (r *received) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = true
	if r.tick == nil && !r.over {
		r.tick = time.AfterFunc(r.watch.stall/ticks, r.look)
	}
}

func (r *received) count(n int, end bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = false
	if r.got += int64(n); r.got >= leastBytes {
		r.waited, r.got = 0, 0
	}
	if end {
		r.stop()
	}
}

// stop ends the looking; r.mu is held.
func (r *received) stop() {
	r.over = true
	if r.tick != nil {
		r.tick.Stop()
	}
}

// look is called at each tick.
func (r *received) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	if r.waiting {
		r.waited++
	}
	if r.waited > ticks {
		r.over = true
		r.watch.cancel(&stallError{after: r.watch.stall, got: r.got})
		return
	}
	r.tick.Reset(r.watch.stall / ticks)
}

// Close implements io.Closer.
func (r *received) Close() error {
	r.mu.Lock()
	r.stop()
	r.mu.Unlock()
	err := r.body.Close()
	r.watch.end()
	return err
}

// sent is the body of a request. After its end the registry may think for a while.
type sent struct {
	io.ReadCloser
	watch *watch
}

// Read implements io.Reader.
func (s *sent) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		s.watch.timer.Reset(answerTime * s.watch.stall)
	} else {
		s.watch.timer.Reset(s.watch.stall)
	}
	return n, err
}
