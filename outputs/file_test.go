package outputs

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
)

// ended is a writer that takes so many writes.
type ended struct {
	bytes.Buffer
	left int
}

var errDisk = errors.New("disk on fire")

func (w *ended) Write(p []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, errDisk
	}
	return w.Buffer.Write(p)
}

// TestKnownIsWritten holds that a file whose digest is known gets all its bytes in
// their order, and that digest.
func TestKnownIsWritten(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		content := make([]byte, r.IntN(20*bufferSize))
		for i := range content {
			content[i] = byte(r.Uint32())
		}
		var got bytes.Buffer
		f := newFile("x", &got, nil, func() bool { return false })
		known := rootfs.Digest(sha256.Sum256([]byte(fmt.Sprint(seed))))
		f.Known(known)
		for rest := content; len(rest) > 0; {
			n := min(len(rest), 1+r.IntN(1<<r.IntN(21)))
			var err error
			if r.IntN(2) == 0 {
				_, err = f.Write(rest[:n])
			} else {
				err = f.Copy(t.Context(), bytes.NewReader(rest), 0, int64(n))
			}
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := f.Close(); err != nil || f.Sum() != known || !bytes.Equal(got.Bytes(), content) {
			t.Fatalf("seed %d: %d bytes of %d, sum %v, error %v", seed, got.Len(), len(content), f.Sum(), err)
		}
	}
}

// TestHoles holds that zeros that are skipped are there, hashed, and take no room.
func TestHoles(t *testing.T) {
	for _, how := range []string{"hashed", "known", "resumed", "to a stream"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			sink := ToDir(dir)
			var stream bytes.Buffer
			if how == "to a stream" {
				sink = ToStream(&stream)
			}
			defer sink.Abort()
			want := slices.Concat([]byte("begin"), make([]byte, 3*largeHole+5), []byte("middle"), make([]byte, 100), []byte("x"), make([]byte, smallHole))
			sum := rootfs.Digest(sha256.Sum256(want))
			f, err := sink.Create("x")
			if err != nil {
				t.Fatal(err)
			}
			switch how {
			case "known":
				f.Known(sum)
			case "resumed":
				const before = largeHole + 3
				h := sha256.New()
				h.Write(want[:before])
				state, _ := h.(encoding.BinaryMarshaler).MarshalBinary() // SHA-256 always can
				if err := f.Resume(state, before); err != nil {
					t.Fatal(err)
				}
			}
			for _, step := range []error{
				writeText(f, "begin"), f.Skip(t.Context(), 3*largeHole+5), writeText(f, "middle"), f.Skip(t.Context(), 100),
				writeText(f, "x"), f.Skip(t.Context(), smallHole), f.Close(), sink.Commit(),
			} {
				if step != nil {
					t.Fatal(step)
				}
			}
			got := stream.Bytes()
			if how != "to a stream" {
				if got, err = os.ReadFile(filepath.Join(dir, "x")); err != nil {
					t.Fatal(err)
				}
				info, err := os.Stat(filepath.Join(dir, "x"))
				if err != nil {
					t.Fatal(err)
				}
				if used := info.Sys().(*syscall.Stat_t).Blocks * 512; used > 1<<20 {
					t.Errorf("%d bytes take %d", len(want), used)
				}
			}
			if !bytes.Equal(got, want) || f.Sum() != sum {
				t.Errorf("%d bytes of %d, sum %v, want %v", len(got), len(want), f.Sum(), sum)
			}
		})
	}
}

func writeText(f File, s string) error {
	_, err := f.Write([]byte(s))
	return err
}

// TestWriteFails holds that a write that fails, on whichever goroutine, ends the
// writing soon, is said once, and is what Close says too.
func TestWriteFails(t *testing.T) {
	for _, known := range []bool{false, true} {
		for good := range 5 {
			w := &ended{left: good}
			closed := 0
			f := newFile("x", w, func() error { closed++; return errClosed }, func() bool { return false })
			if known {
				f.Known(rootfs.Digest{1})
			}
			buffers := 0
			var err error
			for ; err == nil && buffers < 100; buffers++ {
				_, err = f.Write(make([]byte, bufferSize))
			}
			if !errors.Is(err, errDisk) || err.Error() != "write x: disk on fire" || buffers > good+bufferCount+2 {
				t.Errorf("known %t, %d writes: %v after %d buffers", known, good, err, buffers)
			}
			if again := f.Close(); again == nil || again.Error() != err.Error() || closed != 1 {
				t.Errorf("known %t, %d writes: Close says %v, closed %d times", known, good, again, closed)
			}
		}
		w := &ended{}
		f := newFile("x", w, nil, func() bool { return false })
		if known {
			f.Known(rootfs.Digest{1})
		}
		if _, err := f.Write([]byte("few")); err != nil {
			t.Error(err)
		}
		if err := f.Close(); !errors.Is(err, errDisk) {
			t.Errorf("known %t: Close says %v", known, err)
		}
	}
}
