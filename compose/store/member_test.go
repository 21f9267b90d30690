package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/compose/rootfs"
)

// maker makes a member, and counts how often it is asked to.
type maker struct {
	content string
	filled  atomic.Int32
}

func (m *maker) fill(w io.Writer) error {
	m.filled.Add(1)
	_, err := io.WriteString(w, m.content)
	return err
}

// member takes the member with that key and checks that it is what m makes.
func (m *maker) member(tb testing.TB, l *Lease, key rootfs.Digest) *Member {
	tb.Helper()
	got, err := l.Member(tb.Context(), key, m.fill)
	if err != nil {
		tb.Fatal(err)
	}
	if text := text(tb, got); text != m.content {
		tb.Errorf("read %.60q, want %.60q", text, m.content)
	}
	return got
}

// use takes a member and lets go of it.
func (m *maker) use(tb testing.TB, s *Store, key rootfs.Digest) {
	tb.Helper()
	l := s.Lease()
	defer l.Close()
	if err := m.member(tb, l, key).Close(); err != nil {
		tb.Error(err)
	}
}

// text reads a member, and sees to it that nothing can be read behind it.
func text(tb testing.TB, m *Member) string {
	tb.Helper()
	data, err := io.ReadAll(io.NewSectionReader(m, 0, 1<<40))
	if err != nil || int64(len(data)) != m.Size() {
		tb.Errorf("read %d bytes of %d: %v", len(data), m.Size(), err)
	}
	if n, err := m.ReadAt(make([]byte, 1), m.Size()); n != 0 || !errors.Is(err, io.EOF) {
		tb.Errorf("behind the end: %d bytes, %v", n, err)
	}
	return string(data)
}

// ofMember returns the path of one of a member's files.
func ofMember(s *Store, key rootfs.Digest, suffix string) string {
	return s.path(membersDir, strings.TrimPrefix(key.String(), "sha256:")+suffix)
}

func TestMember(t *testing.T) {
	footed := string(footerOf(0, memberHash(rootfs.Digest{1})))
	tests := map[string]string{
		"empty":           "",
		"one byte":        "x",
		"large":           strings.Repeat("0123456789abcdef", 200000),
		"ends as a file":  "x" + footed,
		"is a whole file": footed,
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			l := newLease(t, s)
			key, other := rootfs.Digest{1}, rootfs.Digest{2}
			m, n := &maker{content: want}, &maker{content: "other"}
			first := m.member(t, l, key)
			again := m.member(t, l, key)
			n.use(t, s, other)
			m.use(t, openStore(t, s.dir), key)
			if m.filled.Load() != 1 || n.filled.Load() != 1 {
				t.Errorf("filled %d and %d times", m.filled.Load(), n.filled.Load())
			}
			must(t, first.Close())
			must(t, first.Close())
			if _, err := first.ReadAt(make([]byte, 1), 0); want != "" && !errors.Is(err, fs.ErrClosed) {
				t.Errorf("read after Close: %v", err)
			}
			text(t, again) // which the Close of the other did not touch
			must(t, again.Close())
			var names []string
			for _, k := range []rootfs.Digest{key, other} {
				hex := strings.TrimPrefix(k.String(), "sha256:")
				names = append(names, "members/"+hex+".member", "members/"+hex+".stamp")
			}
			if diff := cmp.Diff(names, files(t, s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is written in many small steps is what was written.
func TestMemberInSteps(t *testing.T) {
	s, r := openStore(t, t.TempDir()), rand.New(rand.NewPCG(1, 2))
	for i := range byte(20) {
		var want bytes.Buffer
		m, err := newLease(t, s).Member(t.Context(), rootfs.Digest{i}, func(w io.Writer) error {
			for range r.IntN(50) {
				step := bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(3000))
				want.Write(step)
				if n, err := w.Write(step); n != len(step) || err != nil {
					return fmt.Errorf("%d of %d bytes: %w", n, len(step), err)
				}
			}
			return nil
		})
		must(t, err)
		if text(t, m) != want.String() {
			t.Errorf("member %d is another one", i)
		}
		must(t, m.Close())
	}
	must(t, s.Verify(t.Context(), func(it Item, err error) { must(t, err) }))
}

// A lease does not gather what is taken through it, and members outlive it.
func TestMemberAndLease(t *testing.T) {
	s := openStore(t, t.TempDir())
	l := s.Lease()
	m := &maker{content: "x"}
	for i := range byte(50) {
		must(t, m.member(t, l, rootfs.Digest{i}).Close())
	}
	if len(l.files) != 0 || len(l.slots) != 0 {
		t.Errorf("the lease has %d files and %d slots", len(l.files), len(l.slots))
	}
	left := m.member(t, l, rootfs.Digest{0})
	must(t, l.Close())
	text(t, left)
	must(t, left.Close())
	if _, err := l.Member(t.Context(), rootfs.Digest{0}, m.fill); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed lease: %v", err)
	}
}

func TestMemberFillFails(t *testing.T) {
	tests := map[string]struct {
		fill func(io.Writer) error
		want error
	}{
		"at once":          {func(io.Writer) error { return errBroken }, errBroken},
		"in the middle":    {func(w io.Writer) error { _, _ = w.Write(make([]byte, 10000)); return errBroken }, errBroken},
		"as if read-only":  {func(io.Writer) error { return ErrReadOnly }, ErrReadOnly},
		"as if not there":  {func(io.Writer) error { return fs.ErrNotExist }, fs.ErrNotExist},
		"as if damaged":    {func(io.Writer) error { return ErrDamaged }, ErrDamaged},
		"context is ended": {func(io.Writer) error { return context.Canceled }, context.Canceled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.TempDir(), Options{Temp: t.TempDir()})
			must(t, err)
			l, key, filled := newLease(t, s), rootfs.Digest{7}, 0
			_, err = l.Member(t.Context(), key, func(w io.Writer) error { filled++; return tt.fill(w) })
			if !errors.Is(err, tt.want) || err.Error() != "member "+key.String()+": "+tt.want.Error() || filled != 1 {
				t.Errorf("filled %d times: %v", filled, err)
			}
			if left := files(t, s); len(left) != 0 {
				t.Errorf("left %v", left)
			}
			must(t, (&maker{content: "x"}).member(t, l, key).Close())
		})
	}
}

