package outputs

import (
	"context"
	"errors"
	"fmt"

	"github.com/composeos/compose/compose/rootfs"
)

// Tar is the format "tar": the whole root filesystem as one tar archive, every
// entry but the root in path order, in the encoding of [rootfs.Tar].
type Tar struct{}

// Name implements [Format].
func (Tar) Name() string { return "tar" }

// Summary implements [Format].
func (Tar) Summary() string { return "the root filesystem as a tar archive" }

// Files implements [Format].
func (Tar) Files(name string) []string { return []string{name + ".tar"} }

// Check implements [Format]. It finds what no tar archive can hold.
func (Tar) Check(t *rootfs.Tree, o Options) error {
	return errors.Join(o.Validate(), encodable(t, rootfs.Tar{}))
}

// Write implements [Format].
func (f Tar) Write(ctx context.Context, t *rootfs.Tree, env Env) (err error) {
	w, err := env.Sink.Create(f.Files(env.Name)[0])
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
	}()
	return writeEntries(ctx, w, t.Entries(), rootfs.Tar{}, env.Progress)
}

// maxReasons is how many faults of one tree are told; a tree that has one often has
// thousands of the kind.
const maxReasons = 20

// encodable returns why codec cannot write t.
func encodable(t *rootfs.Tree, codec rootfs.Codec) error {
	var reasons []error
	var b []byte
	more := 0
	for e := range t.Entries() {
		var err error
		if b, err = codec.AppendHeader(b[:0], e); err == nil {
			continue
		}
		if len(reasons) == maxReasons {
			more++
			continue
		}
		reasons = append(reasons, entryError(e, err))
	}
	if more > 0 {
		reasons = append(reasons, fmt.Errorf("and %d more entries", more))
	}
	return errors.Join(reasons...)
}

// entryError says which entry err is about.
func entryError(e *rootfs.Entry, err error) error {
	if e.Origin == "" {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	return fmt.Errorf("%s (%s): %w", e.Path, e.Origin, err)
}

// step is how much of a large file is written between two words of progress.
const step = 4 << 20

// writeEntries writes an archive of entries, with its trailer.
func writeEntries(ctx context.Context, w File, entries rootfs.Entries, codec rootfs.Codec, progress func(int64)) error {
	var b []byte // what goes before the next body: padding of the last, and the header
	var told progressed
	for e := range entries {
		var err error
		if b, err = codec.AppendHeader(b, e); err != nil {
			return entryError(e, err)
		}
		told.add(len(b), progress)
		if _, err := w.Write(b); err != nil {
			return err
		}
		size := e.Payload()
		for off := int64(0); off < size; off += step {
			n := min(step, size-off)
			if err := w.Body(ctx, e, off, n); err != nil {
				return err
			}
			told.add(int(n), progress)
		}
		b = b[:0]
		for range codec.Pad(size) {
			b = append(b, 0)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	b = append(b, codec.Trailer()...)
	_, err := w.Write(b)
	told.flush(len(b), progress)
	return err
}

// progressed gathers small progress into larger.
type progressed int64

func (p *progressed) add(n int, progress func(int64)) {
	*p += progressed(n)
	if *p >= step/4 {
		progress(int64(*p))
		*p = 0
	}
}

func (p *progressed) flush(n int, progress func(int64)) {
	progress(int64(*p) + int64(n))
	*p = 0
}
