package pkg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/pkg/debian/debtest"
	"github.com/composeos/compose/spec"
)

// TestTag changes one thing after another: the tag is another one if, and only if,
// something that goes into the image is.
func TestTag(t *testing.T) {
	repository := debtest.New(t, append(webDebs(), ofText("unused", "file usr/share/unused x"))...)
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, r *room)
		moves  bool
	}{
		{"nothing", func(*testing.T, *room) {}, false},
		{"a comment and other spelling", edit("image: acme/web\n", "# new\n\nimage: \"acme/web\"\n"), false},
		{"another order of keys", edit("image: acme/web\narches: [amd64]\n", "arches: [amd64]\nimage: acme/web\n"), false},
		{"the name of the image", edit("image: acme/web\n", "image: acme/web2\n"), true},
		{"the command", edit("-c, ", ""), true},
		{"a mount", edit("tmpfs: [/srv]", "tmpfs: [/srv, /run]"), true},
		{"a pattern", edit("etc/web/sample", "etc/web/simple"), true},
		{"the text of a file", edit(`contents: "hello\n"`, `contents: "hello"`), true},
		{"no text where there was none", edit(`contents: ""`, `directory: true`), true},
		{"the owner of a file", edit("uid: 33, gid: 34", "uid: 33, gid: 35"), true},
		{"a file that is not there any more", edit("  - {path: etc/empty, contents: \"\"}\n", ""), true},
		{"an architecture", edit("arches: [amd64]", "arches: [amd64, arm64]"), true},
		{"no modules for all modules", edit("steps:\n", "steps:\n  - kernel: {modules: []}\n"), true},
		{"a file that nothing names", put("notes.txt", "x"), false},
		{"a file in a folder that is named", put("pages/new.html", "x"), true},
		{"the content of a file", put("web.conf", "other\n"), true},
		{"the content of a file in a folder", put("pages/index.html", "<b>\n"), true},
		{"the name of a file in a folder", func(t *testing.T, r *room) {
			t.Helper()
			here := filepath.Join(r.dir, "pkgs/web/pages")
			check(t, os.Rename(filepath.Join(here, "index.html"), filepath.Join(here, "index.htm")))
		}, true},
		{"the target of a link", func(t *testing.T, r *room) {
			t.Helper()
			link := filepath.Join(r.dir, "pkgs/web/pages/home")
			check(t, os.Remove(link))
			check(t, os.Symlink("run", link))
		}, true},
		{"read for others", mode("web.conf", 0o600), false},
		{"execution", mode("web.conf", 0o755), true},
		{"no execution", mode("pages/run", 0o644), true},
		{"execution by the owner alone", mode("pages/run", 0o700), false},
		{"the mode of a folder", mode("pages", 0o700), false},
		{"the time of a file", func(t *testing.T, r *room) {
			t.Helper()
			check(t, os.Chtimes(filepath.Join(r.dir, "pkgs/web/web.conf"), r.repository.Now, r.repository.Now))
		}, false},
		{"the pin's version", pinned(func(d *spec.LockedDeb) { d.Version = "9" }), true},
		{"the pin's bytes", pinned(func(d *spec.LockedDeb) { d.Digest = spec.DigestOf(nil) }), true},
		{"the pin's source", pinned(func(d *spec.LockedDeb) { d.SourceVersion = "9" }), true},
		{"where the package lies", pinned(func(d *spec.LockedDeb) { d.Path, d.Release = "pool/elsewhere", "trixie-security" }), false},
		{"a pin of no use", func(t *testing.T, r *room) {
			t.Helper()
			r.source("other", "image: other\ndebs: {suite: trixie, packages: [\"unused [amd64]\"]}\n")
			r.lock(false)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, repository)
			r.writeWeb()
			before, err := r.Digest(t.Context(), r.locked("web", webBuild))
			check(t, err)
			tt.change(t, r)
			s := r.open("web")
			if len(s.Package.Builds()) > 1 {
				s.Set.Lock.Debs = append(s.Set.Lock.Debs, forArm(s.Set.Lock.Debs)...)
			}
			after, err := r.Digest(t.Context(), s)
			check(t, err)
			if (pkg.Tag(before) != pkg.Tag(after)) != tt.moves {
				t.Errorf("from %s to %s", pkg.Tag(before), pkg.Tag(after))
			}
		})
	}
}

func forArm(debs []spec.LockedDeb) []spec.LockedDeb {
	var more []spec.LockedDeb
	for _, d := range debs {
		if d.Arch == "amd64" {
			d.Arch = "arm64"
			more = append(more, d)
		}
	}
	return more
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// edit changes the build.yml.
func edit(from, to string) func(*testing.T, *room) {
	return func(t *testing.T, r *room) {
		t.Helper()
		if !strings.Contains(webBuild, from) {
			t.Fatalf("no %q in it", from)
		}
		r.write("pkgs/web/build.yml", strings.Replace(webBuild, from, to, 1))
	}
}

func put(name, content string) func(*testing.T, *room) {
	return func(_ *testing.T, r *room) { r.write("pkgs/web/"+name, content) }
}

func mode(name string, mode os.FileMode) func(*testing.T, *room) {
	return func(t *testing.T, r *room) {
		t.Helper()
		check(t, os.Chmod(filepath.Join(r.dir, "pkgs/web", name), mode))
	}
}

// pinned changes the pin of web.
func pinned(change func(*spec.LockedDeb)) func(*testing.T, *room) {
	return func(t *testing.T, r *room) {
		t.Helper()
		l := r.open("web").Set.Lock
		for i := range l.Debs {
			if l.Debs[i].Name == "web" {
				change(&l.Debs[i])
			}
		}
		data, err := l.Marshal()
		check(t, err)
		r.write("pkgs/debs.lock", string(data))
	}
}

func TestTagHasForm(t *testing.T) {
	if got, want := pkg.Tag(spec.DigestOf(nil)), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestTagKnowsNoneFromAll sees that an empty list is not one that is left out.
func TestTagKnowsNoneFromAll(t *testing.T) {
	r := newRoom(t, nil)
	seen := map[spec.Digest]string{}
	for _, step := range []string{"kernel: {}", "kernel: {modules: []}", "kernel: {modules: [a]}"} {
		d, err := r.Digest(t.Context(), r.source("k", "image: k\nsteps: [{"+step+"}]\n"))
		check(t, err)
		if other, there := seen[d]; there {
			t.Errorf("%s has the tag of %s", step, other)
		}
		seen[d] = step
	}
}

// TestEncoder holds what is said of the compressor against go.mod.
func TestEncoder(t *testing.T) {
	data, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(pkg.Encoder)
	if !strings.Contains(string(data), "github.com/"+words[1]+" "+words[2]+"\n") {
		t.Errorf("go.mod has not %s %s", words[1], words[2])
	}
}
