// Command repro shows that compose writes the same bytes however it is run.
//
// Each row of a table is one way to run "compose build" in all formats: another
// time zone, user, cache, order of inputs, compiler, processor, and a virtual
// machine of another kernel and another year. The first row is plain; every other has to write files and a lock equal to its, and the
// digests that compose prints have to be those of the files. Rows that this
// machine cannot run are skipped and say why; with CI=true in the environment
// that is a failure. At the end of a table differences are planted, one byte of
// one file of one package, and have to be found in every format, and shown.
//
//	go run ./test/repro [-workload DIR] [-run TEXT] [-seed N]
//
// The subjects are test/example/minimal.yml on the fixture's packages and, where
// DIR holds it, the measuring workload, each with a boot loader and with each
// compression. A digest in
// the table is that of all digests that a row gave; below the first row they
// stand one by one.
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
	if isInit() {
		beGuest()
		return
	}
	workload := flag.String("workload", "", "`folder` of the measuring workload; without it the fixture alone is run")
	only := flag.String("run", "", "run the rows whose line holds `text`, such as \"workload zstd\" or \"umask\"")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of what is shuffled")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	lab, err := newLab(*seed, *workload)
	if err == nil {
		err = errors.Join(lab.all(ctx, *only), lab.close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "repro:", err)
		stop()
		os.Exit(1)
	}
}

// all runs the rows whose line holds only, on every subject that is there, and
// returns what was not as it should be.
func (l *lab) all(ctx context.Context, only string) error {
	begin := time.Now()
	l.head()
	var wrong []error
	wrong = append(wrong, l.without("boot loader", l.findLoader()))
	subjects, why := l.subjects()
	for _, s := range subjects {
		wrong = append(wrong, l.matrix(ctx, s, only), s.forget())
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	wrong = append(wrong, l.without("workload", why))
	if strings.Contains(twoFoldersLine, only) {
		wrong = append(wrong, l.twoFolders(ctx))
	}
	l.foot(time.Since(begin))
	return errors.Join(wrong...)
}

// without says that something is not there, and why; that is "" if it is. In CI it
// returns an error.
func (l *lab) without(what, why string) error {
	if why == "" {
		return nil
	}
	_, _ = fmt.Fprintf(l.out, "%s: skipped: %s\n", what, why)
	if l.ci {
		return errors.New(what + ": " + why)
	}
	return nil
}

// matrix runs the rows of s whose line holds only, after the first, which they
// are compared with.
func (l *lab) matrix(ctx context.Context, s *subject, only string) error {
	var wrong []error
	chosen, plants := s.chosen(only)
	for _, r := range chosen {
		err := l.row(ctx, s, r)
		if r.first && err != nil {
			return fmt.Errorf("%w\n%s: nothing to compare with: no other row is run", err, s.name)
		}
		wrong = append(wrong, err)
		if ctx.Err() != nil {
			return errors.Join(wrong...)
		}
	}
	for _, p := range plants {
		wrong = append(wrong, l.planted(ctx, s, p))
	}
	return errors.Join(wrong...)
}

// chosen returns the rows of s whose line holds only, after the first, and
// what differences are to be planted then.
func (s *subject) chosen(only string) (all []row, plants []planting) {
	for _, p := range plantings() {
		if s.kept != "" && strings.Contains(s.name+" "+p.line, only) {
			plants = append(plants, p)
		}
	}
	rows := rows()
	for _, r := range rows[1:] {
		if r.on&s.kind != 0 && strings.Contains(s.name+" "+r.name, only) {
			all = append(all, r)
		}
	}
	if len(all) > 0 || plants != nil || strings.Contains(s.name+" "+rows[0].name, only) {
		all = append(rows[:1], all...)
	}
	return all, plants
}

// row runs r on s, prints its line, and returns an error unless the result is
// the first row's.
func (l *lab) row(ctx context.Context, s *subject, r row) error {
	watch := start()
	got, note, err := l.result(ctx, s, r)
	var skip skipped
	if errors.As(err, &skip) && !l.ci {
		l.skipped++
		l.line(s, r.name, "-", "skipped: "+string(skip))
		return nil
	}
	if err != nil {
		l.wrong++
		l.line(s, r.name, "-", "FAILED     "+watch.stop())
		l.why(err)
		return errors.Join(fmt.Errorf("%s: %s: %w", s.name, r.name, err), s.forget())
	}
	if r.first {
		l.right++
		s.want = got
		l.line(s, r.name, got.digest(), "the first  "+watch.stop())
		l.files(got)
		return nil
	}
	if err := got.differences(s.want, "the first row's is"); err != nil {
		l.wrong++
		l.line(s, r.name, got.digest(), "DIFFERENT  "+watch.stop())
		l.why(err)
		return errors.Join(fmt.Errorf("%s: %s: %w", s.name, r.name, err), s.forget())
	}
	l.right++
	l.line(s, r.name, got.digest(), "equal      "+watch.stop())
	if note != "" {
		_, _ = fmt.Fprintln(l.out, "    "+note)
	}
	return nil
}

// skipped is why a row cannot be run on this machine.
type skipped string

func (s skipped) Error() string { return "cannot be run here: " + string(s) }
