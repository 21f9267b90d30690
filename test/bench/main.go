// Command bench measures compose on the measuring workload against what the
// machine itself can do, and fails where a limit is exceeded.
//
// All that is quoted is a ratio: the median of a case over the median of what
// it is compared with, both from interleaved runs on one machine. What is read
// lies in the page cache; what a run wrote is removed, the memory that the next
// will fill is touched, and the disk is waited for, before it begins.
//
//	go run ./test/bench -workload DIR [-runs 5] [-slack 1]
//
// The cases are in cases.go and the files beside it, the limits in limits.go. A
// case on which no limit of time hangs is run in the first round only.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	workload := flag.String("workload", "build/workload", "`folder` of the measuring workload")
	bootloader := flag.String("bootloader", "build/bootloader", "`folder` of the boot loaders' image")
	web := flag.String("web", "build/web", "the example web, by the `name` that \"compose run\" finds it by")
	program := flag.String("compose", "bin/compose", "the `program` to measure")
	runs := flag.Int("runs", 5, "how often each case is run")
	slack := flag.Float64("slack", 1, "limits of time are multiplied by `factor`")
	file := flag.String("sum", "", "print the SHA-256 of `file` and do nothing else; a case is compared with it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *file != "" {
		err = printSum(*file)
	} else {
		err = bench(ctx, inputs{*program, *workload, *bootloader, *web}, options{runs: *runs, slack: *slack})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// inputs are files and folders that must be there.
type inputs struct {
	program, workload, bootloader, web string
}

// options are how a bench is run.
type options struct {
	runs  int
	slack float64
}

// bench runs the cases one after the other, all of them options.runs times, and
// returns an error that names each limit that was exceeded.
func bench(ctx context.Context, in inputs, o options) (err error) {
	scratch, err := os.MkdirTemp("", "compose-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	s, err := newStand(in, scratch)
	if err != nil {
		return err
	}
	medians, err := s.rounds(ctx, o.runs)
	if err != nil {
		return err
	}
	r := results{medians: medians}
	if r.own, err = ownMemory(); err != nil {
		return err
	}
	if r.differences, err = s.differences(ctx); err != nil {
		return fmt.Errorf("what changes with a change: %w", err)
	}
	return errors.Join(report(os.Stdout, r, o.slack), exceeded(r, o.slack))
}

// rounds runs the cases, and returns the medians by the case.
func (s *stand) rounds(ctx context.Context, runs int) (map[string]usage, error) {
	samples := map[string][]usage{}
	for i := range runs {
		for _, c := range cases() {
			if c.once && i > 0 {
				continue
			}
			u, err := c.run(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			samples[c.name] = append(samples[c.name], u)
			fmt.Fprintf(os.Stderr, "run %d  %-23s  %v\n", i+1, c.name, u)
		}
	}
	medians := map[string]usage{}
	for name, all := range samples {
		medians[name] = median(all)
	}
	return medians, nil
}

// printSum hashes a file as compose hashes what it writes.
func printSum(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(onlyWriter{h}, onlyReader{f}, make([]byte, 128<<10)); err != nil {
		return err
	}
	fmt.Printf("%x  %s\n", h.Sum(nil), filepath.Base(path))
	return nil
}

// onlyReader and onlyWriter hide what else a file and a hash can do, so that
// the buffer's size is what is read at once.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
