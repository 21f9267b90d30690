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
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/compose/rootfs"
)

// What is held stays, by the member and not by its lease; the rest goes, what
// was used least recently first.
func TestPruneMembers(t *testing.T) {
	s := openStore(t, t.TempDir())
	l := newLease(t, s)
	m := &maker{content: strings.Repeat("x", 10000)}
	keyOf := func(i byte) rootfs.Digest { return rootfs.Digest{i} }
	for i, k := range []byte{3, 1, 4, 2} {
		m.use(t, s, keyOf(k))
		at := time.Unix(int64(1000+i), 0)
		must(t, os.Chtimes(ofMember(s, keyOf(k), ".stamp"), at, at))
	}
	u, err := s.Usage(t.Context())
	must(t, err)
	if u.Items != 4 || u.Size < 4*(10000+footerSize) || u.Size > 41000 {
		t.Errorf("usage %+v", u)
	}
	must(t, m.member(t, l, keyOf(3)).Close()) // a use
	held := m.member(t, l, keyOf(1))          // a use, and a hold
	p, err := s.Prune(t.Context(), 25000)
	must(t, err)
	if diff := cmp.Diff([]string{"member " + keyOf(4).String(), "member " + keyOf(2).String()}, keys(p.Removed)); diff != "" {
		t.Error(diff)
	}
	if p.Freed+p.Left != u.Size {
		t.Errorf("%+v of %+v", p, u)
	}
	for range 2 { // it is still the one, and still held
		p, err = s.Prune(t.Context(), 0)
		must(t, err)
	}
	if len(p.Removed) != 0 || len(files(t, s)) != 2 {
		t.Errorf("removed %v, left %v", p.Removed, files(t, s))
	}
	text(t, held)
	must(t, held.Close())
	p, err = s.Prune(t.Context(), 0)
	must(t, err)
	if len(p.Removed) != 1 || p.Left != 0 || len(files(t, s)) != 0 {
		t.Errorf("%+v, left %v", p, files(t, s))
	}
	if n := m.filled.Load(); n != 4 {
		t.Errorf("made %d times", n)
	}
}

func TestPruneMemberLeftovers(t *testing.T) {
	s, key := openStore(t, t.TempDir()), rootfs.Digest{1}
	put(t, ofMember(s, key, ".stamp"), "stamp")
	unlock, err := s.lock(t.Context(), s.memberEntry(key).key)
	must(t, err)
	p, err := s.Prune(t.Context(), 0)
	must(t, err)
	if len(p.Removed) != 0 {
		t.Errorf("while it is made: %+v", p)
	}
	unlock()
	p, err = s.Prune(t.Context(), 0)
	must(t, err)
	if len(p.Removed) != 1 || len(files(t, s)) != 0 {
		t.Errorf("%+v, left %v", p, files(t, s))
	}
}

func TestMemberItems(t *testing.T) {
	s, key := openStore(t, t.TempDir()), rootfs.Digest{1}
	m := &maker{content: "content"}
	m.use(t, s, key)
	d := putBlob(t, s, "blob")
	must(t, s.SetNote("n", "k", nil))
	old := time.Unix(1000, 0)
	must(t, os.Chtimes(ofMember(s, key, ".stamp"), old, old))
	m.use(t, s, key)
	items, err := s.Items(t.Context())
	must(t, err)
	if len(items) != 3 || items[0].Key != d.String() || items[1].Kind != MemberKind || items[1].Key != key.String() || items[2].Kind != NoteKind {
		t.Fatalf("%v", items)
	}
	size := int64(len("content")) + footerSize + int64(len(read(t, ofMember(s, key, ".stamp"))))
	if it := items[1]; it.Size != size || it.Used.Unix() < 1e9 {
		t.Errorf("%+v, want %d bytes", it, size)
	}
}

func TestRemoveMember(t *testing.T) {
	s, key := openStore(t, t.TempDir()), rootfs.Digest{1}
	m := &maker{content: "x"}
	m.use(t, s, rootfs.Digest{2})
	held := m.member(t, newLease(t, s), key)
	if err := s.Remove(t.Context(), key.String()); !errors.Is(err, ErrInUse) {
		t.Errorf("held: %v", err)
	}
	must(t, held.Close())
	must(t, s.Remove(t.Context(), key.String()))
	if err := s.Remove(t.Context(), key.String()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("again: %v", err)
	}
	if left := files(t, s); len(left) != 2 {
		t.Errorf("left %v", left)
	}
}

