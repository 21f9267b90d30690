package store

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
)

// kernelLayer returns a layer that holds such an archive.
func kernelLayer(t *testing.T, l *Lease, archive []byte) *rootfs.Entry {
	t.Helper()
	ball := makeTar(t, file("before", "x"), file("kernel.tar", string(archive)))
	return &mustLayer(t, l, layerOf(ball, gzipped(t, ball))).Entries()[1]
}

func TestArchive(t *testing.T) {
	archive := makeTar(t, dir("lib"), file("lib/.wh.x", "plain"), file("lib/m", "mod"), hardlink("lib/n", "lib/m"), dir(".wh..wh.d"))
	want := `directory ".wh..wh.d" 0755 0:0 @0
directory "lib" 0755 0:0 @0
file "lib/.wh.x" 0644 0:0 @0 "plain"
file "lib/m" 0644 0:0 @0 "mod" inode 1
file "lib/n" 0644 0:0 @0 "mod" inode 1
`
	s := openStore(t, t.TempDir())
	size := func() int64 {
		u, err := s.Usage(t.Context())
		must(t, err)
		return u.Size
	}
	l := s.Lease()
	file := kernelLayer(t, l, archive)
	before := size()
	for _, l := range []*Lease{l, l, newLease(t, s)} {
		a, err := l.Archive(t.Context(), file)
		must(t, err)
		if diff := cmp.Diff(want, show(t, a.Entries())); diff != "" {
			t.Error(diff)
		}
		if a.Size != file.Size || a.DiffID.String() != file.Digest.String() {
			t.Errorf("size %d, %s", a.Size, a.DiffID)
		}
	}
	if more := size() - before; more > 2000 {
		t.Errorf("the store grew by %d bytes", more)
	}
	must(t, l.Close())
	l = newLease(t, s)
	file = kernelLayer(t, l, archive)
	path := s.path(archivesDir, hashOf(archive).Hex+".idx")
	for _, do := range []func(){func() { overwrite(t, path, 90) }, func() { must(t, os.Remove(path)) }, func() { s.verify = true }} {
		do()
		a, err := newLease(t, s).Archive(t.Context(), file)
		if err != nil || show(t, a.Entries()) != want {
			t.Errorf("%v", err)
		}
	}
}

func TestBadArchives(t *testing.T) {
	good := makeTar(t, file("a", "x"))
	tests := map[string]struct {
		archive []byte
		want    string
	}{
		"gzip":      {gzipped(t, good), "it is compressed (gzip): only a plain tar can be used"},
		"zstd":      {zstded(t, good), "it is compressed (zstd)"},
		"empty":     {nil, "it is empty"},
		"link":      {makeTar(t, hardlink("a", "b"), file("b", "")), `hard link "a": its target "b" is not in the archive before it`},
		"parent":    {raw(rawHeader("../b", '0', 0, nil)), `".." in name "../b"`},
		"truncated": {good[:600], `read what follows "a": unexpected EOF`},
		"no tar":    {[]byte(strings.Repeat("x", 600)), "invalid tar header"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			l := newLease(t, s)
			_, err := l.Archive(t.Context(), kernelLayer(t, l, tt.archive))
			if !errors.Is(err, ErrInvalid) || !strings.HasPrefix(err.Error(), `archive "kernel.tar": `) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want … %s", err, tt.want)
			}
		})
	}
	s := openStore(t, t.TempDir())
	if _, err := newLease(t, s).Archive(t.Context(), &rootfs.Entry{Path: "d", Type: rootfs.Dir}); !errors.Is(err, ErrInvalid) {
		t.Errorf("directory: %v", err)
	}
}
