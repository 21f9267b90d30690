package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/composeos/compose/test/fixture"
)

// TestExampleIsLocked composes test/example as its committed lock says: the
// fixture's images have the digests that they had when it was made.
func TestExampleIsLocked(t *testing.T) {
	const root = "../.."
	dir := t.TempDir()
	compose := filepath.Join(dir, "compose")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", compose, root+"/cmd/compose")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := fixture.Write(filepath.Join(dir, "build", "fixture"), fixture.Options{}); err != nil {
		t.Fatal(err)
	}
	example := filepath.Join(dir, "test", "example")
	if err := os.CopyFS(example, os.DirFS(root+"/test/example")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), compose, "build", "-frozen", "-arch", "amd64", "-cache", filepath.Join(dir, "cache"),
		"-format", "tar", "-dir", dir, filepath.Join(example, "minimal.yml"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: if the fixture or the example was meant to change, renew test/example/minimal.lock.json\n%s", err, out)
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
