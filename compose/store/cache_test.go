package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/rootfs"
)

func TestOpen(t *testing.T) {
	tests := map[string]struct {
		make func(t *testing.T, dir string)
		want string // of the error; "" where it opens
	}{
		"new":         {nil, ""},
		"empty":       {func(t *testing.T, dir string) { must(t, os.MkdirAll(dir, 0o755)) }, ""},
		"a file":      {func(t *testing.T, dir string) { put(t, dir, "x") }, "not a directory"},
		"ours":        {func(t *testing.T, dir string) { openStore(t, dir) }, ""},
		"killed":      {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "version.tmp"), "com") }, ""},
		"own disk":    {func(t *testing.T, dir string) { must(t, os.MkdirAll(filepath.Join(dir, "lost+found"), 0o755)) }, ""},
		"foreign":     {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "thesis.tex"), "x") }, "not a cache of this version: it is not empty"},
		"newer":       {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "version"), "compose cache 2\n") }, `its version file says "compose cache 2\n"`},
		"other's":     {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "version"), "6") }, `its version file says "6"`},
		"cut version": {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "version"), "") }, `its version file says ""`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "c")
			if tt.make != nil {
				tt.make(t, dir)
			}
			before := tree(t, dir)
			_, err := Open(dir, Options{})
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want … %s", err, tt.want)
			case tt.want != "" && tree(t, dir) != before:
				t.Error("it was changed")
			}
			if strings.Contains(tt.want, "version") && (!errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "-cache")) {
				t.Errorf("no hint in %v", err)
			}
		})
	}
	if _, err := Open("", Options{}); err == nil {
		t.Error("no directory was accepted")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// tree returns the names below dir.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		b.WriteString(path + "\n")
		return err
	})
	return b.String()
}

func TestBlob(t *testing.T) {
	s := openStore(t, t.TempDir())
	l := newLease(t, s)
	data := []byte("some content")
	d := hashOf(data)
	if _, err := l.Blob(t.Context(), d); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
		t.Errorf("not there: %v", err)
	}
	for name, tt := range map[string]struct {
		r    io.Reader
		size int64
		want error
	}{
		"short":   {bytes.NewReader(data[1:]), int64(len(data)), ErrDigest},
		"long":    {bytes.NewReader(append(data, 'x')), int64(len(data)), ErrDigest},
		"other":   {strings.NewReader("SOME CONTENT"), int64(len(data)), ErrDigest},
		"unknown": {strings.NewReader("SOME CONTENT"), -1, ErrDigest},
		"breaks":  {io.MultiReader(bytes.NewReader(data[:3]), broken{}), -1, errBroken},
	} {
		if _, err := l.Put(t.Context(), d, tt.size, tt.r); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if left := files(t, s); len(left) != 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
	for _, r := range []io.Reader{bytes.NewReader(data), broken{}} { // the second is not read
		b, err := l.Put(t.Context(), d, int64(len(data)), r)
		must(t, err)
		got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size))
		if string(got) != string(data) || err != nil || b.Digest != d {
			t.Errorf("read %q, %v", got, err)
		}
	}
	if _, err := l.Put(t.Context(), d, 3, broken{}); !errors.Is(err, ErrDigest) {
		t.Errorf("there, but of another size: %v", err)
	}
	for _, bad := range []v1.Hash{{}, {Algorithm: "sha512", Hex: d.Hex}, {Algorithm: "sha256", Hex: "../" + d.Hex[3:]}, {Algorithm: "sha256", Hex: strings.ToUpper(d.Hex)}} {
		if _, err := l.Blob(t.Context(), bad); err == nil {
			t.Errorf("digest %v was accepted", bad)
		}
	}
}

