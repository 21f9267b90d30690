package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/composeos/compose/compose/rootfs"
)

// seedTars are tars that between them have everything a scanner knows.
func seedTars(tb testing.TB) [][]byte {
	tb.Helper()
	return [][]byte{
		{},
		makeTar(tb),
		makeTar(tb, dir("./"), file("a", "aaa"), symlink("l", "/a"), hardlink("h", "a"), hardlink("x", "gone"), file("a", "b")),
		makeTar(tb, file(".wh.a", ""), dir("d"), file("d/.wh..wh..opq", ""), file(".wh..wh.plnk/1", "x")),
		makeTar(tb, item{name: strings.Repeat("n/", 99) + "n", pax: map[string]string{"SCHILY.xattr.user.a": "\x00"}}),
		makeTar(tb, dir("d"), file("d/x", "x"), file("d", "")),
		raw(rawHeader("a/../b", '0', 0, nil)),
		raw(rawHeader("a", 'S', 0, func(h []byte) { copy(h[257:], "ustar  \x00") })),
		rawHeader("a", '0', 1<<30, nil),
	}
}

// seedIndexes are the indexes of those tars.
func seedIndexes(tb testing.TB) (indexes [][]byte) {
	tb.Helper()
	for _, ball := range seedTars(tb) {
		records, err := scanBytes(tb, ball, false)
		if err != nil {
			continue
		}
		if data, err := makeIndex(records, false, digestOf(hashOf(ball)), int64(len(ball))); err == nil {
			indexes = append(indexes, data)
		}
	}
	return indexes
}

func scanBytes(tb testing.TB, ball []byte, plain bool) ([]record, error) {
	tb.Helper()
	f := &feed{src: bytes.NewReader(ball), buf: make([]byte, 4096), limit: 1 << 20}
	sc := &scanner{feed: f, entries: 1000, buf: make([]byte, 512), plain: plain}
	return sc.scan(tb.Context())
}

// FuzzScan: any bytes are refused, or make an index that can be read.
func FuzzScan(f *testing.F) {
	for _, seed := range seedTars(f) {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, ball []byte, plain bool) {
		records, err := scanBytes(t, ball, plain)
		if err != nil {
			return
		}
		data, err := makeIndex(records, plain, rootfs.Digest{}, int64(len(ball)))
		if err != nil {
			return
		}
		entries, size, err := decode(data, rootfs.Digest{}, section{bytes.NewReader(ball), 0})
		if err != nil || size != int64(len(ball)) {
			t.Fatalf("index cannot be read: %d, %v", size, err)
		}
		for i := range entries {
			if e := &entries[i]; e.Type == rootfs.File {
				content(t, e)
			} else if again, err := clean(e.Path); e.Path != "" && (err != nil || again != e.Path) {
				t.Errorf("path %q is not clean", e.Path)
			}
		}
	})
}

// FuzzDecode: any bytes are refused, or are in order and lie within the tar. The
// checksum is put right first; else no other byte would count.
func FuzzDecode(f *testing.F) {
	for _, seed := range seedIndexes(f) {
		f.Add(seed)
	}
	f.Add([]byte(indexMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		var digest rootfs.Digest
		if len(data) >= headerSize {
			copy(digest[:], data[len(indexMagic):])
		}
		sum := sha256.Sum256(data)
		entries, size, err := decode(append(bytes.Clone(data), sum[:]...), digest, section{strings.NewReader(""), 0})
		if err != nil {
			return
		}
		if len(entries)*recordSize > len(data) {
			t.Errorf("%d entries of %d bytes", len(entries), len(data))
		}
		for i := range entries {
			e := &entries[i]
			if i > 0 && !ordered(&entries[i-1], e) {
				t.Errorf("%q is not in order", e.Path)
			}
			if sp, ok := e.Body.(*span); ok && (sp.base < 0 || sp.base+sp.size > size) {
				t.Errorf("%q lies outside", e.Path)
			}
		}
	})
}

