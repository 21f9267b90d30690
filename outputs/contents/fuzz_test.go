package contents_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
)

// FuzzRead holds that whatever is read lies in the file, and is the same when it is
// read again.
func FuzzRead(f *testing.F) {
	for _, data := range small(f) {
		f.Add(data)
	}
	for _, data := range [][]byte{bzImage("6.1"), program("ARM\x64"), program(""), gz(f, bzImage("6.1")), tarItems(f, item{"d/", ""}, item{"d/l", "->x"})} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := read(t, data)
		if err != nil {
			return
		}
		if img.Digest != rootfs.Digest(sha256.Sum256(data)) {
			t.Fatalf("digest %s", img.Digest)
		}
		for _, p := range img.Parts {
			if p.Offset < 0 || p.Size < 0 || p.Size > int64(len(data))-p.Offset {
				t.Fatalf("part %+v of %d bytes", p, len(data))
			}
		}
		for _, c := range img.Containers {
			if slices.ContainsFunc(c.Layers, func(n int) bool { return n < 0 || n >= len(img.Layers) }) {
				t.Fatalf("layers %v of %d", c.Layers, len(img.Layers))
			}
		}
		for _, e := range img.Entries {
			if e.Type == 0 || e.Mode > 0o7777 || e.Size < 0 || (e.Type == rootfs.File) != (e.Digest != rootfs.Digest{}) && e.First == "" || e.Origin == "" {
				t.Fatalf("entry %+v", e)
			}
		}
		if !contents.Known(data[:min(len(data), contents.HeadSize)]) {
			t.Fatal("it is read, and not known")
		}
		again, err := read(t, bytes.Clone(data))
		if err != nil || text(again) != text(img) {
			t.Fatalf("read again: %v", err)
		}
	})
}
