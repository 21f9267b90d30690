package main

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/composeos/compose/compose"
)

// tick is the least time between two progress events of one task.
const tick = 200 * time.Millisecond

// event is one line of JSON; "compose help progress" explains it to users.
type event struct {
	Event  string `json:"event"`
	Text   string `json:"text,omitempty"`   // of note, warning, error, hint
	Task   int    `json:"task,omitempty"`   // number of a task, from 1
	Stage  string `json:"stage,omitempty"`  // of start
	Name   string `json:"name,omitempty"`   // of start: an image or a file
	Total  int64  `json:"total,omitempty"`  // of start: bytes, if known
	Bytes  int64  `json:"bytes,omitempty"`  // of progress and done: so far
	Millis int64  `json:"millis,omitempty"` // of done: how long it took
	Path   string `json:"path,omitempty"`   // of file
	Size   int64  `json:"size,omitempty"`   // of file: bytes
	Digest string `json:"digest,omitempty"` // of file
}

// jsonEvents writes events for machines, one a line.
type jsonEvents struct {
	mu    sync.Mutex
	enc   *json.Encoder
	tasks int
}

func newJSONEvents(w io.Writer) *jsonEvents {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &jsonEvents{enc: enc}
}

func (j *jsonEvents) send(e event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_ = j.enc.Encode(e)
}

func (j *jsonEvents) message(kind, text string) { j.send(event{Event: kind, Text: text}) }
func (j *jsonEvents) close(bool)                {}

// Start begins a task.
func (j *jsonEvents) Start(stage, name string, total int64) compose.Task {
	j.mu.Lock()
	j.tasks++
	t := &jsonTask{j: j, id: j.tasks, began: time.Now()}
	t.told = t.began
	j.mu.Unlock()
	j.send(event{Event: "start", Task: t.id, Stage: stage, Name: name, Total: total})
	return t
}

type jsonTask struct {
	j     *jsonEvents
	id    int
	began time.Time
	mu    sync.Mutex
	told  time.Time
	bytes int64
}

// Add counts n bytes more, and tells of them now and then.
func (t *jsonTask) Add(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes += n
	if now := time.Now(); now.Sub(t.told) >= tick {
		t.told = now
		t.j.send(event{Event: "progress", Task: t.id, Bytes: t.bytes})
	}
}

// Done ends the task.
func (t *jsonTask) Done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.j.send(event{Event: "done", Task: t.id, Bytes: t.bytes, Millis: time.Since(t.began).Milliseconds()})
}
