package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const someDigest = "sha256:0123456789012345678901234567890123456789012345678901234567890123"

func TestParseImages(t *testing.T) {
	got, err := parseImages(someDigest + " nginx:abc\n" + someDigest + " init:def\n")
	want := images{"nginx": {"abc", someDigest}, "init": {"def", someDigest}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(made{})); err != nil || diff != "" {
		t.Errorf("%v:\n%s", err, diff)
	}
	for name, printed := range map[string]string{
		"nothing":          "",
		"no tag":           someDigest + " nginx\n",
		"no digest":        "nginx:abc\n",
		"a short digest":   "sha256:0123 nginx:abc\n",
		"twice":            someDigest + " nginx:abc\n" + someDigest + " nginx:def\n",
		"something behind": someDigest + " nginx:abc\nhello\n",
	} {
		if got, err := parseImages(printed); err == nil {
			t.Errorf("%s: of %q it makes %v", name, printed, got)
		}
	}
}

func TestSameNamesWhatDiffers(t *testing.T) {
	all := images{"a": {"1", "x"}, "b": {"2", "y"}}
	tests := []struct {
		name  string
		other images
		want  string
	}{
		{"equal", images{"b": {"2", "y"}, "a": {"1", "x"}}, ""},
		{"another digest", images{"a": {"1", "z"}, "b": {"2", "y"}}, "a: 1 z is made, where it was 1 x"},
		{"another tag", images{"a": {"1", "x"}, "b": {"3", "y"}}, "b: 3 y is made, where it was 2 y"},
		{"one less", images{"b": {"2", "y"}}, "a: nothing is made, where it was 1 x"},
		{"one more", images{"a": {"1", "x"}, "b": {"2", "y"}, "c": {"4", "z"}}, "c: 4 z is made, where it was nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			said := ""
			if err := tt.other.same(all); err != nil {
				said = err.Error()
			}
			if said != tt.want {
				t.Errorf("%q, want %q", said, tt.want)
			}
		})
	}
}

func TestTagged(t *testing.T) {
	all := images{"a": {"1", "x"}, "b": {"2", "y"}}
	if err := all.tagged("localhost/b:2\nlocalhost/a:1\n"); err != nil {
		t.Error(err)
	}
	for _, lines := range []string{"", "localhost/a:1\n", "localhost/a:1\nlocalhost/b:3\n", "localhost/a:1\nlocalhost/b:2\nlocalhost/c:3\n"} {
		if all.tagged(lines) == nil {
			t.Errorf("%q are taken for the tags of %v", lines, all)
		}
	}
}

func TestDifferencesOfParts(t *testing.T) {
	a := parts{"amd64 /etc/same": "1", "amd64 /etc/other": "1", "amd64 /etc/first": "1"}
	b := parts{"amd64 /etc/same": "1", "amd64 /etc/other": "2", "amd64 /etc/second": "1"}
	want := []string{"amd64 /etc/first: 1, and not there", "amd64 /etc/other: 1, and 2", "amd64 /etc/second: not there, and 1"}
	if diff := cmp.Diff(want, a.differences(b)); diff != "" {
		t.Error(diff)
	}
}

func TestPlantedHasToBeFound(t *testing.T) {
	p := planting{image: "a", shown: []string{"amd64 /x: "}}
	shown := []string{"amd64 /x: 1, and 2"}
	tests := []struct {
		name, want string
		a, b       made
		sameTag    bool
		where      []string
	}{
		{"found", "", made{"1", "x"}, made{"2", "y"}, false, shown},
		{"found under the same tag", "", made{"1", "x"}, made{"1", "y"}, true, shown},
		{"not found", "a is x still", made{"1", "x"}, made{"2", "x"}, false, shown},
		{"the tag has not moved", "the tags are 1 and 1", made{"1", "x"}, made{"1", "y"}, false, shown},
		{"the tag has moved", "the tags are 1 and 2", made{"1", "x"}, made{"2", "y"}, true, shown},
		{"not shown", "nothing is shown of amd64 /x", made{"1", "x"}, made{"2", "y"}, false, []string{"amd64 /xy: 1, and 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.sameTag = tt.sameTag
			said := ""
			if err := p.found(tt.a, tt.b, tt.where); err != nil {
				said = err.Error()
			}
			if said != tt.want {
				t.Errorf("%q, want %q", said, tt.want)
			}
		})
	}
}

func TestChangeChangesOneByte(t *testing.T) {
	m := &maker{dir: t.TempDir()}
	m.tree = m.dir
	for _, p := range plantings(m) {
		name := strings.ReplaceAll(p.file, "*", "v1")
		if !filepath.IsAbs(name) {
			name = filepath.Join(m.tree, name)
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		before := "before" + p.old + "after" + p.old
		if err := os.WriteFile(name, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := p.change(m); err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for i := range min(len(before), len(after)) {
			if before[i] != after[i] {
				n++
			}
		}
		if n != 1 || len(after) != len(before) {
			t.Errorf("%s: of %q it makes %q", p.name, before, after)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if p.change(m) == nil {
			t.Errorf("%s: an empty file is changed", p.name)
		}
	}
}

func TestCopying(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "a", "b")
	if err := os.MkdirAll(filepath.Join(from, "x", "y"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "x", "y", "file"), []byte("text"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("y/file", filepath.Join(from, "x", "link")); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1e9, 0)
	how := copying{backwards: true, at: at, mode: func(m fs.FileMode) fs.FileMode { return m & 0o700 }}
	if err := how.tree(from, to); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(to, "x", "link"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o700 || !info.ModTime().Equal(at) || info.Size() != 4 {
		t.Errorf("the copy has mode %s, time %s and %d bytes", info.Mode(), info.ModTime(), info.Size())
	}
}

func TestFlipAll(t *testing.T) {
	dir := t.TempDir()
	if _, err := flipAll(dir); err == nil {
		t.Error("an empty folder is damaged")
	}
	for name, text := range map[string]string{"version": "1\n", "blob": strings.Repeat("a", 21)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := flipAll(dir); n != 1 || err != nil {
		t.Errorf("%d files are damaged: %v", n, err)
	}
	for name, want := range map[string]string{"version": "1\n", "blob": "aaaaaaaaaa`aaaaaaaaaa"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s is %q, want %q: %v", name, got, want, err)
		}
	}
}