// Verify reports damage and removes it, whatever the stamps say.
func TestVerifyMembers(t *testing.T) {
	s, m := openStore(t, t.TempDir()), &maker{content: "content"}
	good, bad, forged, bare := rootfs.Digest{1}, rootfs.Digest{2}, rootfs.Digest{3}, rootfs.Digest{4}
	for _, k := range []rootfs.Digest{good, bad, forged, bare} {
		m.use(t, s, k)
	}
	verify := func() (damaged, all []string) {
		must(t, s.Verify(t.Context(), func(it Item, err error) {
			all = append(all, it.Key)
			if errors.Is(err, ErrDamaged) {
				damaged = append(damaged, it.Key)
			} else if err != nil {
				t.Errorf("%v: %v", it, err)
			}
		}))
		return damaged, all
	}
	if damaged, all := verify(); damaged != nil || len(all) != 4 {
		t.Errorf("%v of %v", damaged, all)
	}
	overwrite(t, ofMember(s, bad, memberSuffix), 10)
	forge(func(s *Store, suffix string) string {
		return ofMember(s, forged, strings.Replace(suffix, ".tar", memberSuffix, 1))
	}, 3)(t, s)
	must(t, os.Remove(ofMember(s, bare, ".stamp")))
	damaged, _ := verify()
	if diff := cmp.Diff([]string{bad.String(), forged.String()}, damaged); diff != "" {
		t.Error(diff)
	}
	if damaged, all := verify(); damaged != nil || len(all) != 2 {
		t.Errorf("%v of %v", damaged, all)
	}
	read(t, ofMember(s, bare, ".stamp")) // it has one now
}

// readOnlyMembers returns a cache with three members (whole, without a stamp,
// and damaged) that cannot be written to.
func readOnlyMembers(t *testing.T, o Options) (s *Store, whole, bare, damaged rootfs.Digest) {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() == 0 { // whom permissions do not stop
		dir = smallDisk(t, "size=8m")
	}
	whole, bare, damaged = rootfs.Digest{1}, rootfs.Digest{2}, rootfs.Digest{3}
	w := openStore(t, filepath.Join(dir, "c"))
	for _, k := range []rootfs.Digest{whole, bare, damaged} {
		(&maker{content: "kept"}).use(t, w, k)
	}
	must(t, os.Remove(ofMember(w, bare, ".stamp")))
	overwrite(t, ofMember(w, damaged, memberSuffix), 1)
	readOnly(t, dir)
	s, err := Open(filepath.Join(dir, "c"), o)
	must(t, err)
	return s, whole, bare, damaged
}

func TestMembersOfReadOnlyCache(t *testing.T) {
	temp := t.TempDir()
	for name, dir := range map[string]string{"with Temp": temp, "without Temp": ""} {
		t.Run(name, func(t *testing.T) {
			s, whole, bare, damaged := readOnlyMembers(t, Options{Temp: dir})
			l, kept := newLease(t, s), &maker{content: "kept"}
			for _, s.verify = range []bool{false, true} {
				for _, k := range []rootfs.Digest{whole, bare} {
					must(t, kept.member(t, l, k).Close())
				}
			}
			if kept.filled.Load() != 0 {
				t.Error("what is there was made again")
			}
			for _, k := range []rootfs.Digest{damaged, {9}} {
				made := &maker{content: "made"}
				if dir == "" {
					_, err := l.Member(t.Context(), k, made.fill)
					if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "-cache") || made.filled.Load() != 0 {
						t.Errorf("%s: filled %d times: %v", k, made.filled.Load(), err)
					}
					continue
				}
				must(t, made.member(t, l, k).Close())
				if made.filled.Load() != 1 {
					t.Errorf("%s: filled %d times", k, made.filled.Load())
				}
			}
			folder, remove, err := s.Folder("x")
			if dir == "" {
				if !errors.Is(err, ErrReadOnly) {
					t.Errorf("a folder: %v", err)
				}
				return
			}
			must(t, err)
			put(t, filepath.Join(folder, "file"), "content")
			remove()
		})
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// Members in temporary files have no names, are each their own, and go when
// they are closed.
func TestUnnamedMembers(t *testing.T) {
	temp := t.TempDir()
	s, _, _, _ := readOnlyMembers(t, Options{Temp: temp})
	l, key := newLease(t, s), rootfs.Digest{9}
	a, b := &maker{content: "a"}, &maker{content: "b"}
	first, second := a.member(t, l, key), b.member(t, l, key)
	names, err := os.ReadDir(temp)
	if err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	must(t, first.Close())
	must(t, first.Close())
	if got := text(t, second); got != "b" {
		t.Errorf("got %q", got)
	}
	must(t, second.Close())
	filled := 0
	_, err = l.Member(t.Context(), key, func(io.Writer) error { filled++; return errBroken })
	if !errors.Is(err, errBroken) || filled != 1 || err.Error() != "member "+key.String()+": "+errBroken.Error() {
		t.Errorf("filled %d times: %v", filled, err)
	}
	s.temp = filepath.Join(temp, "nowhere")
	if _, err := l.Member(t.Context(), key, a.fill); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), s.temp) {
		t.Errorf("no such folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Member(ctx, key, a.fill); !errors.Is(err, context.Canceled) || a.filled.Load() != 1 {
		t.Errorf("ended: %v", err)
	}
}

func TestUnnamed(t *testing.T) {
	for name, create := range map[string]func(dir, key string) (*os.File, error){"unnamed": unnamed, "unlinked": unlinked} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, filepath.Join(dir, "compose-k.0"), "of another") // is left alone
			f, err := create(dir, "k")
			must(t, err)
			defer f.Close()
			_, err = f.WriteString("text")
			must(t, err)
			b := [4]byte{}
			if _, err := f.ReadAt(b[:], 0); err != nil || string(b[:]) != "text" {
				t.Errorf("%q, %v", b, err)
			}
			names, err := os.ReadDir(dir)
			if err != nil || len(names) != 1 || read(t, filepath.Join(dir, "compose-k.0")) != "of another" {
				t.Errorf("%v, %v", names, err)
			}
			if _, err := create(filepath.Join(dir, "nowhere"), "k"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("no such folder: %v", err)
			}
		})
	}
}

