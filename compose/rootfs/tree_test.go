package rootfs_test

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
)

func segments(texts ...string) []rootfs.Segment {
	var s []rootfs.Segment
	for i, t := range texts {
		name := fmt.Sprintf("package %d", i)
		files := strings.HasPrefix(t, "files:")
		s = append(s, rootfs.Segment{Name: name, Entries: rootfs.Sort(rootfstest.Parse(strings.TrimPrefix(t, "files:"))), Files: files})
	}
	return s
}

func TestNewTree(t *testing.T) {
	for _, c := range []struct {
		name      string
		segments  []string
		want      string
		conflicts string
	}{
		{"parents are made", []string{"file a/b/c x"}, "dir a 0755\ndir a/b 0755\nfile a/b/c x", ""},
		{"a parent that somebody names stays", []string{"file a/b x", "dir a 0700"}, "dir a 0700\nfile a/b x", ""},
		{"the root is left out", []string{"dir / 0700\nfile a x"}, "file a x", ""},
		{"the later wins, and it is said", []string{"file a x", "file a y"}, "file a y", "a: package 0 package 1"},
		{"equal files are no conflict", []string{"file a x mtime=1", "file a x mtime=2"}, "file a x", ""},
		{"files replace without a word", []string{"file a x", "files:file a y"}, "file a y", ""},
		{"a directory's later attributes win", []string{"dir a 0755", "dir a 0700"}, "dir a 0700", ""},
		{"a made directory never overrides one that was given", []string{"dir a 0700", "dir a 0755 made"}, "dir a 0700", ""},
		{"but the files section does", []string{"dir a 0700", "files:dir a 0711 made"}, "dir a 0711", ""},
		{"below a link of an earlier package", []string{"sym lib usr/lib\ndir usr/lib 0755", "file lib/x y"}, "sym lib usr/lib\ndir usr 0755\ndir usr/lib 0755\nfile usr/lib/x y", ""},
		{"below a link to an absolute path, out of the root", []string{"sym lib /../../usr/lib", "file lib/x y"}, "sym lib /../../usr/lib\ndir usr 0755\ndir usr/lib 0755\nfile usr/lib/x y", ""},
		{"below a link of its own", []string{"sym lib usr/lib\nfile lib/x y"}, "sym lib usr/lib\ndir usr 0755\ndir usr/lib 0755\nfile usr/lib/x y", ""},
		{"a directory over a link to a directory keeps the link", []string{"sym lib usr/lib\ndir usr/lib 0755", "dir lib 0700\nfile lib/x y"}, "sym lib usr/lib\ndir usr 0755\ndir usr/lib 0755\nfile usr/lib/x y", ""},
		{"a directory over a link to nothing lies where that leads", []string{"sym run var/run", "dir run 0711\nfile run/x y", "dir run 0700"}, "sym run var/run\ndir var 0755\ndir var/run 0711\nfile var/run/x y", ""},
		{"a directory over a link to a directory of its own", []string{"sym a b", "dir a 0711\ndir b 0700\nfile a/x y"}, "sym a b\ndir b 0700\nfile b/x y", ""},
		{"a link over a link", []string{"sym lib a", "sym lib b"}, "sym lib b", "lib: package 0 package 1"},
		{"hard links get their first name", []string{"file b x inode=1\nfile a x inode=1\nfile c x inode=1"}, "file a x\nfile b = a\nfile c = a", ""},
		{"inodes are a segment's own", []string{"file a x inode=1", "file b x inode=1"}, "file a x\nfile b x", ""},
		{"a replaced first name leaves the others linked", []string{"file a x inode=1\nfile b x inode=1\nfile c x inode=1", "files:file a new"}, "file a new\nfile b x\nfile c = b", ""},
		{"path order puts what is below a directory before its next sibling", []string{"dir a 0755\nfile a/z x\nfile a.b x\nfile a-b x"}, "dir a 0755\nfile a/z x\nfile a-b x\nfile a.b x", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree, conflicts, err := rootfs.NewTree(segments(c.segments...), rootfs.TreeOptions{Epoch: 100})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rootfstest.Lines(c.want), rootfstest.Format(tree.Entries())); d != "" {
				t.Error(d)
			}
			var said []string
			for _, x := range conflicts {
				said = append(said, x.Path+": "+x.Loser+" "+x.Winner)
			}
			if got := strings.Join(said, "\n"); got != c.conflicts {
				t.Errorf("conflicts %q, want %q", got, c.conflicts)
			}
		})
	}
}

