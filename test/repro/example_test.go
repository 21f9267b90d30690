package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/composeos/compose/test/fixture"
)

// TestExample builds examples/minimal.yml as "make example" does, but refuses to
// change the committed lock, and compares the digest with the one that README.md
// promises to whoever runs it.
func TestExample(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := fillFixture(root, dir, fixture.Options{}); err != nil {
		t.Fatal(err)
	}
	const lock = "examples/minimal.lock.json"
	if err := copyFile(filepath.Join(root, lock), filepath.Join(dir, lock)); err != nil {
		t.Fatal(err)
	}
	before := text(t, filepath.Join(dir, lock))
	program := filepath.Join(dir, "compose")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/compose")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, "build", "-frozen", "-offline", "-arch", "amd64", "-progress", "none",
		"-cache", "cache", "-dir", "build", "examples/minimal.yml")
	cmd.Dir = dir
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build -frozen: %v\n%s\nif the fixture or the example was meant to change, run make example and commit %s", err, &complaint, lock)
	}
	if text(t, filepath.Join(dir, lock)) != before {
		t.Errorf("build -frozen changed %s", lock)
	}
	line := strings.TrimSpace(string(out))
	digest, _, _ := strings.Cut(line, " ")
	got, err := sum(filepath.Join(dir, "build", "minimal.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if digest != got {
		t.Errorf("compose printed %q; the tar's digest is %s", line, got)
	}
	if readme := text(t, filepath.Join(root, "README.md")); !strings.Contains(readme, line) {
		t.Errorf("README.md does not have the line that make example prints: %s", line)
	}
}

// text returns the content of a file.
func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