// What is done to the files of an entry, and what must come of it.
func TestDamage(t *testing.T) {
	ball := makeTar(t, file("a", strings.Repeat("a", 3000)), file("b", "b"))
	ext := func(s *Store, suffix string) string { return s.path(layersDir, hashOf(ball).Hex+suffix) }
	tests := map[string]struct {
		do     func(t *testing.T, s *Store)
		verify bool
		opened int32 // how often the source is opened in all
		hashed bool  // the stamp is another one afterwards
	}{
		"nothing":                  {func(*testing.T, *Store) {}, false, 1, false},
		"payload":                  {func(t *testing.T, s *Store) { overwrite(t, ext(s, ".tar"), 600) }, false, 2, true},
		"header":                   {func(t *testing.T, s *Store) { overwrite(t, ext(s, ".tar"), 3) }, false, 2, true},
		"truncated":                {func(t *testing.T, s *Store) { truncate(t, ext(s, ".tar"), 700) }, false, 2, true},
		"emptied":                  {func(t *testing.T, s *Store) { truncate(t, ext(s, ".tar"), 0) }, false, 2, true},
		"removed":                  {func(t *testing.T, s *Store) { must(t, os.Remove(ext(s, ".tar"))) }, false, 2, true},
		"touched":                  {func(t *testing.T, s *Store) { touch(ext(s, ".tar")) }, false, 1, true},
		"no stamp":                 {func(t *testing.T, s *Store) { must(t, os.Remove(ext(s, ".stamp"))) }, false, 1, false},
		"damaged stamp":            {func(t *testing.T, s *Store) { overwrite(t, ext(s, ".stamp"), 5) }, false, 1, false},
		"no index":                 {func(t *testing.T, s *Store) { must(t, os.Remove(ext(s, ".idx"))) }, false, 1, false},
		"damaged index":            {func(t *testing.T, s *Store) { overwrite(t, ext(s, ".idx"), 200) }, false, 1, false},
		"empty index":              {func(t *testing.T, s *Store) { truncate(t, ext(s, ".idx"), 0) }, false, 1, false},
		"old index":                {func(t *testing.T, s *Store) { overwrite(t, ext(s, ".idx"), 14) }, false, 1, false},
		"index of another":         {func(t *testing.T, s *Store) { otherIndex(t, ext(s, ".idx")) }, false, 1, false},
		"index and payload":        {func(t *testing.T, s *Store) { overwrite(t, ext(s, ".idx"), 99); overwrite(t, ext(s, ".tar"), 600) }, false, 2, true},
		"payload, stamp forged":    {forge(ext, 600), false, 1, true},
		"same, with verify":        {forge(ext, 600), true, 2, true},
		"forged, and damage shows": {func(t *testing.T, s *Store) { forge(ext, 600)(t, s); must(t, os.Remove(ext(s, ".idx"))) }, false, 2, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			src := layerOf(ball, gzipped(t, ball))
			first := s.Lease()
			want := show(t, mustLayer(t, first, src).Entries())
			must(t, first.Close())
			index, stamp := read(t, ext(s, ".idx")), read(t, ext(s, ".stamp"))
			tt.do(t, s)
			s.verify = tt.verify
			l := s.Lease()
			layer := mustLayer(t, l, src)
			if name != "payload, stamp forged" && show(t, layer.Entries()) != want {
				t.Errorf("got %s", show(t, layer.Entries()))
			}
			must(t, l.Close())
			if n := src.opened.Load(); n != tt.opened {
				t.Errorf("source opened %d times, want %d", n, tt.opened)
			}
			if read(t, ext(s, ".idx")) != index {
				t.Error("the index is another one")
			}
			if (read(t, ext(s, ".stamp")) != stamp) != tt.hashed {
				t.Errorf("stamp was %q, is %q", stamp, read(t, ext(s, ".stamp")))
			}
			s.verify = false
			src.Open = nil // now it is there
			mustLayer(t, newLease(t, s), src)
		})
	}
}

