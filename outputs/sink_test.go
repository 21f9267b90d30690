package outputs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/compose/rootfs"
)

// kinds are the two ways in which a file can be on its way.
var kinds = []struct {
	name string
	temp func(string) (*os.File, string, error)
}{{"unnamed", openTemp}, {"named", openNamed}}

func eachKind(t *testing.T, test func(t *testing.T, with func(*Files) *Files)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			test(t, func(s *Files) *Files { s.temp = k.temp; return s })
		})
	}
}

// put writes files into s and closes them.
func put(t *testing.T, s *Files, nameContent ...string) {
	t.Helper()
	for i := 0; i < len(nameContent); i += 2 {
		f, err := s.Create(nameContent[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, nameContent[i+1]); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// ls returns what is below dir: directories with a slash, links with their
// target, files with their content.
func ls(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case name == ".":
		case d.IsDir():
			got[name+"/"] = ""
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			got[name] = "→ " + link
			return err
		case !d.Type().IsRegular():
			got[name] = d.Type().String()
		default:
			b, err := os.ReadFile(path)
			got[name] = string(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	if d := cmp.Diff(want, ls(t, dir)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCommitMakesTheSetAppear(t *testing.T) {
	eachKind(t, func(t *testing.T, with func(*Files) *Files) {
		dir := t.TempDir()
		out := filepath.Join(dir, "a", "b")
		s := with(ToDir(out))
		put(t, s, "x.tar", "first", "x-cmdline", "")
		for name := range ls(t, out) {
			if !strings.HasPrefix(name, ".") {
				t.Errorf("%s is there before Commit", name)
			}
		}
		if err := s.Commit(); err != nil {
			t.Fatal(err)
		}
		s.Abort() // nothing, now
		wantFiles(t, dir, map[string]string{"a/": "", "a/b/": "", "a/b/x.tar": "first", "a/b/x-cmdline": ""})
		want := []Result{
			{Path: filepath.Join(out, "x.tar"), Size: 5, Digest: sha256.Sum256([]byte("first"))},
			{Path: filepath.Join(out, "x-cmdline"), Digest: sha256.Sum256(nil)},
		}
		if d := cmp.Diff(want, s.Results(), cmpopts.IgnoreFields(Result{}, "Info")); d != "" {
			t.Errorf("results (-want +got):\n%s", d)
		}
	})
}

func TestCommitReplaces(t *testing.T) {
	eachKind(t, func(t *testing.T, with func(*Files) *Files) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "x.tar"), "old")
		s := with(ToDir(dir))
		put(t, s, "x.tar", "new")
		if err := s.Commit(); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, dir, map[string]string{"x.tar": "new"})
	})
}

func TestAbortLeavesNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, with func(*Files) *Files) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "old.tar"), "old")
		made := with(ToDir(filepath.Join(dir, "a", "b")))
		put(t, made, "x.tar", "content")
		made.Abort()
		there := with(ToDir(dir))
		put(t, there, "old.tar", "content", "new.tar", "content")
		unclosed, err := there.Create("unclosed")
		if err != nil {
			t.Fatal(err)
		}
		there.Abort()
		there.Abort()
		if _, err := unclosed.Write(make([]byte, 2*bufferSize)); !errors.Is(err, errAborted) {
			t.Errorf("write after Abort: %v", err)
		}
		if err := unclosed.Close(); err == nil {
			t.Error("close after Abort and a failed write: no error")
		}
		if _, err := there.Create("more"); !errors.Is(err, errAborted) {
			t.Errorf("create after Abort: %v", err)
		}
		if err := there.Commit(); !errors.Is(err, errAborted) || len(there.Results()) > 0 {
			t.Errorf("commit after Abort: %v", err)
		}
		wantFiles(t, dir, map[string]string{"old.tar": "old"})
	})
}

func TestCommitWantsCompleteFiles(t *testing.T) {
	dir := t.TempDir()
	s := ToDir(dir)
	put(t, s, "a", "complete")
	f, err := s.Create("b")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(); err == nil || !strings.HasSuffix(err.Error(), "b: not complete") {
		t.Fatalf("commit of an open file: %v", err)
	}
	f.Close()
	s.Abort()
	wantFiles(t, dir, map[string]string{})
}

