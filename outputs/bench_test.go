package outputs

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
)

// BenchmarkTar writes a tree of the size of a real one (36 000 paths, 1.2 GB, in
// one file, as a layer is) and, to compare, copies and hashes the result.
func BenchmarkTar(b *testing.B) {
	if testing.Short() {
		b.Skip("it writes 1.2 GB files")
	}
	dir := b.TempDir()
	tree := bigTree(b, dir)
	target := filepath.Join(dir, "image.tar")
	write := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s := ToDir(dir)
			if err := writeTar(b.Context(), tree, s, nil); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(s.Results()[0].Size)
			b.StopTimer()
			if err := os.Rename(target, filepath.Join(dir, "result")); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
	b.Run("write", write)
	b.Run("cp+sha256", func(b *testing.B) {
		for b.Loop() {
			copyAndHash(b, filepath.Join(dir, "result"), filepath.Join(dir, "copy"))
			b.StopTimer()
			if err := os.Remove(filepath.Join(dir, "copy")); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
}

func bigTree(b *testing.B, dir string) *rootfs.Tree {
	const size, files = 1200 << 20, 34000
	f, err := os.Create(filepath.Join(dir, "layer"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	r := rand.NewChaCha8([32]byte{})
	if _, err := io.CopyN(f, r, size); err != nil {
		b.Fatal(err)
	}
	entries := make([]*rootfs.Entry, files)
	off := int64(0)
	for i := range entries {
		n := int64(1000 + 30*(i%1000)) // 16 KiB on average
		if i%500 == 0 {
			n = 9 << 20
		}
		n = min(n, size-off)
		entries[i] = &rootfs.Entry{
			Path: fmt.Sprintf("containers/services/s%d/lower/usr/share/doc/p%d/f%d", i/2000, i/10, i), Type: rootfs.File, Mode: 0o644,
			Size: n, Digest: rootfs.Digest{byte(i), byte(i >> 8)}, Body: io.NewSectionReader(f, off, n),
		}
		off += n
	}
	return treeOf(b, entries...)
}

func copyAndHash(b *testing.B, from, to string) {
	src, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	defer dst.Close()
	buf := make([]byte, 128<<10)
	if _, err := io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, buf); err != nil {
		b.Fatal(err)
	}
	if _, err := dst.Seek(0, io.SeekStart); err != nil {
		b.Fatal(err)
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{sha256.New()}, struct{ io.Reader }{dst}, buf); err != nil {
		b.Fatal(err)
	}
}
