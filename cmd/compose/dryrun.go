package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// dryRun prints what a build would do. It writes nothing, not even a cache, asks no
// registry, and what is missing is a line of the plan, not an error.
func (b *buildCommand) dryRun(ctx context.Context, s *session, in *input) error {
	p := planner{in: in, home: s.home()}
	e, err := b.openExisting(s)
	if err != nil {
		return err
	}
	if e != nil {
		defer e.close()
		p.resolver = e.images
	}
	lines := p.plan(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s for %s\n\n%s\nwould write\n%s\n%s", b.imageName(in), in.platform, planText(lines), b.wouldWrite(in), missingText(lines))
	return shown(err)
}

// openExisting opens the cache where there is one; nil where there is none.
func (b *buildCommand) openExisting(s *session) (*engine, error) {
	dir, err := s.cacheDir(b.cache)
	if err != nil {
		return nil, nil //nolint:nilerr // without a place for a cache there is none
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, nil //nolint:nilerr // what is missing is no error here
	}
	quiet := b.common
	quiet.offline = true
	return quiet.open(s)
}

// wouldWrite lists the files that a build would write.
func (b *buildCommand) wouldWrite(in *input) string {
	var lines []string
	for _, f := range b.formats {
		for _, path := range b.paths(f, b.imageName(in)) {
			lines = append(lines, "  "+path+"\n")
		}
	}
	switch {
	case in.lockPath == "":
		lines = append(lines, "  no lock: standard input has no place for one\n")
	case in.lock == nil:
		lines = append(lines, "  "+in.lockPath+" (new)\n")
	}
	return strings.Join(lines, "")
}

// missingText counts what a build would lack.
func missingText(lines []planned) string {
	images, sources := map[string]bool{}, 0
	for _, l := range lines {
		switch {
		case !l.missing:
		case l.section == "files":
			sources++
		default:
			images[l.what] = true
		}
	}
	if len(images) == 0 && sources == 0 {
		return "all images and sources are there\n"
	}
	return fmt.Sprintf("unresolved: %s, %s\n", count(len(images), "image"), count(sources, "source"))
}