// What is done to the files of a member, and what must come of it.
func TestDamagedMember(t *testing.T) {
	key := rootfs.Digest{1, 2, 3}
	content := strings.Repeat("content", 1000)
	size := int64(len(content))
	data := func(s *Store) string { return ofMember(s, key, memberSuffix) }
	stamp := func(s *Store) string { return ofMember(s, key, ".stamp") }
	at := func(off int64) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) { overwrite(t, data(s), off) }
	}
	forged := func(t *testing.T, s *Store) {
		forge(func(s *Store, suffix string) string {
			return ofMember(s, key, strings.Replace(suffix, ".tar", memberSuffix, 1))
		}, 5)(t, s)
	}
	tests := map[string]struct {
		do     func(t *testing.T, s *Store)
		verify bool
		filled int32 // how often it is made in all
	}{
		"nothing":              {func(*testing.T, *Store) {}, false, 1},
		"nothing, with verify": {func(*testing.T, *Store) {}, true, 1},
		"first byte":           {at(0), false, 2},
		"last byte":            {at(size - 1), false, 2},
		"magic":                {at(size), false, 2},
		"size":                 {at(size + int64(len(memberMagic))), false, 2},
		"checksum":             {at(size + footerSize - 1), false, 2},
		"cut in the footer":    {func(t *testing.T, s *Store) { truncate(t, data(s), size+footerSize-1) }, false, 2},
		"cut in the content":   {func(t *testing.T, s *Store) { truncate(t, data(s), 100) }, false, 2},
		"cut to a footer":      {func(t *testing.T, s *Store) { truncate(t, data(s), footerSize) }, false, 2},
		"cut to less":          {func(t *testing.T, s *Store) { truncate(t, data(s), footerSize-1) }, false, 2},
		"emptied":              {func(t *testing.T, s *Store) { truncate(t, data(s), 0) }, false, 2},
		"grown by zeros":       {func(t *testing.T, s *Store) { truncate(t, data(s), size+footerSize+1) }, false, 2},
		"doubled":              {func(t *testing.T, s *Store) { replace(t, data(s), read(t, data(s))+read(t, data(s))) }, false, 2},
		"written again":        {func(t *testing.T, s *Store) { replace(t, data(s), read(t, data(s))) }, false, 1},
		"removed":              {func(t *testing.T, s *Store) { must(t, os.Remove(data(s))) }, false, 2},
		"touched":              {func(t *testing.T, s *Store) { touch(data(s)) }, false, 1},
		"no stamp":             {func(t *testing.T, s *Store) { must(t, os.Remove(stamp(s))) }, false, 1},
		"damaged stamp":        {func(t *testing.T, s *Store) { overwrite(t, stamp(s), 5) }, false, 1},
		"grown stamp":          {func(t *testing.T, s *Store) { replace(t, stamp(s), read(t, stamp(s))+strings.Repeat("x", 300)) }, false, 1},
		"stamp is a directory": {func(t *testing.T, s *Store) { must(t, os.Remove(stamp(s))); must(t, os.Mkdir(stamp(s), 0o755)) }, false, 1},
		"folder removed":       {func(t *testing.T, s *Store) { must(t, os.RemoveAll(s.path(membersDir))) }, false, 2},
		"another's":            {func(t *testing.T, s *Store) { another(t, s, key) }, false, 2},
		"another's, verify":    {func(t *testing.T, s *Store) { another(t, s, key) }, true, 2},
		"forged, with verify":  {forged, true, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			m := &maker{content: content}
			m.use(t, s, key)
			tt.do(t, s)
			s.verify = tt.verify
			m.use(t, s, key)
			if n := m.filled.Load(); n != tt.filled {
				t.Errorf("made %d times, want %d", n, tt.filled)
			}
			s.verify = false
			must(t, s.Verify(t.Context(), func(it Item, err error) { must(t, err) }))
			m.use(t, s, key)
			if n := m.filled.Load(); n != tt.filled {
				t.Errorf("and once more: %d times", n)
			}
		})
	}
}

