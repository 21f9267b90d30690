package pkg_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/pkg/golang"
	"github.com/composeos/compose/spec"
)

// goLock pins the toolchain of these tests.
const goLock = `{"version": 1, "releases": [], "debs": [], "toolchains": [
  {"name": "go1.26.8", "host": "linux-amd64", "sum": "h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM="},
  {"name": "go1.26.8", "host": "linux-arm64", "sum": "h1:sYL/O6MqS68ML0kjsQ36WoYIpJqkw60TxizWUYUKQMc="}]}
`

// goRoom returns a room that builds Go programs without a network, and the source of
// one.
func goRoom(t *testing.T) (*room, *pkg.Source) {
	t.Helper()
	r := newRoom(t, nil)
	program, err := exec.LookPath("go")
	missing(t, err)
	r.Go = golang.New(golang.Options{
		Go: program, HostOS: runtime.GOOS, HostArch: runtime.GOARCH, Scratch: t.TempDir(), Env: os.Environ(), Proxy: "off",
	})
	r.write("pkgs/debs.lock", goLock)
	r.write("pkgs/hello/go.mod", "module example.org/hello\n\ngo 1.26\n")
	r.write("pkgs/hello/cmd/main.go", "package main\n\nfunc main() { println(word) }\n")
	r.write("pkgs/hello/LICENSE", "free")
	r.write("pkgs/hello/cmd/word.go", "package main\n\nconst word = \"hello\"\n")
	s := r.source("hello", "image: hello\narches: [amd64]\ntoolchain: go1.26.8\ngo: [{main: cmd, out: /usr/bin/hello}, {main: ./cmd, out: /usr/bin/twice}]\ncmd: [/usr/bin/hello]\n")
	_, err = r.Go.Toolchain(t.Context(), golang.Toolchain{Version: "go1.26.8"})
	missing(t, err)
	return r, s
}

// missing skips a test that needs Go and its pinned release; in continuous
// integration they have to be there.
func missing(t *testing.T, err error) {
	t.Helper()
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("CI has no go1.26.8: %v", err)
	}
	if err != nil {
		t.Skipf("go1.26.8 is not in the module cache: %v", err)
	}
}

func TestGoProgram(t *testing.T) {
	r, s := goRoom(t)
	made := r.build(s)
	o := r.openImage(made)
	for _, want := range []string{
		"0 0755 0:0 1492533000 usr/bin/hello ", "0 0644 0:0 1492533000 usr/share/doc/go/example.org/hello/LICENSE \"free\"\n",
		"0 0644 0:0 1492533000 usr/share/doc/go/go1.26.8/LICENSE \"Copyright 2009 The Go Authors.", "usr/share/doc/go/go1.26.8/PATENTS ",
	} {
		if got := listing(t, o.layer); strings.Count(got, want) != 1 {
			t.Errorf("no %s, or twice, in\n%s", want, got)
		}
	}
	for _, want := range []string{"example.org/hello", "pkg:golang/stdlib@1.26.8"} {
		if got := string(r.statement(o)); !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	other, same := goRoom(t)
	if got := other.build(same); got.Index.Digest != made.Index.Digest {
		t.Errorf("elsewhere %s, want %s", got.Index.Digest, made.Index.Digest)
	}
	r.write("pkgs/hello/cmd/main.go", "package main\n\nfunc main() { println(words) }\n")
	_, err := r.Build(t.Context(), s, nil, false)
	wants(t, err, "pkgs/hello/build.yml:4:6: go: usr/bin/hello: ", "undefined: words")
}

// TestTagOfGo changes the tag by what is compiled alone.
func TestTagOfGo(t *testing.T) {
	r, s := goRoom(t)
	last := spec.Digest("")
	for _, tt := range []struct {
		name, file, content string
		moves               bool
	}{
		{"first", "README", "x", true},
		{"a test", "cmd/main_test.go", "package main\n", false},
		{"another program", "other/main.go", "package main\n\nfunc main() {}\n", false},
		{"a file for another system", "cmd/main_windows.go", "package main\n", false},
		{"a licence", "LICENSE", "not free", true},
		{"a comment", "cmd/word.go", "package main // x\n\nconst word = \"hello\"\n", true},
		{"a new file", "cmd/new.go", "package main\n", true},
	} {
		r.write(filepath.Join("pkgs/hello", tt.file), tt.content)
		next, err := r.Digest(t.Context(), s)
		check(t, err)
		if (next != last) != tt.moves {
			t.Errorf("%s: from %s to %s", tt.name, last, next)
		}
		last = next
	}
}
