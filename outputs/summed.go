package outputs

import (
	"context"
	"slices"

	"github.com/composeos/compose/compose/rootfs"
)

// A file that is written again is not hashed again: the cache remembers its sum
// by what it is made of. Of a file of which only the beginning is as it was, it
// remembers how far the hash had come there, and hashing goes on behind it. So a
// format puts first what changes least.

// markDistance is how far apart, in bytes, states of a hash are remembered.
const markDistance = 32 << 20

// mark is a place between two parts of a file.
type mark struct {
	key    rootfs.Digest // names all bytes before it
	offset int64         // bytes before it
	parts  int           // parts before it
}

// marksOf returns the marks of a file: the first end of a part in each span of
// markDistance bytes. They depend on what is before them alone.
func marksOf(parts []stream) []mark {
	var marks []mark
	h := keyOf("beginning")
	offset := int64(0)
	for i, p := range parts {
		k := p.key()
		h.Write(k[:])
		before := offset
		offset += p.size()
		if offset/markDistance > before/markDistance {
			marks = append(marks, mark{rootfs.Digest(h.Sum(nil)), offset, i + 1})
		}
	}
	return marks
}

// partsOf returns the parts that s is joined of, to the lowest level.
func partsOf(s stream) []stream {
	switch s := s.(type) {
	case joined:
		var all []stream
		for _, p := range s {
			all = append(all, partsOf(p)...)
		}
		return all
	case *initramfs:
		return partsOf(s.stream)
	}
	return []stream{s}
}

// writeSummed writes s to f, and hashes no more of it than it has to.
func writeSummed(ctx context.Context, env Env, f File, s stream) error {
	key := s.key()
	if sum, ok := recallSum(env.Cache, key); ok {
		f.Known(sum)
		return s.write(ctx, f, env.Progress)
	}
	parts := partsOf(s)
	marks := marksOf(parts)
	for i, m := range slices.Backward(marks) {
		if state, ok := env.Cache.Recall(m.key); ok && f.Resume(state, m.offset) == nil {
			marks = marks[i+1:]
			break
		}
	}
	for i, p := range parts {
		if err := p.write(ctx, f, env.Progress); err != nil {
			return err
		}
		if len(marks) > 0 && marks[0].parts == i+1 {
			state, err := f.State()
			if err != nil {
				return err
			}
			env.Cache.Remember(marks[0].key, state)
			marks = marks[1:]
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	sum := f.Sum()
	env.Cache.Remember(key, sum[:])
	return nil
}

// recallSum returns the SHA-256 of the stream with that key, if it is remembered.
func recallSum(c Cache, key rootfs.Digest) (sum rootfs.Digest, ok bool) {
	b, ok := c.Recall(key)
	if !ok || len(b) != len(sum) {
		return sum, false
	}
	return rootfs.Digest(b), true
}