// replace writes a file of that content over another one.
func replace(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.Chmod(path, 0o644))
	put(t, path, text)
}

// another puts the member of another key, with its stamp, in the place of key's.
func another(t *testing.T, s *Store, key rootfs.Digest) {
	t.Helper()
	other := rootfs.Digest{9}
	(&maker{content: "another"}).use(t, s, other)
	for _, suffix := range []string{memberSuffix, ".stamp"} {
		must(t, os.Rename(ofMember(s, other, suffix), ofMember(s, key, suffix)))
	}
}

// A member that has been hashed because it had no stamp is trusted from then on.
func TestMemberIsHashedOnce(t *testing.T) {
	s, key := openStore(t, t.TempDir()), rootfs.Digest{1}
	m := &maker{content: "x"}
	m.use(t, s, key)
	before := read(t, ofMember(s, key, ".stamp"))
	must(t, os.Remove(ofMember(s, key, ".stamp")))
	m.use(t, s, key)
	if after := read(t, ofMember(s, key, ".stamp")); after != before {
		t.Errorf("stamp %q, was %q", after, before)
	}
	e := s.memberEntry(key)
	e.check = func(context.Context, *os.File) error { return errBroken }
	f, err := s.get(t.Context(), e)
	if err != nil {
		t.Fatalf("hashed again: %v", err)
	}
	f.Close()
}

// What the store cannot have put there is neither used, followed nor removed.
func TestMemberIsNoRegularFile(t *testing.T) {
	key := rootfs.Digest{1}
	tests := map[string]func(t *testing.T, path, whole string){
		"directory":    func(t *testing.T, path, _ string) { must(t, os.Mkdir(path, 0o755)) },
		"symlink":      func(t *testing.T, path, whole string) { must(t, os.Symlink(whole, path)) },
		"dead symlink": func(t *testing.T, path, _ string) { must(t, os.Symlink("nowhere", path)) },
		"fifo":         func(t *testing.T, path, _ string) { must(t, unix.Mkfifo(path, 0o644)) },
	}
	for name, do := range tests {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, t.TempDir())
			m := &maker{content: "content"}
			m.use(t, s, key)
			path, whole := ofMember(s, key, memberSuffix), filepath.Join(t.TempDir(), "whole")
			must(t, os.Rename(path, whole))
			do(t, path, whole)
			before := read(t, whole)
			for _, s.verify = range []bool{false, true} {
				_, err := newLease(t, s).Member(t.Context(), key, m.fill)
				if err == nil || !strings.Contains(err.Error(), path+" is not a regular file: remove it") {
					t.Errorf("got %v", err)
				}
			}
			if read(t, whole) != before || m.filled.Load() != 1 {
				t.Error("it was written to")
			}
			must(t, os.Remove(path))
			m.use(t, s, key)
		})
	}
}

