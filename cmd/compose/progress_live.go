package main

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/composeos/compose/compose"
)

const (
	// patience is how long a task may take before it is worth a bar: those that flash by only flicker.
	patience = 150 * time.Millisecond
	// nameWidth is how many columns a bar has for the name of its task.
	nameWidth = 36
	// stageWidth is how many columns it has for the stage.
	stageWidth = 8
)

// live draws a bar for each task that takes a while, below all that is said.
// When it is closed no bar stays.
type live struct {
	w     io.Writer
	plain *plain // sums up at the end
	mu    sync.Mutex
	bars  *mpb.Progress // nil while nothing is drawn
	tasks map[*liveTask]bool
}

func newLive(w io.Writer) *live {
	return &live{w: w, plain: newPlain(w), tasks: map[*liveTask]bool{}}
}

func (l *live) message(kind, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text = wrap(line(kind, text), l.width())
	if l.bars == nil {
		_, _ = io.WriteString(l.w, text)
		return
	}
	_, _ = l.bars.Write([]byte(text))
}

// width is how many columns the terminal has.
func (l *live) width() int {
	if f, ok := l.w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return 80
}

// wrap breaks lines between words so that they fit into width columns; a word
// that does not fit stays whole. What is broken off is indented.
func wrap(text string, width int) string {
	const indent = "\n    "
	var b strings.Builder
	for line := range strings.Lines(text) {
		column := 0
		for i, word := range strings.Split(line, " ") {
			n := runewidth.StringWidth(strings.TrimRight(word, "\n"))
			switch {
			case i == 0:
			case column+1+n > width:
				b.WriteString(indent)
				column = len(indent) - 1
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += n
		}
	}
	return b.String()
}

func (l *live) close(ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for t := range l.tasks {
		t.drop()
	}
	if l.bars != nil {
		l.bars.Wait()
		l.bars = nil
	}
	l.plain.close(ok)
}

// Start begins a task.
func (l *live) Start(stage, name string, total int64) compose.Task {
	t := &liveTask{l: l, stage: stage, name: name, total: total, sum: plainTask{p: l.plain, stage: stage, name: name, began: time.Now()}}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks[t] = true
	t.timer = time.AfterFunc(patience, t.show)
	return t
}

type liveTask struct {
	l           *live
	stage, name string
	total       int64
	sum         plainTask
	timer       *time.Timer
	bar         *mpb.Bar // nil until it is shown
}

// show gives the task a bar, unless it has ended.
func (t *liveTask) show() {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if !t.l.tasks[t] {
		return
	}
	if t.l.bars == nil {
		t.l.bars = mpb.New(mpb.WithOutput(t.l.w), mpb.WithAutoRefresh())
	}
	t.bar = t.l.bars.New(t.total, barStyle(t.total), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(
			decor.Name(pad(t.stage, stageWidth)+" "+pad(t.name, nameWidth)+" "),
		),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string { return amount(s.Current, t.total) })),
	)
	t.bar.SetCurrent(t.sum.bytes)
}

func barStyle(total int64) mpb.BarFillerBuilder {
	if total <= 0 {
		return mpb.NopStyle()
	}
	return mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]")
}

// amount says how much is done.
func amount(done, total int64) string {
	switch {
	case total > 0:
		return " " + bytesText(done) + " / " + bytesText(total)
	case done > 0:
		return " " + bytesText(done)
	}
	return ""
}

// pad makes s n columns wide. What is too long loses its beginning: names of
// images differ at the end.
func pad(s string, n int) string {
	if w := runewidth.StringWidth(s); w > n {
		s = runewidth.TruncateLeft(s, w-n+1, "…")
	}
	return runewidth.FillRight(s, n)
}

// Add counts n bytes more.
func (t *liveTask) Add(n int64) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	t.sum.bytes += n
	if t.bar != nil {
		t.bar.SetCurrent(t.sum.bytes)
	}
}

// Done ends the task.
func (t *liveTask) Done() {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if !t.l.tasks[t] {
		return
	}
	t.drop()
	t.sum.quiet = true
	t.l.plain.done(&t.sum)
}

// drop takes the task off the screen.
func (t *liveTask) drop() {
	t.timer.Stop()
	delete(t.l.tasks, t)
	if t.bar != nil {
		t.bar.Abort(true)
	}
}
