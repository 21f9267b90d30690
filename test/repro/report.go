package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"
)

// head prints what stands above the table.
func (l *lab) head() {
	_, _ = fmt.Fprintf(l.out, "seed %d\n", l.seed)
	l.line(&subject{name: "subject"}, "row", "digest", "result        time       CPU")
}

// line prints a line of the table.
func (l *lab) line(s *subject, name, digest, verdict string) {
	_, _ = fmt.Fprintf(l.out, "%-13s  %-58s  %-12.12s  %s\n", s.name, name, digest, verdict)
}

// why prints, below a line, how the account of what is wrong begins; all of it
// comes at the end.
func (l *lab) why(err error) {
	lines := strings.SplitN(err.Error(), "\n", 4)
	for _, line := range lines[:min(len(lines), 3)] {
		_, _ = fmt.Fprintln(l.out, "    "+strings.TrimSpace(line))
	}
}

// files prints size and digest of each file of the first row.
func (l *lab) files(r result) {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		digest, size, _ := strings.Cut(r[name], " ")
		_, _ = fmt.Fprintf(l.out, "%15s%-38s %13s bytes  %.12s\n", "", name, size, digest)
	}
}

// foot prints what it all came to.
func (l *lab) foot(took time.Duration) {
	_, _ = fmt.Fprintf(l.out, "%d rows as they have to be, %d wrong, %d skipped, in %.0f s\n", l.right, l.wrong, l.skipped, took.Seconds())
}

// watch is when something began, on the clock and in the CPU time of this process
// and of those that it has waited for.
type watch struct {
	begin time.Time
	cpu   time.Duration
}

func start() watch { return watch{time.Now(), cpuTime()} }

// stop returns both times since then, as they stand in the table.
func (w watch) stop() string {
	return fmt.Sprintf("%6.1f s  %6.1f s", time.Since(w.begin).Seconds(), (cpuTime() - w.cpu).Seconds())
}

func cpuTime() time.Duration {
	var sum int64
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += u.Utime.Nano() + u.Stime.Nano()
		}
	}
	return time.Duration(sum)
}
