package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/spec"
)

// writeJob is the last part of a build: from the lock to the files.
type writeJob struct {
	*buildCommand
	session *session
	engine  *engine
	in      *input
	lock    *spec.Lock

	key     string // names all that decides the files: see identify
	results []outputs.Result
	said    []notice
}

// streams tells whether the output goes to standard output.
func (j *writeJob) streams() bool { return j.out == "-" }

func (j *writeJob) options() outputs.Options {
	return outputs.Options{Name: j.imageName(j.in), Compress: outputs.Compression(j.compress.value), Size: int64(j.size)}
}

// accept says what the result has to say, asks every format whether it can write
// the tree, and lists the debts. All that is refused is returned, joined.
func (j *writeJob) accept(result *compose.Result) error {
	j.said = noticesOf(result)
	var errs []error
	for _, f := range j.formats {
		notices, err := f.Check(result.Tree, j.options())
		for _, n := range notices {
			j.hear(n)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name(), err))
		}
	}
	errs = slices.Insert(errs, 0, sayNotices(j.session.ui, j.said, j.strict))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	debts(j.session.ui, j.lock)
	return nil
}

// hear keeps a notice of a format, unless another one has said the same.
func (j *writeJob) hear(n outputs.Notice) {
	heard := notice{n.Text, n.Strict, n.Info}
	if !slices.Contains(j.said, heard) {
		j.said = append(j.said, heard)
	}
}

// sink returns where the files go.
func (j *writeJob) sink() *outputs.Files {
	switch {
	case j.streams():
		return outputs.ToStream(j.session.stdout)
	case j.out != "":
		return outputs.ToFile(j.out)
	}
	return outputs.ToDir(firstOf(j.dir, "."))
}

// write writes all formats into one sink: all files appear, or none. It calls
// saveLock when they are complete, before they appear, so that there is never an
// image without its lock.
func (j *writeJob) write(ctx context.Context, t *rootfs.Tree, saveLock func() error) error {
	sink := j.sink()
	defer sink.Abort()
	for _, f := range j.formats {
		if err := j.writeFormat(ctx, f, t, sink); err != nil {
			return err
		}
	}
	if err := firstError(ctx.Err(), saveLock, sink.Commit); err != nil {
		return err
	}
	j.results = sink.Results()
	j.sayInfo()
	return nil
}

// sayInfo says what was learnt while writing.
func (j *writeJob) sayInfo() {
	for _, n := range j.said {
		if n.info {
			j.session.ui.notef("%s", n.text)
		}
	}
}

func (j *writeJob) writeFormat(ctx context.Context, f outputs.Format, t *rootfs.Tree, sink outputs.Sink) error {
	files := f.Files(j.imageName(j.in))
	name := firstOf(j.out, files[0])
	if len(files) > 1 {
		name = j.imageName(j.in) + " " + f.Name()
	}
	task := j.session.ui.Start("write", name, contentSize(t))
	defer task.Done()
	return f.Write(ctx, t, outputs.Env{
		Options: j.options(), Sink: sink, Cache: outputCache{j.engine, j.verify}, Progress: task.Add,
		Notify: j.hear,
	})
}

// contentSize is about how many bytes an uncompressed archive of t has: the
// contents, and for each entry a header and half a block of padding.
func contentSize(t *rootfs.Tree) int64 {
	const perEntry = 512 + 256
	total := int64(0)
	for e := range t.Entries() {
		total += perEntry
		if e.First == "" {
			total += e.Size
		}
	}
	return total
}

// report prints a line for each file: digest, size, path.
func (j *writeJob) report() error {
	u := j.session.ui
	if u.json != nil {
		for _, r := range j.results {
			u.json.send(event{Event: "file", Path: r.Path, Size: r.Size, Digest: r.Digest.String()})
		}
	}
	if j.streams() {
		if u.json == nil {
			u.close(true)
			for _, r := range j.results {
				_, _ = fmt.Fprintf(j.session.stderr, "%s", resultLine(r))
			}
		}
		return nil
	}
	u.close(true)
	for _, r := range j.results {
		if _, err := j.session.stdout.WriteString(resultLine(r)); err != nil {
			return written(err)
		}
	}
	return nil
}

// resultLine is fixed: programs read it. A path with a line break in it would
// be two lines, so a backslash and it are escaped, as sha256sum does.
func resultLine(r outputs.Result) string {
	return fmt.Sprintf("%x %d %s\n", r.Digest[:], r.Size, escapePath(r.Path))
}
