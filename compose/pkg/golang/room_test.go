package golang_test

import (
	"archive/zip"
	"context"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/composeos/compose/compose/pkg/golang"
)

// pinned is the toolchain of the tests.
const pinned = "go1.26.8"

// options are those of this machine, with its caches.
func options(t *testing.T) golang.Options {
	t.Helper()
	program, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	return golang.Options{Go: program, HostOS: runtime.GOOS, HostArch: runtime.GOARCH, Scratch: t.TempDir(), Env: os.Environ()}
}

// host is this machine's.
const host = runtime.GOOS + "-" + runtime.GOARCH

// fetched is the toolchain, once for all tests.
var fetched = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "golang-test-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	program, err := exec.LookPath("go")
	if err != nil {
		return "", err
	}
	g := golang.New(golang.Options{Go: program, HostOS: runtime.GOOS, HostArch: runtime.GOARCH, Scratch: dir, Env: os.Environ()})
	return g.Toolchain(context.Background(), golang.Toolchain{Version: pinned})
})

// toolchain returns the folder of the pinned one.
func toolchain(t *testing.T) string {
	t.Helper()
	dir, err := fetched()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI has no toolchain: %v", err)
		}
		t.Skipf("the toolchain cannot be had: %v", err)
	}
	return dir
}

// start returns a Go with options, that has the toolchain.
func start(t *testing.T, o golang.Options) *golang.Go {
	t.Helper()
	g := golang.New(o)
	g.Ready(golang.Toolchain{Version: pinned}, toolchain(t))
	return g
}

// write lays files out below dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// publish puts a module into a folder that serves as a GOPROXY, and returns its
// sums as lines of a go.sum.
func publish(t *testing.T, proxy, name string, files map[string]string) (sum, lines string) {
	t.Helper()
	path, version, _ := strings.Cut(name, "@")
	escaped, err := module.EscapePath(path)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(proxy, filepath.FromSlash(escaped), "@v", version)
	write(t, filepath.Dir(at), map[string]string{version + ".info": `{"Version":"` + version + `"}`, version + ".mod": files["go.mod"]})
	f, err := os.Create(at + ".zip")
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		part, err := w.Create(name + "/" + file)
		if err == nil {
			_, err = part.Write([]byte(files[file]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if sum, err = dirhash.HashZip(at+".zip", dirhash.Hash1); err != nil {
		t.Fatal(err)
	}
	mod, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(files["go.mod"])), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum, path + " " + version + " " + sum + "\n" + path + " " + version + "/go.mod " + mod + "\n"
}

// private returns options whose modules come from a folder alone, with a module
// cache of their own.
func private(t *testing.T, proxy string) golang.Options {
	t.Helper()
	o := options(t)
	o.ModCache, o.Vendor, o.Offline = filepath.Join(t.TempDir(), "mod"), proxy, true
	t.Cleanup(func() { // its folders are read-only
		filepath.WalkDir(o.ModCache, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(path, 0o700)
			}
			return err
		})
	})
	return o
}
