package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/composeos/compose/compose"
)

// slow is how long a task takes before a plain log has a line for it.
const slow = 2 * time.Second

// worth is how long a stage takes before the line that sums up has it.
const worth = 100 * time.Millisecond

// plain writes lines: one for each task that took a while, and at the end one
// that sums up.
type plain struct {
	w      io.Writer
	now    func() time.Time
	mu     sync.Mutex
	stages []stage // in order of their first task
}

// stage sums up the tasks of one stage.
type stage struct {
	name         string
	tasks        int
	bytes        int64
	began, ended time.Time
}

func newPlain(w io.Writer) *plain { return &plain{w: w, now: time.Now} }

func (p *plain) message(kind, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.w, line(kind, text))
}

// Start begins a task.
func (p *plain) Start(stage, name string, _ int64) compose.Task {
	return &plainTask{p: p, stage: stage, name: name, began: p.now()}
}

type plainTask struct {
	p           *plain
	stage, name string
	began       time.Time
	quiet       bool // no line of its own, however long it took
	mu          sync.Mutex
	bytes       int64
}

// Add counts n bytes more.
func (t *plainTask) Add(n int64) {
	t.mu.Lock()
	t.bytes += n
	t.mu.Unlock()
}

// Done ends the task.
func (t *plainTask) Done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.done(t)
}

func (p *plain) done(t *plainTask) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	s := p.stage(t.stage, t.began)
	s.tasks, s.bytes, s.ended = s.tasks+1, s.bytes+t.bytes, now
	if took := now.Sub(t.began); took >= slow && !t.quiet {
		size := ""
		if t.bytes > 0 {
			size = bytesText(t.bytes) + ", "
		}
		_, _ = fmt.Fprintf(p.w, "%s %s: %s%s\n", t.stage, t.name, size, tookText(took))
	}
}

func (p *plain) stage(name string, began time.Time) *stage {
	for i := range p.stages {
		s := &p.stages[i]
		if s.name == name {
			if began.Before(s.began) {
				s.began = began
			}
			return s
		}
	}
	p.stages = append(p.stages, stage{name: name, began: began})
	return &p.stages[len(p.stages)-1]
}

// close writes the line that sums up, if all went well.
func (p *plain) close(ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var parts []string
	for _, s := range p.stages {
		if s.ended.Sub(s.began) < worth {
			continue
		}
		part := fmt.Sprintf("%s %d", s.name, s.tasks)
		if s.bytes > 0 {
			part += " (" + bytesText(s.bytes) + ")"
		}
		parts = append(parts, part+" in "+tookText(s.ended.Sub(s.began)))
	}
	if ok && len(parts) > 0 {
		_, _ = fmt.Fprintln(p.w, strings.Join(parts, ", "))
	}
	p.stages = nil
}

// tookText says how long something took: "0.1 s", "75 s".
func tookText(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
