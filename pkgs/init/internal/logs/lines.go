package logs

import (
	"bytes"
	"sync"
)

// lineLimit is where a line without an end is handed on, in bytes.
const lineLimit = 4096

// Lines is a writer that hands on whole lines, without their ends.
type Lines struct {
	mu   sync.Mutex
	emit func(line string)
	part []byte
}

// NewLines returns a writer of lines; emit is called for one at a time.
func NewLines(emit func(line string)) *Lines { return &Lines{emit: emit} }

// Write takes a piece of text. It never fails.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, p...)
	for {
		end := bytes.IndexByte(l.part, '\n')
		switch {
		case end >= 0 && end <= lineLimit:
			l.emit(string(bytes.TrimSuffix(l.part[:end], []byte("\r"))))
			l.part = l.part[end+1:]
		case len(l.part) > lineLimit:
			l.emit(string(l.part[:lineLimit]))
			l.part = l.part[lineLimit:]
		default:
			l.part = append([]byte(nil), l.part...)
			return len(p), nil
		}
	}
}

// Flush hands on the last line where it has no end.
func (l *Lines) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.part) > 0 {
		l.emit(string(l.part))
		l.part = nil
	}
}

// Ring keeps the last lines. Its zero value keeps none.
type Ring struct {
	mu    sync.Mutex
	lines []string
	size  int
}

// NewRing returns a ring of size lines.
func NewRing(size int) *Ring { return &Ring{size: size} }

// Add takes a line.
func (r *Ring) Add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	if len(r.lines) > r.size {
		r.lines = append([]string(nil), r.lines[len(r.lines)-r.size:]...)
	}
}

// Lines returns the lines, the oldest first.
func (r *Ring) Lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.lines...)
}
