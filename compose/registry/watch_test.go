package registry

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// TestReceived tells a registry that sends too little from a reader that is slow: only
// ticks that find the reader waiting count. There is a letter for each event: t a tick,
// r Read begins, 1 it returns with a byte, K with 1 KiB.
func TestReceived(t *testing.T) {
	silence := strings.Repeat("t", ticks+1)
	for name, test := range map[string]struct {
		events string
		want   string // "": it goes on
	}{
		"nothing":                      {"r" + silence, "nothing came for 1h0m0s"},
		"a byte each tick":             {strings.Repeat("rt1", ticks+1) + "r", "only 8 bytes came in 1h0m0s"},
		"a byte, then nothing":         {"r1r" + silence, "only 1 bytes came in 1h0m0s"},
		"enough each time":             {strings.Repeat("r"+silence[1:]+"K", 9), ""},
		"enough, then nothing":         {"rKr" + silence, "nothing came for 1h0m0s"},
		"not quite so long":            {"r" + silence[1:], ""},
		"nobody reads":                 {"r1" + strings.Repeat(silence, 3) + "r" + silence[1:], ""},
		"nobody reads, from the start": {strings.Repeat(silence, 3), ""},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			w := &watch{ctx: ctx, cancel: cancel, stall: time.Hour, timer: time.NewTimer(time.Hour)}
			r := &received{body: io.NopCloser(nil), watch: w}
			for _, event := range test.events {
				switch event {
				case 'r':
					r.begin()
				case '1':
					r.count(1, false)
				case 'K':
					r.count(leastBytes, false)
				case 't':
					if r.tick != nil {
						r.look()
					}
				}
			}
			got := ""
			if err := context.Cause(ctx); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
