package outputs

import (
	"bufio"
	"context"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/composeos/compose/compose/rootfs"
)

// members is a stream of compressed runs out of the cache, one after the other:
// gzip members (RFC 1952 2.2) or zstd frames (RFC 8878 3.1), which every reader
// takes as one.
type members struct {
	all  []Member
	keys []rootfs.Digest
}

// compressed returns a section in that compression. What the cache lacks is made
// now, on all processors, and kept on disk, not in memory; the order of the
// members is that of the entries, however they are made.
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
	m := &members{make([]Member, len(runs)), make([]rootfs.Digest, len(runs))}
	pool := &encoders{Compression: c}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, run := range runs {
		g.Go(func() (err error) {
			a, err := newArchive(section{run, s.codec, s.trailer && i == len(runs)-1})
			if err != nil {
				return err
			}
			m.keys[i] = memberKey(c, a)
			m.all[i], err = env.Cache.Member(ctx, m.keys[i], func(w io.Writer) error { return pool.compress(ctx, a, w) })
			if err == nil {
				env.Progress(a.size())
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
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

// parts returns each member as a stream.
func (m *members) parts() joined {
	all := make(joined, len(m.all))
	for i, one := range m.all {
		all[i] = member{one, m.keys[i]}
	}
	return all
}

func (m *members) size() int64        { return m.parts().size() }
func (m *members) key() rootfs.Digest { return m.parts().key() }

func (m *members) write(ctx context.Context, w writer, done func(int64)) error {
	return m.parts().write(ctx, w, done)
}

// member is the stream of one member, which who has made it closes.
type member struct {
	Member
	name rootfs.Digest
}

func (m member) size() int64        { return m.Size() }
func (m member) key() rootfs.Digest { return m.name }
func (m member) close()             {}

// write appends the member. It was told as progress when it was made.
func (m member) write(ctx context.Context, w writer, _ func(int64)) error {
	return w.Copy(ctx, m.Member, 0, m.Size())
}

func (m *members) close() {
	for _, one := range m.all {
		if one != nil {
			_ = one.Close() // it was only read
		}
	}
}
