package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// server gives a blob from an offset on, and notes which.
type server struct {
	data    []byte
	fail    error // behind the data; nil: it just ends
	offsets []int64
}

func (s *server) from(_ context.Context, offset int64) (io.ReadCloser, error) {
	s.offsets = append(s.offsets, offset)
	r := io.Reader(bytes.NewReader(s.data[min(offset, int64(len(s.data))):]))
	if s.fail != nil {
		r = io.MultiReader(r, iotest.ErrReader(s.fail))
	}
	return io.NopCloser(r), nil
}

// fetch fetches want, and checks that it came if there is no error.
func fetch(t *testing.T, s *Store, want []byte, from *server) error {
	t.Helper()
	l := s.Lease()
	defer l.Close()
	b, err := l.Fetch(t.Context(), hashOf(want), int64(len(want)), from.from)
	if err == nil {
		got := make([]byte, b.Size)
		if n, err := b.ReadAt(got, 0); b.Size > 0 && err != nil || !bytes.Equal(got[:n], want) || b.Digest != hashOf(want) {
			t.Errorf("got %q, %v", got, err)
		}
	}
	return err
}

func TestFetch(t *testing.T) {
	s := openStore(t, t.TempDir())
	for _, data := range []string{"", "x", strings.Repeat("0123456789", bufSize/4)} {
		from := &server{data: []byte(data)}
		must(t, fetch(t, s, []byte(data), from))
		must(t, fetch(t, s, []byte(data), from))
		if data != "" && len(from.offsets) != 1 {
			t.Errorf("%d bytes: asked from %v", len(data), from.offsets)
		}
	}
	if left := files(t, s); len(left) != 6 { // three blobs with their stamps
		t.Errorf("left %v", left)
	}
	l := newLease(t, s)
	if _, err := l.Fetch(t.Context(), hashOf([]byte("x")), 2, nil); !errors.Is(err, ErrDigest) {
		t.Errorf("another size than the blob's that is there: %v", err)
	}
	for _, size := range []int64{-1, s.limits.layer + 1} {
		if _, err := l.Fetch(t.Context(), hashOf(nil), size, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	fi, err := os.Stat(s.path(blobsDir, hashOf([]byte("x")).Hex))
	must(t, err)
	if fi.Mode() != 0o444 {
		t.Errorf("mode %v", fi.Mode())
	}
}

var (
	errCut = errors.New("cut")
	errEnd = fmt.Errorf("cut: %w", io.ErrUnexpectedEOF) // as HTTP says it
)

// A download is cut behind each byte, by an error or by a mere end; the next one
// goes on there.
func TestFetchCutAtEveryByte(t *testing.T) {
	data := []byte("every byte of it is one at which a line may break")
	dir := t.TempDir()
	for _, fail := range []error{errCut, errEnd, nil} {
		for cut := range data {
			s := openStore(t, dir)
			err := fetch(t, s, data, &server{data: data[:cut], fail: fail})
			if want := cmpError(fail); !errors.Is(err, want) {
				t.Fatalf("cut at %d: %v, want %v", cut, err, want)
			}
			partial := s.path(partialDir, hashOf(data).Hex)
			if got, _ := os.ReadFile(partial); !bytes.Equal(got, data[:cut]) {
				t.Fatalf("cut at %d: kept %q", cut, got)
			}
			if left, _ := os.ReadDir(s.path(blobsDir)); len(left) != 0 {
				t.Fatalf("cut at %d: %v", cut, left)
			}
			rest := &server{data: data}
			must(t, fetch(t, openStore(t, dir), data, rest))
			if d := cmp.Diff([]int64{int64(cut)}, rest.offsets); d != "" {
				t.Errorf("cut at %d: asked from (-want +got):\n%s", cut, d)
			}
			if _, err := os.Lstat(partial); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("cut at %d: the partial file is still there: %v", cut, err)
			}
			must(t, s.Remove(t.Context(), hashOf(data).String()))
		}
	}
}

func cmpError(fail error) error {
	if fail == nil {
		return io.ErrUnexpectedEOF
	}
	return fail
}

// What an earlier run left may be wrong, too long, whole, or whole and wrong.
func TestFetchOnPartial(t *testing.T) {
	data := []byte("the right bytes")
	wrong := []byte("the wrong bytes")
	long := append(bytes.Clone(data), "and more"...)
	for _, tt := range []struct {
		name    string
		partial []byte
		there   []byte // in the registry
		offsets []int64
		is      error
	}{
		{"right", data[:6], data, []int64{6}, nil},
		{"wrong", wrong[:6], data, []int64{6, 0}, nil},
		{"whole", data, data, nil, nil},
		{"whole and wrong", wrong, data, []int64{0}, nil},
		{"too long", long, data, []int64{0}, nil},
		{"empty", nil, data, []int64{0}, nil},
		{"right, but not the registry's", data[:6], wrong, []int64{6, 0}, ErrDigest},
		{"none, and the registry's is wrong", nil, wrong, []int64{0}, ErrDigest},
		{"none, and the registry's is too long", nil, long, []int64{0}, ErrDigest},
		{"right, and the registry's is too long", data[:6], long, []int64{6, 0}, ErrDigest},
		{"right, and the registry's is too short", data[:6], data[:7], []int64{6}, io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			path := s.path(partialDir, hashOf(data).Hex)
			if tt.partial != nil {
				must(t, os.WriteFile(path, tt.partial, 0o600))
			}
			from := &server{data: tt.there}
			// "wrong" has the right bytes behind its first half.
			if err := fetch(t, s, data, from); !errors.Is(err, tt.is) {
				t.Errorf("%v, want %v", err, tt.is)
			}
			if d := cmp.Diff(tt.offsets, from.offsets); d != "" {
				t.Errorf("asked from (-want +got):\n%s", d)
			}
			if left, _ := os.ReadDir(s.path(partialDir)); (len(left) > 0) != errors.Is(tt.is, io.ErrUnexpectedEOF) {
				t.Errorf("left %v", left)
			}
			if tt.is != nil {
				if left, _ := os.ReadDir(s.path(blobsDir)); len(left) > 0 {
					t.Errorf("it was taken in: %v", left)
				}
			}
		})
	}
}

