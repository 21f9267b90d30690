package golang_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/pkg/golang"
)

// TestVendor fills a folder for a module and a folder's program, and builds both
// from that alone, with a module cache that is empty at first.
func TestVendor(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a toolchain has 250 MB")
	}
	proxy := t.TempDir()
	_, dep := publish(t, proxy, "example.com/dep@v1.0.0", map[string]string{"go.mod": "module example.com/dep\n", "dep.go": "package dep\n\nfunc Name() string { return \"dep\" }\n"})
	_, unused := publish(t, proxy, "example.com/unused@v1.0.0", map[string]string{"go.mod": "module example.com/unused\n", "x.go": "package unused\n"})
	app := big(dep + unused)
	app["go.mod"] += "require example.com/unused v1.0.0 // indirect\n"
	sum, _ := publish(t, proxy, "example.com/big@v1.0.0", app)
	o := options(t)
	goroot := toolchain(t)
	toolSum, err := golang.New(o).ToolchainSum(t.Context(), pinned, host)
	if err != nil {
		t.Fatal(err)
	}
	pin := golang.Toolchain{Version: pinned, Sums: map[string]string{host: toolSum}}
	dir := t.TempDir()
	write(t, dir, app)
	builds := []golang.Build{
		{Toolchain: pin, Module: "example.com/big@v1.0.0", Sum: sum, Arch: "amd64"},
		{Toolchain: pin, Dir: dir, Main: ".", Arch: "arm64"},
	}
	online := golang.New(private(t, proxy)) // the folder stands in for the network
	online.Ready(pin, goroot)
	var want []golang.Binary
	for _, b := range builds {
		b.Out = filepath.Join(t.TempDir(), "out")
		binary, err := online.Build(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, binary)
	}
	vendored := filepath.Join(t.TempDir(), "a, b", "go")
	if err := online.Vendor(t.Context(), vendored, builds, []string{host}); err != nil {
		t.Fatal(err)
	}
	compareVendored(t, vendored)
	offline := golang.New(private(t, vendored))
	for i, b := range builds {
		b.Out = filepath.Join(t.TempDir(), "out")
		binary, err := offline.Build(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want[i], binary); d != "" {
			t.Errorf("(-online +offline):\n%s", d)
		}
	}
	pin.Sums = map[string]string{host: "h1:x="}
	builds[0].Toolchain = pin
	online.Ready(pin, goroot)
	if err := online.Vendor(t.Context(), vendored, builds[:1], []string{host}); !errors.Is(err, golang.ErrSum) {
		t.Errorf("with another sum of the toolchain: %v", err)
	}
}

// compareVendored holds that what is needed is there, and nothing else.
func compareVendored(t *testing.T, dir string) {
	t.Helper()
	var zips []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".zip" {
			rel, _ := filepath.Rel(dir, path)
			zips = append(zips, rel)
		}
		return err
	})
	want := []string{
		"example.com/big/@v/v1.0.0.zip", "example.com/dep/@v/v1.0.0.zip", "golang.org/toolchain/@v/v0.0.1-" + pinned + "." + host + ".zip",
	}
	if err != nil || !slices.Equal(zips, want) {
		t.Errorf("vendored are %q: %v", zips, err)
	}
}
