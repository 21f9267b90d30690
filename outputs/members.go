package outputs

import (
	"bufio"
	"context"
	"io"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/composeos/compose/compose/rootfs"
)

// compressed returns a section in that compression: as runs out of the cache, one
// after the other, which are gzip members (RFC 1952 2.2) or zstd frames (RFC 8878
// 3.1), and which every reader takes as one. What the cache lacks is made now, on
// all processors, and kept on disk, not in memory; the order of the members is that
// of the entries, however they are made.
func compressed(ctx context.Context, env Env, c Compression, s section) (stream, error) {
	if c == Uncompressed {
		a, err := newArchive(s)
		if err != nil {
			return nil, err
		}
		return a, nil
	}
	runs := cut(s.entries)
	if len(runs) == 0 {
		runs = append(runs, nil)
	}
	all := make(joined, len(runs))
	pool := &encoders{Compression: c}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, run := range runs {
		g.Go(func() error {
			a, err := newArchive(section{run, s.codec, s.trailer && i == len(runs)-1})
			if err != nil {
				return err
			}
			key := memberKey(c, a)
			m, err := env.Cache.Member(ctx, key, func(w io.Writer) error { return pool.compress(ctx, a, w) })
			if err != nil {
				return err
			}
			all[i] = member{m, key}
			if n := a.size(); n > 0 {
				env.Progress(n)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		slices.DeleteFunc(all, func(s stream) bool { return s == nil }).close()
		return nil, err
	}
	return all, nil
}

// memberKey names what a run becomes.
func memberKey(c Compression, a *archive) rootfs.Digest {
	h := keyOf("member " + c.encoderID())
	k := a.key()
	h.Write(k[:])
	return rootfs.Digest(h.Sum(nil))
}

// compress writes a run to w, as one member.
func (p *encoders) compress(ctx context.Context, a *archive, w io.Writer) error {
	b := bufio.NewWriterSize(w, 128<<10)
	e, err := p.get(b)
	if err != nil {
		return err
	}
	defer p.put(e)
	if err := a.write(ctx, newPlainWriter(e), untold); err != nil {
		return err
	}
	if err := e.Close(); err != nil {
		return err
	}
	return b.Flush()
}

// member is the stream of one member.
type member struct {
	Member
	name rootfs.Digest
}

func (m member) size() int64        { return m.Size() }
func (m member) key() rootfs.Digest { return m.name }
func (m member) close()             { _ = m.Close() } // it was only read

// write appends the member. It was told as progress when it was made.
func (m member) write(ctx context.Context, w writer, _ func(int64)) error {
	return w.Copy(ctx, m.Member, 0, m.Size())
}