func TestFetchErrors(t *testing.T) {
	data := []byte("data")
	s := openStore(t, t.TempDir())
	l := newLease(t, s)
	_, err := l.Fetch(t.Context(), hashOf(data), 4, func(context.Context, int64) (io.ReadCloser, error) { return nil, errCut })
	if !errors.Is(err, errCut) || !strings.Contains(err.Error(), hashOf(data).String()) {
		t.Errorf("a registry that does not answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = l.Fetch(ctx, hashOf(data), 4, func(context.Context, int64) (io.ReadCloser, error) {
		cancel()
		return io.NopCloser(bytes.NewReader(data)), nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left := files(t, s); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	must(t, os.Symlink("/dev/null", s.path(partialDir, hashOf(data).Hex)))
	if _, err = l.Fetch(t.Context(), hashOf(data), 4, nil); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a link where the partial file should be: %v", err)
	}
}

// A damaged blob is downloaded again.
func TestFetchDamaged(t *testing.T) {
	s := openStore(t, t.TempDir())
	data := []byte("data")
	must(t, fetch(t, s, data, &server{data: data}))
	overwrite(t, s.path(blobsDir, hashOf(data).Hex), 1)
	from := &server{data: data}
	must(t, fetch(t, s, data, from))
	if len(from.offsets) != 1 {
		t.Errorf("asked from %v", from.offsets)
	}
}

func TestFetchOnFullDisk(t *testing.T) {
	dir := smallDisk(t, "size=600k")
	s := openStore(t, dir)
	data := bytes.Repeat([]byte("0123456789"), 100000)
	err := fetch(t, s, data, &server{data: data})
	if err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatal(err)
	}
	for _, name := range files(t, s) {
		if name != filepath.Join(partialDir, hashOf(data).Hex) {
			t.Errorf("left %s", name)
		}
	}
	if p, err := s.Prune(t.Context(), 0); err != nil || p.Left != 0 || len(files(t, s)) != 0 {
		t.Errorf("pruned %+v, %v; left %v", p, err, files(t, s))
	}
}

func TestFetchIntoReadOnlyCache(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		dir = smallDisk(t, "size=1m")
	}
	s := openStore(t, dir)
	data := []byte("data")
	must(t, fetch(t, s, data, &server{data: data}))
	readOnly(t, dir)
	s = openStore(t, dir)
	from := &server{data: data}
	if err := fetch(t, s, data, from); err != nil || from.offsets != nil {
		t.Errorf("what is there: %v, asked from %v", err, from.offsets)
	}
	if err := fetch(t, s, []byte("other"), from); !errors.Is(err, ErrReadOnly) || from.offsets != nil {
		t.Errorf("what is not: %v, asked from %v", err, from.offsets)
	}
}

// leavePartial breaks a download off behind n bytes.
func leavePartial(t *testing.T, s *Store, data string, n int) {
	t.Helper()
	if err := fetch(t, s, []byte(data), &server{data: []byte(data)[:n], fail: errCut}); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
}

