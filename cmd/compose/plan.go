package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/spec"
)

// planned is one line of a plan.
type planned struct {
	section, name, what string
	path                string // where it will lie
	state               string
	missing             bool // it has to be got from somewhere before a build can be
}

// planner says what a build would do, without doing any of it.
type planner struct {
	in       *input
	home     string
	resolver image.Resolver // nil where there is nothing to ask
}

// plan returns a line for each thing that the manifest wants laid out, in the
// order in which later ones win.
func (p *planner) plan(ctx context.Context) []planned {
	var lines []planned
	for _, part := range compose.Plan(p.in.manifest) {
		l := planned{section: part.Section, name: part.Name, what: "empty", path: firstOf(part.Path, "/")}
		if !part.Ref.IsZero() {
			l.what = part.Ref.String()
			l.state, l.missing = p.imageState(ctx, part)
		}
		lines = append(lines, l)
	}
	for i := range p.in.manifest.Files {
		lines = append(lines, p.file(&p.in.manifest.Files[i]))
	}
	return lines
}

// imageState says whether an image is pinned, and else whether it could be.
func (p *planner) imageState(ctx context.Context, part compose.Planned) (state string, missing bool) {
	ref := part.Ref
	if p.in.lock != nil && ref.Transport == spec.Registry {
		if l, ok := p.in.lock.Image(ref.String()); ok {
			return p.pinState(l, part.Platforms)
		}
	}
	if p.resolver == nil {
		return "unresolved", true
	}
	d, err := p.resolver.Resolve(ctx, ref)
	if err != nil {
		return "unresolved", true
	}
	return "found " + short(d.Digest.String()), false
}

// pinState says whether the lock has all platforms of an image that are wanted:
// those that are named, or the one that is built for.
func (p *planner) pinState(l *spec.LockedImage, platforms []spec.Platform) (state string, missing bool) {
	if len(platforms) == 0 {
		platforms = []spec.Platform{p.in.platform}
	}
	state = "pinned to " + short(string(l.Digest))
	for _, platform := range platforms {
		if _, known := l.Platforms[platform.String()]; !known {
			return state + ", not for " + platform.String(), true
		}
	}
	return state, false
}

// file is the line of one entry of the files section.
func (p *planner) file(f *spec.File) planned {
	l := planned{section: "files", path: strings.TrimPrefix(f.Path, "/")}
	switch {
	case f.Directory:
		l.what = "directory"
	case f.Symlink != "":
		l.what = "link to " + f.Symlink
	case f.Metadata != "":
		l.what = "the manifest as " + f.Metadata
	case f.Source != "":
		l.what = "source " + f.Source
		l.state, l.missing = sourceState(f.SourceFile(p.home), f.Optional)
	case f.Contents != nil:
		l.what = fmt.Sprintf("contents, %s", bytesText(int64(len(*f.Contents))))
	}
	return l
}

func sourceState(path string, optional bool) (state string, missing bool) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && optional:
		return "left out: there is none", false
	case errors.Is(err, fs.ErrNotExist):
		return "missing", true
	case err != nil:
		return "unreadable", true
	case !info.Mode().IsRegular():
		return "not a file", true
	}
	return bytesText(info.Size()), false
}

// planText puts a plan into columns, a heading for each section.
func planText(lines []planned) string {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	section := ""
	for _, l := range lines {
		if l.section != section {
			section = l.section
			_ = t.Flush() // columns are as wide as their section needs
			_, _ = fmt.Fprintln(&b, section)
		}
		var cells []string
		for _, c := range []string{l.name, l.what, l.path, l.state} {
			if c != "" {
				cells = append(cells, c)
			}
		}
		_, _ = fmt.Fprintf(t, "  %s\n", strings.Join(cells, "\t"))
	}
	_ = t.Flush()
	return b.String()
}
