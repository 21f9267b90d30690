package golang_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/pkg/golang"
)

// tiny is a module with a program that imports nothing.
var tiny = map[string]string{
	"go.mod":            "module example.com/tiny\n\ngo 1.26\n",
	"cmd/hello/main.go": "package main\n\nfunc main() { println(\"hello\", tagged) }\n",
	"cmd/hello/off.go":  "//go:build !x\n\npackage main\n\nconst tagged = false\n",
	"cmd/hello/on.go":   "//go:build x\n\npackage main\n\nconst tagged = true\n",
}

// TestBuildIsTheSameAnywhere builds from two folders, with two caches, and in an
// environment that asks for something else.
func TestBuildIsTheSameAnywhere(t *testing.T) {
	toolchain(t)
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			var first golang.Binary
			for i, env := range [][]string{nil, {
				"GOFLAGS=-tags=x -ldflags=-X=a=b", "GOAMD64=v3", "GOARM64=v9.0", "GOEXPERIMENT=nogreenteagc", "GODEBUG=panicnil=1",
				"CGO_ENABLED=1", "GO111MODULE=off", "GOWORK=/nowhere/go.work", "GOROOT=/nowhere", "GOTOOLCHAIN=go1.21.0", "GOOS=plan9", "GOARCH=386",
			}} {
				o := options(t)
				o.BuildCache, o.Env = t.TempDir(), append(o.Env, env...)
				dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 5*i))
				write(t, dir, tiny)
				out := filepath.Join(t.TempDir(), "hello")
				binary, err := start(t, o).Build(t.Context(), golang.Build{
					Toolchain: golang.Toolchain{Version: pinned}, Dir: filepath.Join(dir, "cmd"), Main: "hello", Arch: arch, Out: out,
				})
				if err != nil {
					t.Fatal(err)
				}
				examine(t, out, arch, dir)
				if i == 0 {
					first = binary
				} else if d := cmp.Diff(first, binary); d != "" {
					t.Errorf("(-first +second):\n%s", d)
				}
			}
			if first.Package != "example.com/tiny/cmd/hello" || first.Main.Path != "example.com/tiny" || first.Go != pinned || len(first.Modules) != 0 {
				t.Errorf("it says of itself: %+v", first)
			}
		})
	}
}

// examine holds what a program may not have.
func examine(t *testing.T, out, arch, dir string) {
	t.Helper()
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(out)
	if err != nil || info.Mode() != 0o755 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	for _, path := range []string{dir, os.TempDir() + "/", "/pkg/mod/"} {
		if bytes.Contains(content, []byte(path)) {
			t.Errorf("%s is in it", path)
		}
	}
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	if f.Machine != want || f.Section(".symtab") != nil || f.Section(".interp") != nil || f.Section(".debug_info") != nil {
		t.Errorf("machine %v, sections %v", f.Machine, f.Sections)
	}
	if left, err := os.ReadDir(filepath.Dir(out)); err != nil || len(left) != 1 {
		t.Errorf("beside it lie %v: %v", left, err)
	}
}

// TestBuildOfModule builds a published module with a dependency, from two scratch
// folders.
func TestBuildOfModule(t *testing.T) {
	proxy := t.TempDir()
	depSum, lines := publish(t, proxy, "example.com/Dep@v1.2.0", map[string]string{
		"go.mod": "module example.com/Dep\n\ngo 1.21\n", "dep.go": "package dep\n\nfunc Name() string { return \"dep\" }\n",
	})
	app := map[string]string{
		"go.mod": "module example.com/app\n\ngo 1.26\n\nrequire example.com/Dep v1.2.0\n", "go.sum": lines,
		"cmd/app/main.go": "package main\n\nimport dep \"example.com/Dep\"\n\nfunc main() { println(dep.Name()) }\n",
	}
	sum, _ := publish(t, proxy, "example.com/app@v0.3.1", app)
	build := golang.Build{
		Toolchain: golang.Toolchain{Version: pinned}, Module: "example.com/app@v0.3.1", Sum: sum, Package: "cmd/app", Arch: "arm64",
	}
	var made []golang.Binary
	for range 2 {
		g := start(t, private(t, proxy))
		build.Out = filepath.Join(t.TempDir(), "app")
		binary, err := g.Build(t.Context(), build)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, binary)
	}
	want := golang.Binary{
		Package: "example.com/app/cmd/app", Go: pinned, Main: golang.Module{Path: "example.com/app", Version: "v0.3.1", Sum: sum},
		Modules: []golang.Module{{Path: "example.com/Dep", Version: "v1.2.0", Sum: depSum}}, Licences: goLicences(t), Size: made[0].Size, SHA256: made[0].SHA256,
	}
	for _, binary := range made {
		if d := cmp.Diff(want, binary); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	build.Sum = depSum
	if _, err := start(t, private(t, proxy)).Build(t.Context(), build); !errors.Is(err, golang.ErrSum) {
		t.Errorf("another sum: %v", err)
	}
}