func TestPartialsInTheCache(t *testing.T) {
	s := openStore(t, t.TempDir())
	for i, data := range []string{"first download", "second download"} {
		leavePartial(t, s, data, 6+i)
		path := s.path(partialDir, hashOf([]byte(data)).Hex)
		must(t, os.Chtimes(path, time.Unix(int64(2000-i), 0), time.Unix(int64(2000-i), 0)))
	}
	items, err := s.Items(t.Context())
	must(t, err)
	u, err := s.Usage(t.Context())
	must(t, err)
	if len(items) != 2 || items[0].Kind != PartialKind || u != (Usage{2, 13}) {
		t.Errorf("%v, %v", items, u)
	}
	must(t, s.Verify(t.Context(), func(i Item, wrong error) {
		if wrong != nil {
			t.Errorf("%v: %v", i, wrong)
		}
	}))
	openStore(t, s.dir)
	p, err := s.Prune(t.Context(), 6)
	must(t, err)
	if len(p.Removed) != 1 || p.Removed[0].Key != hashOf([]byte("second download")).String() || p.Left != 6 || p.Freed != 7 {
		t.Errorf("%+v", p)
	}
	must(t, s.Remove(t.Context(), hashOf([]byte("first download")).String()))
	if left := files(t, s); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// Open removes what is of no use: a partial of a blob that is there, and an
// empty one.
func TestOpenRemovesUselessPartials(t *testing.T) {
	s := openStore(t, t.TempDir())
	leavePartial(t, s, "taken in otherwise", 5)
	putBlob(t, s, "taken in otherwise")
	must(t, os.WriteFile(s.path(partialDir, hashOf(nil).Hex), nil, 0o600))
	leavePartial(t, s, "still wanted", 5)
	openStore(t, s.dir)
	left, err := os.ReadDir(s.path(partialDir))
	must(t, err)
	if len(left) != 1 || left[0].Name() != hashOf([]byte("still wanted")).Hex {
		t.Errorf("left %v", left)
	}
}

// childFetch fetches what all processes are about; how far it gets says role.
func childFetch(l *Lease, role string, wait func()) error {
	ball := childTar()
	var offsets []int64
	if role == "take" {
		wait()
	}
	_, err := l.Fetch(context.Background(), hashOf(ball), int64(len(ball)), func(_ context.Context, offset int64) (io.ReadCloser, error) {
		offsets = append(offsets, offset)
		rest := ball[offset:]
		if role != "stall" {
			return io.NopCloser(bytes.NewReader(rest)), nil
		}
		half := len(rest) / 2
		return io.NopCloser(io.MultiReader(bytes.NewReader(rest[:half]), stall(wait), bytes.NewReader(rest[half:]))), nil
	})
	fmt.Println("from", offsets)
	return err
}

func TestKilledFetch(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	partial := s.path(partialDir, hashOf(childTar()).Hex)
	p := start(t, "fetch stall", dir)
	openStore(t, dir)
	if done, err := s.Prune(t.Context(), 0); err != nil || len(done.Removed) != 0 {
		t.Errorf("pruned what a running process downloads: %+v, %v", done, err)
	}
	if err := s.Remove(t.Context(), hashOf(childTar()).String()); !errors.Is(err, ErrInUse) {
		t.Errorf("removed what a running process downloads: %v", err)
	}
	must(t, p.Process.Kill())
	_ = p.Wait()
	openStore(t, dir)
	fi, err := os.Stat(partial)
	must(t, err)
	if fi.Size() == 0 || !bytes.HasPrefix(childTar(), []byte(read(t, partial))) {
		t.Errorf("%d bytes were kept", fi.Size())
	}
	if left, err := os.ReadDir(s.path(blobsDir)); err != nil || len(left) != 0 {
		t.Errorf("left under a final name: %v, %v", left, err)
	}
	from := &server{data: childTar()}
	must(t, fetch(t, s, childTar(), from))
	if d := cmp.Diff([]int64{fi.Size()}, from.offsets); d != "" {
		t.Errorf("asked from (-want +got):\n%s", d)
	}
	for _, folder := range []string{partialDir, locksDir, tmpDir} {
		if left, err := os.ReadDir(s.path(folder)); err != nil || len(left) != 0 {
			t.Errorf("%s: %v, %v", folder, left, err)
		}
	}
}

func TestTwoProcessesFetch(t *testing.T) {
	dir := t.TempDir()
	first := start(t, "fetch stall", dir)
	second := start(t, "fetch take", dir)
	must(t, second.in.Close()) // it waits for the first now
	if said := first.finish(t); said != "from [0]" {
		t.Error(said)
	}
	if said := second.end(t); said != "from []" {
		t.Error(said)
	}
}

// The one that downloads is killed: who waited goes on where it was.
func TestKilledFetchGoesOnInWhoWaits(t *testing.T) {
	dir := t.TempDir()
	first := start(t, "fetch stall", dir)
	second := start(t, "fetch take", dir)
	must(t, second.in.Close())
	must(t, first.Process.Kill())
	_ = first.Wait()
	if said := second.end(t); said != fmt.Sprintf("from [%d]", len(childTar())/2/bufSize*bufSize) {
		t.Error(said)
	}
}