// The form of the file is fixed: caches of earlier versions have it.
func TestMemberForm(t *testing.T) {
	s, key := openStore(t, t.TempDir()), rootfs.Digest{1, 2, 3}
	(&maker{content: "content"}).use(t, s, key)
	sum := sha256.Sum256(append(key[:], "content"...))
	want := "content" + "compose member 1\n" + "\x07\x00\x00\x00\x00\x00\x00\x00" + string(sum[:])
	if got := read(t, ofMember(s, key, memberSuffix)); got != want || int64(len(got)) != 7+footerSize {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A changed byte, a cut and a growth anywhere in a member's file are seen.
func TestMemberCheck(t *testing.T) {
	s, key := openStore(t, t.TempDir()), rootfs.Digest{1}
	whole := []byte(memberFile(key, "content"))
	check := func(data []byte, key rootfs.Digest) error {
		path := filepath.Join(t.TempDir(), "m")
		put(t, path, string(data))
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		return s.checkMember(t.Context(), f, key)
	}
	must(t, check(whole, key))
	wrong := func(what string, data []byte, key rootfs.Digest) {
		if err := check(data, key); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range whole {
		wrong(fmt.Sprintf("byte %d", i), flip(whole, i), key)
		wrong(fmt.Sprintf("cut at %d", i), whole[:i], key)
		wrong(fmt.Sprintf("from %d", i+1), whole[i+1:], key)
		wrong(fmt.Sprintf("doubled byte %d", i), append(bytes.Clone(whole[:i+1]), whole[i:]...), key)
	}
	for i := range key {
		wrong("another key", whole, rootfs.Digest(flip(key[:], i)))
	}
}

// memberFile returns the file of a member.
func memberFile(key rootfs.Digest, content string) string {
	h := memberHash(key)
	h.Write([]byte(content))
	return content + string(footerOf(int64(len(content)), h))
}

// FuzzMemberCheck: any bytes are damaged, or are the very file of their content.
func FuzzMemberCheck(f *testing.F) {
	key := rootfs.Digest{1}
	for _, content := range []string{"", "x", memberFile(key, "")} {
		f.Add([]byte(memberFile(key, content)))
		f.Add([]byte(memberFile(rootfs.Digest{}, content)))
	}
	f.Add([]byte{})
	f.Add([]byte(memberMagic))
	dir := f.TempDir()
	s := openStore(f, filepath.Join(dir, "c"))
	path := filepath.Join(dir, "m")
	f.Fuzz(func(t *testing.T, data []byte) {
		put(t, path, string(data))
		file, err := os.Open(path)
		must(t, err)
		defer file.Close()
		err = s.checkMember(t.Context(), file, key)
		n := len(data) - int(footerSize)
		whole := n >= 0 && memberFile(key, string(data[:n])) == string(data)
		if whole != (err == nil) || err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("whole: %t, %v", whole, err)
		}
	})
}

// Of many goroutines, with a lease of their own or a shared one, one makes a member.
func TestOneMakes(t *testing.T) {
	s := openStore(t, t.TempDir())
	m, key := &maker{content: strings.Repeat("x", 1<<20)}, rootfs.Digest{1}
	shared := newLease(t, s)
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			l := shared
			if i%2 == 0 {
				l = s.Lease()
				defer l.Close()
			}
			got, err := l.Member(t.Context(), key, m.fill)
			if err != nil {
				t.Error(err)
				return
			}
			if text(t, got) != m.content || got.Close() != nil {
				t.Error("it is another one")
			}
		})
	}
	wg.Wait()
	if n := m.filled.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
	for _, folder := range []string{locksDir, tmpDir} {
		if left, err := os.ReadDir(s.path(folder)); err != nil || len(left) != 0 {
			t.Errorf("%s: left %v, %v", folder, left, err)
		}
	}
}

// One member is read by many goroutines at once, also while it is closed.
func TestMemberIsShared(t *testing.T) {
	m := &maker{content: strings.Repeat("0123456789", 10000)}
	got := m.member(t, newLease(t, openStore(t, t.TempDir())), rootfs.Digest{1})
	var wg sync.WaitGroup
	for i := range int64(8) {
		wg.Go(func() {
			b := make([]byte, 1000)
			for off := i * 10; off < got.Size()-1000; off += 1000 {
				if _, err := got.ReadAt(b, off); errors.Is(err, fs.ErrClosed) {
					return
				} else if err != nil || string(b) != m.content[off:off+1000] {
					t.Errorf("at %d: %v", off, err)
				}
			}
			if err := got.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestMemberCancel(t *testing.T) {
	s, key := openStore(t, t.TempDir()), rootfs.Digest{1}
	l, m := newLease(t, s), &maker{content: "x"}
	unlock, err := s.lock(t.Context(), s.memberEntry(key).key)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := l.Member(ctx, key, m.fill); !errors.Is(err, context.DeadlineExceeded) || m.filled.Load() != 0 {
		t.Errorf("while another makes it: %v", err)
	}
	unlock()
	must(t, m.member(t, l, key).Close())
	ctx, end := context.WithCancelCause(t.Context())
	end(errBroken)
	if _, err := l.Member(ctx, key, m.fill); !errors.Is(err, errBroken) {
		t.Errorf("when it is there: %v", err)
	}
	s.verify = true // and then it has to be hashed
	f, err := os.Open(ofMember(s, key, memberSuffix))
	must(t, err)
	defer f.Close()
	if err := s.checkMember(ctx, f, key); !errors.Is(err, errBroken) {
		t.Errorf("while it is hashed: %v", err)
	}
}