// TestCommitTakesBack makes the last of a set fail: what was put in its place
// before it is as it was.
func TestCommitTakesBack(t *testing.T) {
	eachKind(t, func(t *testing.T, with func(*Files) *Files) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "old"), "old")
		s := with(ToDir(dir))
		put(t, s, "new", "content", "old", "content", "fifo", "content")
		if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := s.Commit()
		if err == nil || !strings.Contains(err.Error(), "fifo in its place: what is there is not a regular file any more") {
			t.Fatalf("commit over a pipe: %v", err)
		}
		s.Abort()
		wantFiles(t, dir, map[string]string{"old": "old", "fifo": "p---------"})
	})
}

func TestTargets(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, dir string)
		path    string
		wantErr string // %s is the path
		want    map[string]string
	}{
		{
			name: "link to a file", path: "link",
			prepare: func(t *testing.T, dir string) {
				write(t, filepath.Join(dir, "file"), "old")
				symlink(t, "file", filepath.Join(dir, "link"))
			},
			want: map[string]string{"file": "new", "link": "→ file"},
		},
		{
			name: "link to nothing", path: "link",
			prepare: func(t *testing.T, dir string) { symlink(t, "file", filepath.Join(dir, "link")) },
			want:    map[string]string{"file": "new", "link": "→ file"},
		},
		{
			name: "link through .. of a link", path: "a/link",
			prepare: func(t *testing.T, dir string) {
				mkdir(t, dir, "real", "real/sub")
				symlink(t, "real/sub", filepath.Join(dir, "a"))
				symlink(t, "../file", filepath.Join(dir, "real", "sub", "link"))
			},
			want: map[string]string{"a": "→ real/sub", "real/": "", "real/sub/": "", "real/sub/link": "→ ../file", "real/file": "new"},
		},
		{
			name: "link to itself", path: "link", wantErr: "create %s: too many levels of symbolic links",
			prepare: func(t *testing.T, dir string) { symlink(t, "link", filepath.Join(dir, "link")) },
			want:    map[string]string{"link": "→ link"},
		},
		{
			name: "directory", path: "d", wantErr: "create %s: is a directory",
			prepare: func(t *testing.T, dir string) { mkdir(t, dir, "d") },
			want:    map[string]string{"d/": ""},
		},
		{
			name: "link to a directory", path: "link", wantErr: "create %s: is a directory",
			prepare: func(t *testing.T, dir string) { symlink(t, ".", filepath.Join(dir, "link")) },
			want:    map[string]string{"link": "→ ."},
		},
		{name: "slash at its end", path: "x/", wantErr: "create %s: is a directory", want: map[string]string{}},
		{name: "in no directory", path: "no/x", wantErr: "create %s: no such file or directory", want: map[string]string{}},
		{
			name: "below a file", path: "f/x", wantErr: "create %s: not a directory",
			prepare: func(t *testing.T, dir string) { write(t, filepath.Join(dir, "f"), "") },
			want:    map[string]string{"f": ""},
		},
		{name: "longest name", path: strings.Repeat("n", 255), want: map[string]string{strings.Repeat("n", 255): "new"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.prepare != nil {
				tt.prepare(t, dir)
			}
			path := dir + "/" + tt.path
			err := writeOne(ToFile(path))
			if want := strings.ReplaceAll(tt.wantErr, "%s", path); (err == nil) != (want == "") || err != nil && err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
			wantFiles(t, dir, tt.want)
		})
	}
}

func writeOne(s *Files) error {
	defer s.Abort()
	f, err := s.Create("name")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(f, "new"); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return s.Commit()
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := os.Mkdir(filepath.Join(dir, n), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNamesInDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "")
	for _, name := range []string{"", ".", "..", "a/b", "../a", "/a"} {
		if _, err := ToDir(dir).Create(name); err == nil {
			t.Errorf("%q was created", name)
		}
	}
	if _, err := ToDir(filepath.Join(dir, "file")).Create("a"); err == nil || !strings.HasSuffix(err.Error(), "/file: not a directory") {
		t.Errorf("a file as directory: %v", err)
	}
	s := ToDir(dir)
	defer s.Abort()
	put(t, s, "twice", "")
	if _, err := s.Create("twice"); err == nil || !strings.HasSuffix(err.Error(), "twice: written twice") {
		t.Errorf("one name twice: %v", err)
	}
}

func TestSeveralDoNotGoIntoOne(t *testing.T) {
	for _, s := range []*Files{ToFile(filepath.Join(t.TempDir(), "x")), ToStream(io.Discard)} {
		put(t, s, "a", "")
		if _, err := s.Create("b"); !errors.Is(err, ErrSeveral) {
			t.Errorf("second file: %v", err)
		}
		s.Abort()
	}
}

