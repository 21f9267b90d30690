// Command packages shows that compose makes the same package images of the same
// sources, whoever makes them, and where.
//
// All sources of pkgs are made twice, side by side, for every architecture, from
// nothing: by root, and by another user, in another folder, with another umask and
// environment, out of sources with other times and permissions. Neither has a network,
// nor anything of the machine's caches; what the images are made of comes from the
// folder that "compose pkg vendor" has filled. The digests that the one prints have to
// be those that the other prints, and those of a second time, when nothing is made
// again. Then differences are planted, one in a source and one in a toolchain, and have
// to be found and shown; and in a cache that is damaged all over the same has to be made.
//
//	go run ./test/packages [-compose FILE] [-vendor DIR]
//
// It needs root; without, it is skipped, and in CI that is a failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	program := flag.String("compose", "bin/compose", "the `program`")
	vendored := flag.String("vendor", "build/vendor", "`folder` of what the images are made of; filled first")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "packages: skipped: only root can be another user, and without a network")
		if os.Getenv("CI") == "true" {
			stop()
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, *program, *vendored); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		stop()
		os.Exit(1)
	}
}

// run makes everything in a folder of its own, which is gone afterwards.
func run(ctx context.Context, program, vendored string) (err error) {
	scratch, err := os.MkdirTemp("", "compose-packages-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := os.Chmod(scratch, 0o755); err != nil { // another user works in it too
		return err
	}
	l := &lab{program: filepath.Join(scratch, "compose"), vendored: filepath.Join(scratch, "vendored"), scratch: scratch, out: os.Stdout}
	begin := time.Now()
	if err := l.provide(ctx, program, vendored); err != nil {
		return err
	}
	l.line("fetch", "what the images are made of", time.Since(begin), 0)
	one, other := l.one(), l.other()
	if err := l.makeAll(ctx, one, other); err != nil {
		return err
	}
	err = l.compare(ctx, one, other)
	if err == nil {
		err = errors.Join(l.plant(ctx, one, other), l.damage(ctx, one))
	}
	l.line("all", fmt.Sprintf("%d packages, each made twice", len(one.images)), time.Since(begin), 0)
	return err
}

// makeAll has both make all images, at the same time, and then again.
func (l *lab) makeAll(ctx context.Context, makers ...*maker) error {
	var g errgroup.Group // an error of the one does not end the other: it may have its own
	for _, m := range makers {
		g.Go(func() error {
			if err := m.fill(l); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			if err := l.cold(ctx, m); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			if err := l.warm(ctx, m); err != nil {
				return fmt.Errorf("%s: a second time: %w", m.name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// compare wants both to have made the same images, and prints a line for each.
func (l *lab) compare(ctx context.Context, one, other *maker) error {
	var wrong []error
	for _, name := range one.images.names(other.images) {
		a, b := one.images[name], other.images[name]
		if a == b {
			fmt.Fprintf(l.out, "%-16s  %.12s  %.19s  equal\n", name, a.tag, a.digest)
			continue
		}
		fmt.Fprintf(l.out, "%-16s  %.12s  %.19s  DIFFERENT: %.12s  %.19s\n", name, a.tag, a.digest, b.tag, b.digest)
		where, err := l.where(ctx, one, other, name)
		wrong = append(wrong, fmt.Errorf("%s: %s made %s, %s made %s:%s", name, one.name, a, other.name, b, indented(where)), err)
	}
	return errors.Join(wrong...)
}