func TestNewTreeRefuses(t *testing.T) {
	for _, c := range []struct {
		name     string
		segments []string
		want     string
	}{
		{"a file over a directory", []string{"dir a 0755", "file a x"}, "a: package 1 brings a file where package 0 has a directory"},
		{"a directory over a file", []string{"file a x", "dir a 0755"}, "a: package 1 brings a directory where package 0 has a file"},
		{"a directory over a link to a file", []string{"sym a b\nfile b x", "dir a 0755"}, "a: package 1 brings a directory where package 0 has a symbolic link"},
		{"a directory over a link to a file of its own", []string{"sym a b", "dir a 0755\nfile b x"}, "a: package 1 brings a directory where package 0 has a symbolic link"},
		{"below a file", []string{"file a x", "file a/b/c x"}, "a/b/c: package 1 brings it below a file that package 0 has"},
		{"much below a file, said once", []string{"file a x\nfile c x", "file a/b x\nfile a/b-b x\nfile a/c x\nfile c/a x"}, "a/b: package 1 brings it below a file that package 0 has\nc/a: package 1 brings it below a file that package 0 has"},
		{"below a link to a file", []string{"sym a b\nfile b x", "file a/c x"}, "package 1: a/c: b is a file: not a directory"},
		{"a link that runs in circles", []string{"sym a b\nsym b a", "file a/c x"}, "package 1: a/c: too many symbolic links"},
		{"a link over a directory that an earlier package filled", []string{"file a/b x", "sym a c"}, "a/b: package 0 brings it below a symbolic link that package 1 has"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := rootfs.NewTree(segments(c.segments...), rootfs.TreeOptions{})
			if err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	text := "file old x mtime=50\nfile young x mtime=200\nfile ours x mtime=7 made"
	for _, c := range []struct {
		name string
		o    rootfs.TreeOptions
		want []int64 // old, ours, young
	}{
		{"clamped", rootfs.TreeOptions{Epoch: 100}, []int64{50, rootfs.DefaultModTime, 100}},
		{"fixed", rootfs.TreeOptions{Epoch: 100, Fixed: true}, []int64{rootfs.DefaultModTime, rootfs.DefaultModTime, rootfs.DefaultModTime}},
	} {
		tree, _, err := rootfs.NewTree(segments(text), c.o)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for e := range tree.Entries() {
			got = append(got, e.ModTime)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestNlink(t *testing.T) {
	tree, _, err := rootfs.NewTree(segments("file a x inode=3\nfile b x inode=3\nfile c y"), rootfs.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint32{"a": 2, "b": 2, "c": 1} {
		if got := tree.At(path).Nlink; got != want {
			t.Errorf("%s has %d links, want %d", path, got, want)
		}
	}
}

// TestTreeLaws holds over random segments: each path once and in order, parents
// first, a hard link behind its first name, and segments that share no path may
// come in any order.
func TestTreeLaws(t *testing.T) {
	for seed := range int64(200) {
		r := rand.New(rand.NewSource(seed))
		var texts []string
		for s := range 4 {
			var b strings.Builder
			for range 30 {
				fmt.Fprintf(&b, "file s%d/%s x inode=%d\n", s, somePath(r), r.Intn(6))
			}
			texts = append(texts, b.String())
		}
		first, _, err := rootfs.NewTree(segments(texts...), rootfs.TreeOptions{})
		if err != nil {
			continue // a file and a directory of one name, by chance
		}
		holds(t, first)
		slices.Reverse(texts)
		second, _, err := rootfs.NewTree(segments(texts...), rootfs.TreeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(rootfstest.Format(first.Entries()), rootfstest.Format(second.Entries())); d != "" {
			t.Fatalf("seed %d: order of segments: %s", seed, d)
		}
	}
}

func somePath(r *rand.Rand) string {
	parts := []string{}
	for range 1 + r.Intn(3) {
		parts = append(parts, string("ab.-c"[r.Intn(5)])+string("xy"[r.Intn(2)]))
	}
	return strings.Join(parts, "/")
}

func holds(t *testing.T, tree *rootfs.Tree) {
	t.Helper()
	seen := map[string]*rootfs.Entry{}
	last := ""
	for e := range tree.Entries() {
		if last != "" && rootfs.Compare(last, e.Path) >= 0 {
			t.Errorf("%q does not come after %q", e.Path, last)
		}
		if p := rootfs.Parent(e.Path); p != "" && (seen[p] == nil || seen[p].Type != rootfs.Dir) {
			t.Errorf("%q comes before its parent", e.Path)
		}
		if e.First != "" && (seen[e.First] == nil || seen[e.First].First != "") {
			t.Errorf("%q comes before its first name %q", e.Path, e.First)
		}
		seen[e.Path], last = e, e.Path
	}
}

func TestCompare(t *testing.T) {
	order := []string{"", "a", "a/b", "a/b/c", "a/b!", "a!", "a-b", "a.b", "aa", "b"}
	for i, a := range order {
		for j, b := range order {
			if got := rootfs.Compare(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("Compare(%q, %q) = %d", a, b, got)
			}
		}
	}
}

func TestFollow(t *testing.T) {
	entries := rootfs.Sort(rootfstest.Parse(`
		dir usr/lib 0755
		sym lib usr/lib
		sym abs /usr/lib
		sym up ../../usr
		sym chain lib
		sym loop loop
		sym usr/lib/self .
		sym usr/lib/back ../../etc
		file f x
	`))
	at := func(p string) *rootfs.Entry { return rootfs.Find(entries, p) }
	for _, c := range []struct {
		path, dirs, all string
		err             error
	}{
		{"lib/x", "usr/lib/x", "usr/lib/x", nil},
		{"lib", "lib", "usr/lib", nil},
		{"/abs/x/y", "usr/lib/x/y", "usr/lib/x/y", nil},
		{"up/lib/x", "usr/lib/x", "usr/lib/x", nil},
		{"chain/x", "usr/lib/x", "usr/lib/x", nil},
		{"lib/self/self/x", "usr/lib/x", "usr/lib/x", nil},
		{"lib/back/passwd", "etc/passwd", "etc/passwd", nil},
		{"none/x", "none/x", "none/x", nil},
		{"a//./b/../c", "a/c", "a/c", nil},
		{"loop/x", "", "", rootfs.ErrLoop},
		{"f/x", "", "", rootfs.ErrNotDir},
	} {
		dirs, err := rootfs.FollowDirs(c.path, at)
		if dirs != c.dirs || !errors.Is(err, c.err) {
			t.Errorf("FollowDirs(%q) = %q, %v, want %q, %v", c.path, dirs, err, c.dirs, c.err)
		}
		all, err := rootfs.Follow(c.path, at)
		if all != c.all || !errors.Is(err, c.err) {
			t.Errorf("Follow(%q) = %q, %v, want %q, %v", c.path, all, err, c.all, c.err)
		}
	}
}