func TestModesFollowTheUmask(t *testing.T) {
	eachKind(t, func(t *testing.T, with func(*Files) *Files) {
		for _, mask := range []int{0o022, 0o077, 0o002} {
			dir := t.TempDir()
			old := unix.Umask(mask)
			s := with(ToDir(filepath.Join(dir, "out")))
			put(t, s, "x", "")
			err := s.Commit()
			unix.Umask(old)
			if err != nil {
				t.Fatal(err)
			}
			for path, mode := range map[string]int{"out": 0o777, "out/x": 0o666} {
				info, err := os.Stat(filepath.Join(dir, path))
				if err != nil || int(info.Mode().Perm()) != mode&^mask {
					t.Errorf("umask %#o: %s is %v: %v", mask, path, info.Mode(), err)
				}
			}
		}
	})
}

// TestManyAtOnce has builds of one target at once. Each succeeds, and one of
// their files is there, whole.
func TestManyAtOnce(t *testing.T) {
	eachKind(t, func(t *testing.T, with func(*Files) *Files) {
		dir := t.TempDir()
		var wg sync.WaitGroup
		for i := range slots {
			wg.Go(func() {
				s := with(ToDir(dir))
				defer s.Abort()
				f, err := s.Create("x")
				if err != nil {
					t.Error(err)
					return
				}
				_, err = f.Write(bytes.Repeat([]byte{byte('a' + i)}, 3*bufferSize/2))
				if err = errors.Join(err, f.Close(), s.Commit()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got := ls(t, dir)
		x := got["x"]
		if len(got) != 1 || len(x) != 3*bufferSize/2 || strings.Trim(x, x[:1]) != "" {
			t.Errorf("%d files, x of %d bytes", len(got), len(x))
		}
	})
}

// TestFileIsWhatWasWritten writes and copies pieces of any size.
func TestFileIsWhatWasWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		var want, got bytes.Buffer
		s := ToStream(&got)
		f, err := s.Create("x")
		if err != nil {
			t.Fatal(err)
		}
		for range r.IntN(30) {
			piece := make([]byte, r.IntN(1<<r.IntN(21)))
			for i := range piece {
				piece[i] = byte(r.Uint32())
			}
			off := r.IntN(len(piece) + 1)
			want.Write(piece[off:])
			if r.IntN(2) == 0 {
				_, err = f.Write(piece[off:])
			} else {
				err = f.Copy(context.Background(), bytes.NewReader(piece), int64(off), int64(len(piece)-off))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(f.Close(), f.Close(), s.Commit(), s.Commit()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want.Bytes(), got.Bytes()) {
			t.Fatal("other bytes than were written")
		}
		res := s.Results()[0]
		if res != (Result{Path: "-", Size: int64(want.Len()), Digest: sha256.Sum256(want.Bytes())}) {
			t.Fatalf("result %+v", res)
		}
		if _, err := f.Write([]byte("more")); !errors.Is(err, errClosed) {
			t.Fatalf("write after close: %v", err)
		}
	}
}

type failing struct{ error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 3, f.error }

func TestBodiesThatFail(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		e    rootfs.Entry
		want string
	}{
		{"too short", nil, rootfs.Entry{Path: "etc/a", Size: 10, Body: strings.NewReader("four"), Origin: "init[0] x"}, "etc/a (init[0] x): read content of 10 bytes: it ends after 4: unexpected EOF"},
		{"fails", nil, rootfs.Entry{Path: "etc/a", Size: 10, Body: failing{errors.New("disk on fire")}}, "etc/a: read content of 10 bytes: disk on fire"},
		{"says nothing", nil, rootfs.Entry{Path: "etc/a", Size: 10, Body: failing{}}, "etc/a: read content of 10 bytes: it ends after 3: unexpected EOF"},
		{"has none", nil, rootfs.Entry{Path: "etc/a", Size: 10}, "etc/a: has no content"},
		{"ended", ended, rootfs.Entry{Path: "etc/a", Size: 2 * bufferSize, Body: bytes.NewReader(make([]byte, 2*bufferSize))}, "context canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx := tt.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			s := ToStream(io.Discard)
			defer s.Abort()
			f, err := s.Create("x")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := copyContent(ctx, f, &tt.e, untold); err == nil || err.Error() != tt.want {
				t.Fatalf("error %v, want %s", err, tt.want)
			}
		})
	}
}
