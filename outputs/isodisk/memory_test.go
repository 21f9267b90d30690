package isodisk

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"testing"
)

// TestMemory holds memory against a plain slice: what is read is what was written;
// stretches are in order, do not touch, are in the bounds, and hold all that is not
// zero.
func TestMemory(t *testing.T) {
	const size = 64 << 10
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		m, plain := &memory{}, make([]byte, size)
		for range 1 + r.IntN(20) {
			off := r.IntN(size)
			b := make([]byte, r.IntN(min(size-off, 3*pageSize)+1))
			if r.IntN(3) > 0 { // zeros are written, too
				for i := range b {
					b[i] = byte(r.IntN(3))
				}
			}
			if n, err := m.WriteAt(b, int64(off)); n != len(b) || err != nil {
				t.Fatal(n, err)
			}
			copy(plain[off:], b)
		}
		for range 20 {
			off := r.IntN(size)
			b := bytes.Repeat([]byte{0xff}, r.IntN(size-off+1))
			if n, err := m.ReadAt(b, int64(off)); n != len(b) || err != nil || !bytes.Equal(b, plain[off:off+n]) {
				t.Fatalf("seed %d: %d bytes at %d are others: %v", seed, n, off, err)
			}
			from, to := int64(off), int64(off+len(b))
			end, copied := int64(-1), make([]byte, size)
			m.Written(from, to, func(off int64, data []byte) {
				if off <= end || off < from || off+int64(len(data)) > to || len(data) == 0 {
					t.Fatalf("seed %d: a stretch of %d bytes at %d, behind one that ends at %d, of %d to %d", seed, len(data), off, end, from, to)
				}
				end = off + int64(len(data))
				copy(copied[off:], data)
			})
			if !bytes.Equal(copied[from:to], plain[from:to]) {
				t.Fatalf("seed %d: the stretches of %d to %d are not what was written", seed, from, to)
			}
		}
	}
}

// TestMemorySparse writes at the ends of what is far: only pages that hold something
// are there.
func TestMemorySparse(t *testing.T) {
	m := &memory{}
	m.put(5)
	m.put(1<<62, make([]byte, 3*pageSize)...)
	if len(m.pages) != 0 {
		t.Errorf("%d pages of zeros", len(m.pages))
	}
	m.put(1<<62-1, 7, 8)
	if len(m.pages) != 2 || !bytes.Equal(m.bytes(1<<62-2, 4), []byte{0, 7, 8, 0}) {
		t.Errorf("%d pages, with %v", len(m.pages), m.bytes(1<<62-2, 4))
	}
	m.put(1<<62-1, 0, 0)
	if !bytes.Equal(m.bytes(1<<62-2, 4), make([]byte, 4)) {
		t.Error("zeros over something are lost")
	}
	for _, f := range []func([]byte, int64) (int, error){m.ReadAt, m.WriteAt} {
		if _, err := f([]byte{1}, -1); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("before the beginning: %v", err)
		}
	}
}
