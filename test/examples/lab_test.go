package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// lab is where a test builds.
type lab struct {
	root    string // of the sources
	compose string // the program
	dir     string // the test's own; the manifests are in it
}

// newLab returns a place with copies of the examples, in which the packages are
// still those of the tree.
func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getenv("COMPOSE_EXAMPLES") == "" {
		t.Skip("make boot runs these")
	}
	need(t, "qemu-system-x86_64")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{root: root, compose: filepath.Join(root, "bin", "compose"), dir: t.TempDir()}
	if _, err := os.Stat(l.compose); err != nil {
		t.Fatalf("make boot builds it: %v", err)
	}
	all, err := filepath.Glob(filepath.Join(root, "examples", "*.yml"))
	if err != nil || len(all) == 0 {
		t.Fatalf("there are no examples: %v", err)
	}
	for _, name := range all {
		manifest, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		l.write(t, filepath.Base(name), string(manifest))
	}
	return l
}

// write writes a file of the test, and returns its name. In a manifest, packages
// are those of the tree.
func (l *lab) write(t *testing.T, name, content string) string {
	t.Helper()
	content = strings.ReplaceAll(content, "pkg:../pkgs/", "pkg:"+l.root+"/pkgs/")
	name = filepath.Join(l.dir, name)
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// build composes manifests, by their names, and returns what "compose run" finds
// it by.
func (l *lab) build(t *testing.T, name, format string, manifests ...string) string {
	t.Helper()
	cache := os.Getenv("COMPOSE_CACHE")
	if cache == "" {
		cache = filepath.Join(l.root, "build", "cache")
	}
	args := []string{"build", "-arch", "amd64", "-cache", cache, "-progress", "none", "-format", format, "-name", name, "-dir", l.dir}
	for _, m := range manifests {
		args = append(args, filepath.Join(l.dir, m))
	}
	cmd := exec.CommandContext(t.Context(), l.compose, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", cmd.Args, err, out)
	}
	return filepath.Join(l.dir, name)
}

// example builds one of the examples as its own text says, and further manifests
// with it.
func (l *lab) example(t *testing.T, name string, more ...string) string {
	t.Helper()
	return l.build(t, name, "kernel+initrd", append([]string{name + ".yml"}, more...)...)
}

// need leaves the test out where a program is missing, but where everything must
// have been installed.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", p)
		}
		t.Skipf("%s is not installed", p)
	}
}