// forge damages the payload and makes the stamp match, as nobody does who has
// no ill will.
func forge(ext func(*Store, string) string, at int64) func(*testing.T, *Store) {
	return func(t *testing.T, s *Store) {
		t.Helper()
		overwrite(t, ext(s, ".tar"), at)
		fi, err := os.Stat(ext(s, ".tar"))
		must(t, err)
		must(t, os.Chmod(ext(s, ".stamp"), 0o644))
		put(t, ext(s, ".stamp"), StampOf(fi).String())
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	must(t, os.Chmod(path, 0o644))
	must(t, os.Truncate(path, size))
}

func otherIndex(t *testing.T, path string) {
	t.Helper()
	data, err := makeIndex([]record{{path: "x", typ: rootfs.Dir}}, false, rootfs.Digest{1}, 1024)
	must(t, err)
	must(t, os.Chmod(path, 0o644))
	put(t, path, string(data))
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

func TestDamagedBlob(t *testing.T) {
	s := openStore(t, t.TempDir())
	data := []byte("some content")
	d := hashOf(data)
	l := s.Lease()
	_, err := l.Put(t.Context(), d, -1, bytes.NewReader(data))
	must(t, err)
	must(t, l.Close())
	overwrite(t, s.path(blobsDir, d.Hex), 3)
	_, err = newLease(t, s).Blob(t.Context(), d)
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "damaged in the cache") {
		t.Errorf("got %v", err)
	}
	if left := files(t, s); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	_, err = newLease(t, s).Put(t.Context(), d, -1, bytes.NewReader(data))
	must(t, err)
}

// A copied cache has no valid stamp: everything is hashed, once.
func TestCopiedCache(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	s := openStore(t, from)
	ball := makeTar(t, file("a", "x"))
	src := layerOf(ball, gzipped(t, ball))
	l := s.Lease()
	mustLayer(t, l, src)
	must(t, l.Close())
	if out, err := exec.CommandContext(t.Context(), "cp", "-r", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c := openStore(t, to)
	src.Open = nil
	stamp := c.path(layersDir, src.DiffID.Hex+".stamp")
	before := read(t, stamp)
	mustLayer(t, newLease(t, c), src)
	hashed := read(t, stamp)
	if hashed == before {
		t.Error("the stamp of the copy is that of the original")
	}
	e := c.layerWork(src.DiffID).entry
	e.check = func(context.Context, *os.File) error { return errBroken }
	f, err := c.get(t.Context(), e)
	if err != nil {
		t.Fatalf("hashed again: %v", err)
	}
	f.Close()
}

func TestReadOnlyCache(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() == 0 { // whom permissions do not stop
		dir = smallDisk(t, "size=8m")
	}
	s := openStore(t, filepath.Join(dir, "c"))
	ball, other := makeTar(t, file("a", "x")), makeTar(t, file("b", "x"))
	src, unstamped, missing := layerOf(ball, ball), layerOf(other, other), layerOf(makeTar(t, dirItem), makeTar(t, dirItem))
	data := []byte("blob")
	l := s.Lease()
	mustLayer(t, l, src)
	mustLayer(t, l, unstamped)
	_, err := l.Put(t.Context(), hashOf(data), -1, bytes.NewReader(data))
	must(t, err)
	must(t, s.SetNote("n", "k", data))
	must(t, l.Close())
	must(t, os.Remove(s.path(layersDir, unstamped.DiffID.Hex+".stamp")))
	must(t, os.Remove(s.path(layersDir, unstamped.DiffID.Hex+".idx")))
	readOnly(t, dir)

	r := openStore(t, filepath.Join(dir, "c"))
	l = newLease(t, r)
	mustLayer(t, l, src)
	mustLayer(t, l, unstamped)
	if src.opened.Load() != 1 || unstamped.opened.Load() != 1 {
		t.Error("made again")
	}
	if _, err := l.Blob(t.Context(), hashOf(data)); err != nil {
		t.Error(err)
	}
	if _, err := r.Note("n", "k"); err != nil {
		t.Error(err)
	}
	if _, err := l.Blob(t.Context(), hashOf(ball)); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	_, err = l.Layer(t.Context(), missing.LayerSource)
	for name, err := range map[string]error{"layer": err, "note": r.SetNote("n", "x", data), "ref": r.SetRef("x", v1.Descriptor{Digest: hashOf(data)})} {
		if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "-cache") || !strings.Contains(err.Error(), r.dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Prune(t.Context(), 0); !errors.Is(err, ErrReadOnly) {
		t.Errorf("prune: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "new"), Options{}); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "-cache") {
		t.Errorf("open: %v", err)
	}
}

var dirItem = dir("d")

func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "size=600k")
	s := openStore(t, dir)
	before := tree(t, dir)
	var body strings.Builder
	for i := range 200000 {
		body.WriteByte(byte(i * i >> 7))
		body.WriteString("..........")
	}
	ball := makeTar(t, file("a", body.String()))
	l := newLease(t, s)
	_, err := l.Layer(t.Context(), layerOf(ball, gzipped(t, ball)).LayerSource)
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("layer: %v", err)
	}
	_, err = l.Put(t.Context(), hashOf(ball), -1, bytes.NewReader(ball))
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("blob: %v", err)
	}
	if err := s.SetNote("n", "k", ball); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("note: %v", err)
	}
	must(t, os.Remove(s.path(notesDir, "n")))
	if after := tree(t, dir); after != before {
		t.Errorf("left behind:\n%s", after)
	}
}

