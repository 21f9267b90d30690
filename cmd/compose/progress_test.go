package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPlainProgress(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := newPlain(&out)
	p.now = func() time.Time { return now }

	quick := p.Start("resolve", "nginx", 0)
	now = now.Add(100 * time.Millisecond)
	quick.Done()
	long := p.Start("unpack", "toolchain", 5e8)
	long.Add(2e8)
	now = now.Add(3 * time.Second)
	p.message(kindWarning, "a word")
	long.Add(3e8)
	long.Done()
	p.Start("unpack", "redis", 1000).Done()
	p.close(true)
	p.close(true)

	want := `compose: warning: a word
unpack toolchain: 500.0 MB, 3.0 s
resolve 1 in 0.1 s, unpack 2 (500.0 MB) in 3.0 s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestSilentProgressHasOnlyMessages(t *testing.T) {
	var out bytes.Buffer
	u := newUI(&out, progressNone)
	task := u.Start("write", "x.tar", 10)
	task.Add(10)
	task.Done()
	u.notef("lock: made %s", "x.lock.json")
	u.close(true)
	if want := "compose: lock: made x.lock.json\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestJSONProgress(t *testing.T) {
	var out bytes.Buffer
	u := newUI(&out, progressJSON)
	task := u.Start("write", "x<y>.tar", 10)
	task.Add(10)
	task.Done()
	u.warnf("two\nlines")
	u.fail(hinted("broken", "mend it"))
	u.close(true)

	var got []event
	for l := range strings.Lines(out.String()) {
		var e event
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		e.Millis = 0
		got = append(got, e)
	}
	want := []event{
		{Event: "start", Task: 1, Stage: "write", Name: "x<y>.tar", Total: 10},
		{Event: "done", Task: 1, Bytes: 10},
		{Event: "warning", Text: "two\nlines"},
		{Event: "error", Text: "broken"},
		{Event: "hint", Text: "mend it"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestProgressFromManyGoroutines is for the race detector.
func TestProgressFromManyGoroutines(t *testing.T) {
	for _, way := range []string{progressPlain, progressJSON, progressNone, progressLive} {
		t.Run(way, func(t *testing.T) {
			var out bytes.Buffer
			u := newUI(&out, way)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 5 {
						task := u.Start("unpack", "image", 100)
						task.Add(50)
						u.notef("a word")
						task.Add(50)
						task.Done()
					}
				})
			}
			wg.Wait()
			left := u.Start("unpack", "never done", 1)
			u.close(true)
			left.Add(1)
			left.Done()
			if n := strings.Count(out.String(), "a word"); n != 40 {
				t.Errorf("%d of 40 messages", n)
			}
		})
	}
}

func TestLiveBarsGo(t *testing.T) {
	var out bytes.Buffer
	u := newUI(&out, progressLive)
	task := u.Start("unpack", "docker.io/acme/a-name-that-is-much-longer-than-a-bar:v1", 100)
	time.Sleep(2 * patience)
	u.notef("above the bar")
	task.Add(40)
	time.Sleep(2 * patience)
	u.close(true)
	text := out.String()
	if !strings.Contains(text, "…") || !strings.Contains(text, "longer-than-a-bar:v1") {
		t.Errorf("no bar with a cut name in %q", text)
	}
	if !strings.Contains(text, "above the bar\n") {
		t.Errorf("the message is not in %q", text)
	}
}

func TestPad(t *testing.T) {
	tests := []struct{ text, want string }{
		{"abc", "abc   "}, {"abcdef", "abcdef"}, {"abcdefgh", "…defgh"}, {"日本語文字", "… 文字"}, {"", "      "},
	}
	for _, tt := range tests {
		if got := pad(tt.text, 6); got != tt.want {
			t.Errorf("pad(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"short", "one two\n", "one two\n"},
		{"exactly", "0123456 89\n", "0123456 89\n"},
		{"long", "one two three four\n", "one two\n    three\n    four\n"},
		{"a long word", "x 0123456789012 y\n", "x\n    0123456789012\n    y\n"},
		{"lines", "a\nb\n", "a\nb\n"},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, wrap(tt.text, 10)); diff != "" {
				t.Errorf("wrap (-want +got):\n%s", diff)
			}
		})
	}
}
