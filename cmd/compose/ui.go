package main

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/composeos/compose/compose"
)

// The ways to show what is going on.
const (
	progressAuto  = "auto" // live on a terminal, plain elsewhere
	progressPlain = "plain"
	progressJSON  = "json"
	progressNone  = "none"
	progressLive  = "live" // not for users to choose: a terminal has to be there
)

// The kinds of messages; they are also the words of the JSON events.
const (
	kindNote    = "note"
	kindWarning = "warning"
	kindError   = "error"
	kindHint    = "hint"
)

// reporter shows what is going on, in one of the ways.
type reporter interface {
	compose.Progress
	// message says something, above what is being shown.
	message(kind, text string)
	// close ends what is being shown; nothing of it stays on a terminal. If all
	// went well it may sum up.
	close(ok bool)
}

// ui is the voice of one run. Its methods may be called from many goroutines.
type ui struct {
	reporter
	json *jsonEvents // for events that are not messages; nil unless they were asked for
}

// newUI returns a voice that writes to w in the given way, which is not auto.
func newUI(w io.Writer, way string) *ui {
	switch way {
	case progressJSON:
		events := newJSONEvents(w)
		return &ui{events, events}
	case progressLive:
		return &ui{reporter: newLive(w)}
	case progressNone:
		return &ui{reporter: &silent{w: w}}
	}
	return &ui{reporter: newPlain(w)}
}

func (u *ui) notef(format string, args ...any) {
	u.message(kindNote, fmt.Sprintf(format, args...))
}

func (u *ui) warnf(format string, args ...any) {
	u.message(kindWarning, fmt.Sprintf(format, args...))
}

// fail says every fault of err on a line of its own, and below what can be done
// about them; the same hint once.
func (u *ui) fail(err error) {
	said := map[string]bool{}
	var below []string
	for _, f := range faults(err) {
		u.message(kindError, f.text)
		if h := hintOf(f.err); h != "" && !said[h] {
			said[h] = true
			below = append(below, h)
		}
	}
	for _, h := range below {
		u.message(kindHint, h)
	}
}

// line returns a message as a person reads it.
func line(kind, text string) string {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
	switch kind {
	case kindWarning, kindHint:
		text = kind + ": " + text
	}
	return "compose: " + text + "\n"
}

// silent shows nothing but messages.
type silent struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *silent) message(kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.w, line(kind, text))
}
func (s *silent) close(bool) {}

// Start begins a task that nobody sees.
func (s *silent) Start(string, string, int64) compose.Task { return unseen{} }

type unseen struct{}

func (unseen) Add(int64) {}
func (unseen) Done()     {}
