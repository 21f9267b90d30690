// Command repro shows that compose writes the same bytes however it is run.
//
// Each row of a table is one way to run "compose build -format tar": another
// time zone, user, cache, order of inputs, compiler, processor. The first row
// is plain; every other has to write a tar and a lock equal to its. Rows that
// this machine cannot run are skipped and say why; with CI=true in the
// environment that is a failure. At the end a difference is planted, one byte
// of one file of one package, and has to be found and shown by diffoscope.
//
//	go run ./test/repro [-workload DIR] [-run TEXT] [-seed N]
//
// The subjects are examples/minimal.yml on the fixture's packages and, where
// DIR holds it, the measuring workload.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	workload := flag.String("workload", "", "`folder` of the measuring workload; without it the fixture alone is run")
	only := flag.String("run", "", "run the rows whose name holds `text`")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of what is shuffled")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	lab, err := newLab(*seed)
	if err == nil {
		err = errors.Join(lab.all(ctx, *workload, *only), lab.close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "repro:", err)
		stop()
		os.Exit(1)
	}
}

// all runs every row whose name holds only, on every subject that is there, and
// returns what was not as it should be.
func (l *lab) all(ctx context.Context, workload, only string) error {
	fmt.Printf("seed %d\n", l.seed)
	subjects := []*subject{fixtureSubject(l)}
	w, why := workloadSubject(workload)
	if why == "" {
		subjects = append(subjects, w)
	} else {
		fmt.Println("workload: skipped:", why)
	}
	var wrong []error
	for _, s := range subjects {
		for _, r := range rows() {
			if r.on&s.kind == 0 || !r.first && !strings.Contains(r.name, only) {
				continue
			}
			if err := l.row(ctx, s, r); err != nil {
				wrong = append(wrong, err)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	if strings.Contains("compiler folders", only) {
		wrong = append(wrong, l.twoFolders(ctx))
	}
	if strings.Contains("planted", only) {
		wrong = append(wrong, l.planted(ctx, subjects[0]))
	}
	return errors.Join(wrong...)
}

// row runs r on s, prints its line, and returns an error unless the result is
// the first row's.
func (l *lab) row(ctx context.Context, s *subject, r row) error {
	begin := time.Now()
	got, err := l.result(ctx, s, r)
	var skip skipped
	switch {
	case errors.As(err, &skip) && !l.ci:
		l.line(s, r.name, "-", "skipped: "+string(skip))
		return nil
	case err != nil:
		l.line(s, r.name, "-", "FAILED")
		return fmt.Errorf("%s: %s: %w", s.name, r.name, err)
	case r.first:
		s.want = got
		l.line(s, r.name, got.tar, "to be equal to")
		return nil
	case s.want == result{}:
		return fmt.Errorf("%s: %s: nothing to compare with", s.name, r.name)
	case got != s.want:
		l.line(s, r.name, got.tar, "DIFFERENT")
		return fmt.Errorf("%s: %s: tar %s, lock %s; the first row's are %s and %s", s.name, r.name, got.tar, got.lock, s.want.tar, s.want.lock)
	}
	l.line(s, r.name, got.tar, fmt.Sprintf("equal   %5.1f s", time.Since(begin).Seconds()))
	return nil
}

// line prints a line of the table.
func (l *lab) line(s *subject, name, digest, verdict string) {
	fmt.Printf("%-8s  %-46s  %-12.12s  %s\n", s.name, name, digest, verdict)
}

// skipped is why a row cannot be run on this machine.
type skipped string

func (s skipped) Error() string { return "cannot be run here: " + string(s) }
