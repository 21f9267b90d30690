package golang_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/composeos/compose/compose/pkg/golang"
)

// TestToolchain runs what was fetched.
func TestToolchain(t *testing.T) {
	goroot := toolchain(t)
	if !strings.Contains(goroot, "golang.org"+string(filepath.Separator)+"toolchain@v0.0.1-"+pinned+"."+host) {
		t.Errorf("it is %s", goroot)
	}
	g := golang.New(options(t))
	sum, err := g.ToolchainSum(t.Context(), pinned, host)
	if err != nil || !strings.HasPrefix(sum, "h1:") {
		t.Fatalf("its sum is %q: %v", sum, err)
	}
	again, err := g.Toolchain(t.Context(), golang.Toolchain{Version: pinned, Sums: map[string]string{host: sum}})
	if err != nil || again != goroot {
		t.Errorf("with a sum it is %s: %v", again, err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(goroot, "bin", "go"), "version")
	cmd.Env = []string{"GOTOOLCHAIN=local", "HOME=" + t.TempDir()}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "go version "+pinned+" ") {
		t.Errorf("%s: %v", out, err)
	}
}

// unsettled is a toolchain as a module cache has it: nothing can be run, folders
// are read-only.
func unsettled(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"bin/go": "go", "bin/gofmt": "gofmt", "pkg/tool/linux_amd64/compile": "compile", "lib/wasm/go_js_wasm_exec": "x", "lib/time/zoneinfo.zip": "x",
		"src/_go.mod": "module std\n", "src/cmd/_go.mod": "module cmd\n", "src/runtime/a.go": "package runtime\n",
	})
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		mode := os.FileMode(0o444)
		if d.IsDir() {
			mode = 0o555
			t.Cleanup(func() { os.Chmod(path, 0o755) })
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSettle does it many times at once, as processes would.
func TestSettle(t *testing.T) {
	for range 20 {
		dir := unsettled(t)
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = golang.Settle(dir) })
		}
		all.Wait()
		for _, err := range append(errs, golang.Settle(dir)) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for name, want := range map[string]os.FileMode{
			"bin/go": 0o555, "bin/gofmt": 0o555, "pkg/tool/linux_amd64/compile": 0o555, "lib/wasm/go_js_wasm_exec": 0o555,
			"lib/time/zoneinfo.zip": 0o444, "src/go.mod": 0o444, "src/cmd/go.mod": 0o444, "src/runtime/a.go": 0o444,
		} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode() != want {
				t.Errorf("%s has %v: %v", name, info.Mode(), err)
			}
		}
		if b, err := os.ReadFile(filepath.Join(dir, "src/cmd/go.mod")); err != nil || string(b) != "module cmd\n" {
			t.Errorf("go.mod is %q: %v", b, err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "src", "*tmp*")); err != nil || len(left) > 0 {
			t.Errorf("left are %v: %v", left, err)
		}
	}
}
