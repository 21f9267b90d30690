package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/spec"
)

func TestChangeText(t *testing.T) {
	a, b := string(spec.DigestOf([]byte("a"))), string(spec.DigestOf([]byte("b")))
	tests := []struct {
		name   string
		change compose.Change
		want   string
	}{
		{"pinned", compose.Change{Name: "image nginx", To: a}, "image nginx is pinned to sha256:ca978112ca1b"},
		{"moved", compose.Change{Name: "image nginx", From: a, To: b}, "image nginx moved from sha256:ca978112ca1b to sha256:3e23e8160039"},
		{"gone", compose.Change{Name: "image nginx", From: a}, "image nginx is not used any more"},
		{"new and local", compose.Change{Name: "source x", To: a, Local: true}, "source x is new: sha256:ca978112ca1b"},
		{"changed", compose.Change{Name: "source x", From: "absent", To: a, Local: true}, "source x changed from absent to sha256:ca978112ca1b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := changeText(tt.change); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDebts(t *testing.T) {
	image := func(name, unsigned string) spec.LockedImage {
		return spec.LockedImage{Name: name, Unsigned: unsigned}
	}
	tests := []struct {
		name   string
		images []spec.LockedImage
		want   string
	}{
		{"none", []spec.LockedImage{image("a", "")}, ""},
		{"one", []spec.LockedImage{image("a", ""), image("b", "accepted")}, "compose: warning: unsigned: 1 image is taken without a signature: b\n"},
		{"two", []spec.LockedImage{image("a", "accepted"), image("b", "accepted")}, "compose: warning: unsigned: 2 images are taken without a signature: a, b\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			debts(newUI(&out, progressNone), &spec.Lock{Images: tt.images})
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("words (-want +got):\n%s", diff)
			}
		})
	}
}

func TestManifestName(t *testing.T) {
	for path, want := range map[string]string{
		"system.yml": "system", "a/b/site.yaml": "site", "x.tar.yml": "x.tar", "plain": "plain", ".yml": ".yml", "x.json": "x.json",
	} {
		if got := manifestName(path); got != want {
			t.Errorf("manifestName(%q) = %q, want %q", path, got, want)
		}
	}
}

// TestPlace checks that manifests and lock are named in one form.
func TestPlace(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, lock string
		operands   []string
		dir        string
		names      []string
	}{
		{"relative", "a/x.lock.json", []string{"a/x.yml"}, "a", []string{"a/x.yml"}},
		{"no lock", "", []string{"-"}, ".", []string{"-"}},
		{"lock absolute", filepath.Join(here, "b", "x.lock.json"), []string{"a/x.yml"}, "b", []string{"a/x.yml"}},
		{"lock above", "../x.lock.json", []string{"y.yml"}, filepath.Dir(here), []string{filepath.Join(here, "y.yml")}},
		{"both above", "../x.lock.json", []string{"../y.yml"}, "..", []string{"../y.yml"}},
		{"lock absolute and far", "/a/x.lock.json", []string{"y.yml"}, "/a", []string{filepath.Join(here, "y.yml")}},
		{"manifest absolute", "b/x.lock.json", []string{"/a/x.yml"}, filepath.Join(here, "b"), []string{"/a/x.yml"}},
		{"one of two absolute", "/a/x.lock.json", []string{"y.yml", "-", "/a/x.yml"}, "/a", []string{filepath.Join(here, "y.yml"), "-", "/a/x.yml"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := &input{lockPath: tt.lock}
			names, err := in.place(tt.operands)
			if err != nil {
				t.Fatal(err)
			}
			if in.lockDir != tt.dir {
				t.Errorf("folder of the lock is %s, want %s", in.lockDir, tt.dir)
			}
			if diff := cmp.Diff(tt.names, names); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	writeFile(t, dir, "real", "old")
	if err := os.Chmod(target, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(target)
	if err != nil || string(data) != "new" {
		t.Errorf("content is %q (%v), want new", data, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode did not stay: %v", err)
	}
	if err := replaceFile(filepath.Join(dir, "none", "x"), nil); err == nil {
		t.Error("a folder that is not there is no error")
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("%d files are left, want 2", len(files))
	}
}

func TestCacheDir(t *testing.T) {
	tests := []struct {
		name, flagged string
		env           map[string]string
		want          string
	}{
		{"flag", "f", map[string]string{"COMPOSE_CACHE": "c", "HOME": "/h"}, "f"},
		{"variable", "", map[string]string{"COMPOSE_CACHE": "c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "c"},
		{"XDG", "", map[string]string{"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/compose"},
		{"XDG that is not absolute does not count", "", map[string]string{"XDG_CACHE_HOME": "x", "HOME": "/h"}, "/h/.cache/compose"},
		{"home", "", map[string]string{"HOME": "/h"}, "/h/.cache/compose"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{getenv: func(name string) string { return tt.env[name] }}
			if got, err := w.cacheDir(tt.flagged); err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	w := &world{getenv: func(string) string { return "" }}
	if _, err := w.cacheDir(""); err == nil || !strings.Contains(hintOf(err), "-cache DIR") {
		t.Errorf("without a place the error is %v", err)
	}
}

func TestCacheSize(t *testing.T) {
	for text, want := range map[string]int64{"": defaultCacheSize, "none": noLimit, "1GiB": 1 << 30} {
		w := &world{getenv: func(string) string { return text }}
		if got, err := w.cacheSize(); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	w := &world{getenv: func(string) string { return "much" }}
	if _, err := w.cacheSize(); err == nil || !strings.HasPrefix(err.Error(), "COMPOSE_CACHE_SIZE: ") {
		t.Errorf("a size that is none: %v", err)
	}
}

func TestSayNotices(t *testing.T) {
	var many []notice
	for range manyNotices + 5 {
		many = append(many, notice{"something", true, false})
	}
	var out bytes.Buffer
	if err := sayNotices(newUI(&out, progressNone), many, false); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != manyNotices+1 || !strings.Contains(out.String(), "and 5 more") {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
	out.Reset()
	err := sayNotices(newUI(&out, progressNone), []notice{{text: "a", strict: true}, {text: "b", strict: false}}, true)
	if err == nil || err.Error() != "-strict: a" || out.String() != "compose: warning: b\n" {
		t.Errorf("error %v, words %q", err, out.String())
	}
}