// A cache that an earlier version made has no folder for members.
func TestMembersOfOlderCache(t *testing.T) {
	older := func(t *testing.T, dir string) {
		s := openStore(t, dir)
		putBlob(t, s, "blob")
		must(t, os.Remove(s.path(membersDir)))
	}
	t.Run("writable", func(t *testing.T) {
		dir := t.TempDir()
		older(t, dir)
		m := &maker{content: "x"}
		m.use(t, openStore(t, dir), rootfs.Digest{1})
		m.use(t, openStore(t, dir), rootfs.Digest{1})
		if m.filled.Load() != 1 {
			t.Errorf("made %d times", m.filled.Load())
		}
	})
	t.Run("read-only", func(t *testing.T) {
		dir := t.TempDir()
		if os.Geteuid() == 0 {
			dir = smallDisk(t, "size=8m")
		}
		older(t, filepath.Join(dir, "c"))
		readOnly(t, dir)
		m := &maker{content: "x"}
		s, err := Open(filepath.Join(dir, "c"), Options{Temp: t.TempDir()})
		must(t, err)
		m.use(t, s, rootfs.Digest{1})
		items, err := s.Items(t.Context())
		if err != nil || len(items) != 1 {
			t.Errorf("%v, %v", items, err)
		}
		must(t, s.Verify(t.Context(), func(it Item, err error) { must(t, err) }))
		s = openStore(t, filepath.Join(dir, "c"))
		if _, err := newLease(t, s).Member(t.Context(), rootfs.Digest{1}, m.fill); !errors.Is(err, ErrReadOnly) {
			t.Errorf("without Temp: %v", err)
		}
	})
}

// Where only the folder of members cannot be written to, fill is not called twice.
func TestMembersFolderIsReadOnly(t *testing.T) {
	s, err := Open(t.TempDir(), Options{Temp: t.TempDir()})
	must(t, err)
	sealFolder(t, s.path(membersDir))
	m := &maker{content: "x"}
	_, err = newLease(t, s).Member(t.Context(), rootfs.Digest{1}, m.fill)
	if m.filled.Load() != 1 || !errors.Is(err, ErrReadOnly) {
		t.Errorf("filled %d times: %v", m.filled.Load(), err)
	}
	if left := files(t, s); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// sealFolder keeps everybody from adding to a folder, root too.
func sealFolder(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		must(t, os.Chmod(path, 0o555))
		t.Cleanup(func() { _ = os.Chmod(path, 0o755) })
		return
	}
	d, err := os.Open(path)
	must(t, err)
	const immutable = 0x10 // FS_IMMUTABLE_FL of linux/fs.h
	set := func(flags int) error { return unix.IoctlSetPointerInt(int(d.Fd()), unix.FS_IOC_SETFLAGS, flags) }
	if err := set(immutable); err != nil {
		d.Close()
		t.Skipf("needs a file system with immutable folders: %v", err)
	}
	t.Cleanup(func() { _ = set(0); d.Close() })
}

// A disk that is full is said, also by a fill that does not look; nothing is left.
func TestMemberFullDisk(t *testing.T) {
	fills := map[string]func(io.Writer) error{
		"reports": func(w io.Writer) error {
			if _, err := io.Copy(w, bytes.NewReader(make([]byte, 4<<20))); err != nil {
				return fmt.Errorf("compress: %w", err)
			}
			return nil
		},
		"does not look": func(w io.Writer) error {
			for range 1000 {
				_, _ = w.Write(make([]byte, 4096))
			}
			return nil
		},
		"says another thing": func(w io.Writer) error {
			_, _ = io.Copy(w, bytes.NewReader(make([]byte, 4<<20)))
			return errBroken
		},
	}
	for name, fill := range fills {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, "size=600k")
			s := openStore(t, dir)
			before := tree(t, dir)
			_, err := newLease(t, s).Member(t.Context(), rootfs.Digest{1}, fill)
			if !errors.Is(err, unix.ENOSPC) || strings.Contains(err.Error(), "compress: ") != (name == "reports") {
				t.Errorf("cache: %v", err)
			}
			if after := tree(t, dir); after != before {
				t.Errorf("left behind:\n%s", after)
			}
			r, _, _, _ := readOnlyMembers(t, Options{Temp: dir})
			if _, err := newLease(t, r).Member(t.Context(), rootfs.Digest{9}, fill); !errors.Is(err, unix.ENOSPC) {
				t.Errorf("temporary file: %v", err)
			}
			var st unix.Statfs_t
			must(t, unix.Statfs(dir, &st))
			if st.Bfree < st.Blocks/2 {
				t.Errorf("%d of %d blocks are free", st.Bfree, st.Blocks)
			}
		})
	}
}
