package golang_test

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/pkg/golang"
)

// big is a module with much that its program does not use.
func big(sums string) map[string]string {
	return map[string]string{
		"go.mod": "module example.com/big\n\ngo 1.26\n\nrequire example.com/dep v1.0.0\n", "go.sum": sums,
		"main.go":         "package main\n\nimport (\n\t_ \"embed\"\n\t\"example.com/dep\"\n\t\"example.com/big/in\"\n)\n\n//go:embed text\nvar text string\n\nfunc main() { println(dep.Name(), in.Name, text) }\n",
		"text":            "embedded",
		"in/in.go":        "package in\n\nconst Name = \"in\"\n",
		"in/add_arm64.s":  "",
		"in/in_arm64.go":  "package in\n\nconst arm = true\n",
		"in/in_test.go":   "package in\n",
		"out/out.go":      "package out\n",
		"vendor/stray.go": "package stray\n",
	}
}

// TestSources changes one thing after the other and looks whether the digest does.
func TestSources(t *testing.T) {
	proxy := t.TempDir()
	sums := ""
	for _, module := range []string{"example.com/dep@v1.0.0", "example.com/dep@v1.1.0", "example.com/unused@v1.0.0"} {
		path, _, _ := strings.Cut(module, "@")
		_, lines := publish(t, proxy, module, map[string]string{
			"go.mod": "module " + path + "\n\ngo 1.21\n", "dep.go": "package " + filepath.Base(path) + "\n\nfunc Name() string { return \"" + module + "\" }\n",
		})
		sums += lines
	}
	g := start(t, private(t, proxy))
	base := golang.Build{Toolchain: golang.Toolchain{Version: pinned}, Main: ".", Arch: "amd64"}
	digest := func(t *testing.T, b golang.Build, files map[string]string) golang.Sources {
		b.Dir = t.TempDir()
		write(t, b.Dir, files)
		s, err := g.Sources(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(s.Text), b.Dir) || strings.Contains(string(s.Text), proxy) {
			t.Errorf("a path of this machine:\n%s", s.Text)
		}
		return s
	}
	first := digest(t, base, big(sums))
	for _, c := range []struct {
		name  string
		edit  map[string]string
		build func(*golang.Build)
		moves bool
	}{
		{name: "nothing"},
		{name: "a file of a package that is not used", edit: map[string]string{"out/out.go": "package out // x\n"}},
		{name: "a test", edit: map[string]string{"in/in_test.go": "package in // x\n"}},
		{name: "a file of another architecture", edit: map[string]string{"in/in_arm64.go": "package in // x\n"}},
		{name: "another text beside", edit: map[string]string{"notes": "x"}},
		{name: "a requirement that is not used", edit: map[string]string{"go.mod": big("")["go.mod"] + "require example.com/unused v1.0.0 // indirect\n"}},
		{name: "a comment in go.mod", edit: map[string]string{"go.mod": big("")["go.mod"] + "// hello\n"}},
		{name: "a vendor folder", edit: map[string]string{"vendor/modules.txt": "# x\n"}},
		{name: "a licence of a folder in the module", edit: map[string]string{"in/LICENSE": "free"}},
		{name: "the module's licence", edit: map[string]string{"LICENSE": "free"}, moves: true},
		{name: "a used file", edit: map[string]string{"in/in.go": "package in // x\n\nconst Name = \"in\"\n"}, moves: true},
		{name: "a further file", edit: map[string]string{"in/more.go": "package in\n"}, moves: true},
		{name: "what is embedded", edit: map[string]string{"text": "other"}, moves: true},
		{name: "the dependency's version", edit: map[string]string{"go.mod": strings.Replace(big("")["go.mod"], "v1.0.0", "v1.1.0", 1)}, moves: true},
		{name: "the module's language", edit: map[string]string{"go.mod": strings.Replace(big("")["go.mod"], "1.26", "1.25", 1)}, moves: true},
		{name: "a godebug setting", edit: map[string]string{"go.mod": big("")["go.mod"] + "godebug panicnil=1\n"}, moves: true},
		{name: "a godebug line", edit: map[string]string{"main.go": "//go:debug panicnil=1\n" + big("")["main.go"]}, moves: true},
		{
			name: "a folder that replaces", moves: true,
			edit: map[string]string{"go.mod": big("")["go.mod"] + "replace example.com/dep => ./dep\n", "dep/go.mod": "module example.com/dep\n", "dep/d.go": "package dep\n\nfunc Name() string { return \"\" }\n"},
		},
		{name: "the architecture", build: func(b *golang.Build) { b.Arch = "arm64" }, moves: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, b := big(sums), base
			maps.Copy(files, c.edit)
			if c.build != nil {
				c.build(&b)
			}
			s := digest(t, b, files)
			if moved := s.Digest != first.Digest; moved != c.moves {
				t.Errorf("moved: %v\n%s", moved, cmp.Diff(string(first.Text), string(s.Text)))
			}
		})
	}
}

// TestSourcesText holds what the text of a small program is, since package tags
// hang on it.
func TestSourcesText(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, tiny)
	s, err := start(t, options(t)).Sources(t.Context(), golang.Build{
		Toolchain: golang.Toolchain{Version: pinned}, Dir: dir, Main: "./cmd/hello", Arch: "amd64",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `toolchain go1.26.8
architecture linux/amd64 v1 v8.0 nocgo
flags -mod=readonly -trimpath -buildvcs=false -pgo=off -ldflags=-s -w -buildid=
file example.com/tiny/cmd/hello/main.go sha256:afc8f6dd8fc297031e78485b0af2c254295f2c7628c62ba35bfaea12721dd716
file example.com/tiny/cmd/hello/off.go sha256:440f9f2717f396b7951c06fe1b05318b9626401e2336e7ee96609b49b92c5027
main example.com/tiny/cmd/hello godebug none
module example.com/tiny (main) go 1.26
`
	if d := cmp.Diff(want, string(s.Text)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestSourcesOfModule needs neither a network nor a go command.
func TestSourcesOfModule(t *testing.T) {
	g := golang.New(golang.Options{})
	b := golang.Build{Toolchain: golang.Toolchain{Version: pinned}, Module: "example.com/x@v1.0.0", Sum: "h1:abc=", Package: "cmd/x", Arch: "arm64"}
	s, err := g.Sources(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	const want = "module example.com/x@v1.0.0 h1:abc=\npackage ./cmd/x\n"
	if !strings.HasSuffix(string(s.Text), want) {
		t.Errorf("%s", s.Text)
	}
	b.Sum = "h1:abd="
	if other, err := g.Sources(t.Context(), b); err != nil || other.Digest == s.Digest {
		t.Errorf("another sum: %v, %v", other.Digest, err)
	}
}