// Of many goroutines with leases of their own, one takes a layer in.
func TestOneTakesIn(t *testing.T) {
	s := openStore(t, t.TempDir())
	ball := makeTar(t, file("a", strings.Repeat("x", 1<<20)))
	src := layerOf(ball, gzipped(t, ball))
	shared := newLease(t, s)
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			l := shared
			if i%2 == 0 {
				l = s.Lease()
				defer l.Close()
			}
			layer, err := l.Layer(t.Context(), src.LayerSource)
			if err != nil || content(t, &layer.Entries()[0]) != strings.Repeat("x", 1<<20) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := src.opened.Load(); n != 1 {
		t.Errorf("opened %d times", n)
	}
	if left, err := os.ReadDir(s.path(locksDir)); err != nil || len(left) != 0 {
		t.Errorf("locks left: %v, %v", left, err)
	}
	if left, err := os.ReadDir(s.path(tmpDir)); err != nil || len(left) != 0 {
		t.Errorf("tmp left: %v, %v", left, err)
	}
}

func TestCancel(t *testing.T) {
	s := openStore(t, t.TempDir())
	ball := makeTar(t, file("a", "x"))
	src := layerOf(ball, ball)
	unlock, err := s.lock(t.Context(), "layer-"+src.DiffID.Hex)
	must(t, err)
	for name, l := range map[string]*Lease{"lock": newLease(t, s), "another lease": newLease(t, s)} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		_, err := l.Layer(ctx, src.LayerSource)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || src.opened.Load() != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	unlock()
	ctx, cancel := context.WithCancel(t.Context())
	slow := src.LayerSource
	slow.Open = func() (io.ReadCloser, error) { cancel(); return io.NopCloser(bytes.NewReader(ball)), nil }
	if _, err := newLease(t, s).Layer(ctx, slow); !errors.Is(err, context.Canceled) {
		t.Errorf("during intake: %v", err)
	}
	if left := files(t, s); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	mustLayer(t, newLease(t, s), src)
}

func TestClosedLease(t *testing.T) {
	s := openStore(t, t.TempDir())
	l := s.Lease()
	must(t, l.Close())
	must(t, l.Close())
	ball := makeTar(t)
	if _, err := l.Layer(t.Context(), layerOf(ball, ball).LayerSource); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if _, err := l.Blob(t.Context(), hashOf(ball)); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}
