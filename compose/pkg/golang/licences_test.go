package golang_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/pkg/golang"
)

// goLicences are the toolchain's.
func goLicences(t *testing.T) []golang.Licence {
	t.Helper()
	var all []golang.Licence
	for _, name := range []string{"LICENSE", "PATENTS"} {
		text, err := os.ReadFile(filepath.Join(toolchain(t), name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, golang.Licence{Path: pinned + "/" + name, Text: text})
	}
	return all
}

// licensed is a module with files that are licences, and others.
func licensed(mod, code string) map[string]string {
	clause, _, _ := strings.Cut(code, "\n")
	return map[string]string{
		"go.mod": mod, "x.go": code, "COPYING.LIB": "copying", "Licence.md": "licence", "LICENSE-MIT": "", "NOTICE": "notice", "unlicense": "unlicense",
		"LICENSES/MIT": "below", "in/LICENSE": "below", "license.go": clause + "\n", "README": "free", "not-a-LICENSE": "x",
	}
}

// TestLicences builds a folder's module, and a published one, with dependencies that
// have licences, that have none, that a folder stands in for, and that are not used.
func TestLicences(t *testing.T) {
	proxy := t.TempDir()
	dep := licensed("module example.com/Dep\n", "package deps\n\nconst Name = 0\n")
	_, lines := publish(t, proxy, "example.com/Dep@v1.2.0", dep)
	for _, name := range []string{"bare", "unused"} {
		files := map[string]string{"go.mod": "module example.com/" + name + "\n", "x.go": "package " + name + "\n"}
		if name == "unused" {
			files["LICENSE"] = "not wanted"
		}
		_, more := publish(t, proxy, "example.com/"+name+"@v1.0.0", files)
		lines += more
	}
	app := licensed("module example.com/app\n\ngo 1.26\n\nrequire (\n\texample.com/Dep v1.2.0\n\texample.com/bare v1.0.0\n\texample.com/unused v1.0.0\n)\n",
		"package main\n\nimport (\n\t_ \"example.com/bare\"\n\t\"example.com/Dep\"\n)\n\nfunc main() { println(deps.Name) }\n")
	app["go.sum"] = lines
	sum, _ := publish(t, proxy, "example.com/app@v0.3.1", app)
	g := start(t, private(t, proxy))
	local := t.TempDir()
	write(t, local, app)
	replaced := t.TempDir()
	write(t, replaced, app)
	write(t, replaced, map[string]string{"go.mod": app["go.mod"] + "replace example.com/Dep => ./dep\n"})
	write(t, filepath.Join(replaced, "dep"), dep)
	for _, c := range []struct {
		name      string
		build     golang.Build
		app, deps string // what their licences lie in
	}{
		{"a module", golang.Build{Module: "example.com/app@v0.3.1", Sum: sum}, "example.com/app@v0.3.1", "example.com/Dep@v1.2.0"},
		{"a folder", golang.Build{Dir: local, Main: "."}, "example.com/app", "example.com/Dep@v1.2.0"},
		{"a folder that stands in", golang.Build{Dir: replaced, Main: "."}, "example.com/app", "example.com/Dep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.build.Toolchain, c.build.Arch, c.build.Out = golang.Toolchain{Version: pinned}, "amd64", filepath.Join(t.TempDir(), "out")
			binary, err := g.Build(t.Context(), c.build)
			if err != nil {
				t.Fatal(err)
			}
			want := append(append(texts(c.deps), texts(c.app)...), goLicences(t)...)
			if d := cmp.Diff(want, binary.Licences); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// texts are the licences of a module as licensed makes it.
func texts(name string) []golang.Licence {
	return []golang.Licence{
		{Path: name + "/COPYING.LIB", Text: []byte("copying")},
		{Path: name + "/LICENSE-MIT", Text: []byte{}},
		{Path: name + "/Licence.md", Text: []byte("licence")},
		{Path: name + "/NOTICE", Text: []byte("notice")},
		{Path: name + "/unlicense", Text: []byte("unlicense")},
	}
}