// A changed byte or a cut anywhere in an index is seen.
func TestDamagedIndex(t *testing.T) {
	for _, data := range seedIndexes(t) {
		var digest rootfs.Digest
		copy(digest[:], data[len(indexMagic):])
		if _, _, err := decode(data, digest, section{}); err != nil {
			t.Fatal(err)
		}
		for i := range data {
			if _, _, err := decode(flip(data, i), digest, section{}); err == nil {
				t.Errorf("byte %d changed: read", i)
			}
			if _, _, err := decode(data[:i], digest, section{}); err == nil {
				t.Errorf("cut at %d: read", i)
			}
		}
		digest[0] ^= 1
		if _, _, err := decode(data, digest, section{}); err == nil {
			t.Error("the index of another tar was read")
		}
	}
}

func TestSpan(t *testing.T) {
	s := &span{section{strings.NewReader("0123456789"), 2}, 5}
	tests := []struct {
		off  int64
		n    int
		want string
		err  error
	}{{0, 5, "23456", nil}, {0, 9, "23456", io.EOF}, {3, 2, "56", nil}, {3, 4, "56", io.EOF}, {5, 1, "", io.EOF}, {99, 1, "", io.EOF}}
	for _, tt := range tests {
		p := make([]byte, tt.n)
		if n, err := s.ReadAt(p, tt.off); string(p[:n]) != tt.want || err != tt.err { //nolint:errorlint // io.ReaderAt promises the bare io.EOF
			t.Errorf("%d bytes at %d: %q, %v", tt.n, tt.off, p[:n], err)
		}
	}
	if _, err := s.ReadAt(nil, -1); err == nil {
		t.Error("a negative offset was read")
	}
	cut := &span{section{strings.NewReader("01"), 0}, 5}
	if n, err := cut.ReadAt(make([]byte, 5), 0); n != 2 || err != io.ErrUnexpectedEOF { //nolint:errorlint // as above
		t.Errorf("a tar that became shorter: %d, %v", n, err)
	}
}

func TestStamp(t *testing.T) {
	fileTime := time.Unix(1000, 0)
	path := t.TempDir() + "/f"
	put(t, path, "x")
	stamp := func() Stamp {
		fi, err := os.Stat(path)
		must(t, err)
		return StampOf(fi)
	}
	first := stamp()
	if !first.Equal(stamp()) || first.Size != 1 || first.Inode == 0 {
		t.Errorf("%+v", first)
	}
	must(t, os.Chtimes(path, fileTime, fileTime))
	touched := stamp()
	put(t, path, "xy")
	must(t, os.Chtimes(path, fileTime, fileTime))
	for _, other := range []Stamp{{}, touched, stamp()} {
		if first.Equal(other) || touched.Equal(first) {
			t.Errorf("%+v equals %+v", first, other)
		}
	}
	if (Stamp{}).Equal(Stamp{}) {
		t.Error("the stamp of no file equals itself")
	}
}

// bigIndex returns an index of n files as they lie in a system.
func bigIndex(tb testing.TB, n int) ([]byte, rootfs.Digest) {
	tb.Helper()
	var records []record
	for i := range n {
		name := fmt.Sprintf("usr/share/doc/package-%03d/section-%02d/file-%d.txt", i/500, i/20, i)
		records = append(records, record{path: name, typ: rootfs.File, size: 100, offset: int64(i) * 1024, modTime: 1})
	}
	data, err := makeIndex(records, false, rootfs.Digest{1}, int64(n)*1024)
	if err != nil {
		tb.Fatal(err)
	}
	return data, rootfs.Digest{1}
}

// BenchmarkIndexLoad reads the index of a layer of 36 000 files.
func BenchmarkIndexLoad(b *testing.B) {
	data, digest := bigIndex(b, 36000)
	path := b.TempDir() + "/idx"
	if err := os.WriteFile(path, data, 0o644); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		data, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := decode(data, digest, section{}); err != nil {
			b.Fatal(err)
		}
	}
}
