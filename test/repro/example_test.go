package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestExample types the session of README.md's "Try it" in a copy of the
// repository: every command there has to work, and every line that "make example"
// prints of a file has to stand in README.md, for that is what it promises to
// whoever runs it.
func TestExample(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no make")
		}
		t.Skip("no make")
	}
	dir := filepath.Join(t.TempDir(), "compose")
	copyRepository(t, dir)
	const lock = "examples/minimal.lock.json"
	before := text(t, filepath.Join(dir, lock))
	readme := text(t, filepath.Join(dir, "README.md"))
	commands := session(readme)
	if !slices.Contains(commands, "make example") {
		t.Fatalf("README.md's session does not run make example: %q", commands)
	}
	for _, command := range commands {
		if command == "make test" { // which this is a part of
			continue
		}
		out := typed(t, dir, command)
		promised := promises(out)
		if command == "make example" {
			checkFiles(t, dir, promised)
		}
		for _, line := range promised {
			if !strings.Contains(readme, line) {
				t.Errorf("README.md does not have this line of %q: %s", command, line)
			}
		}
	}
	if text(t, filepath.Join(dir, lock)) != before {
		t.Errorf("make example changed %s: if the fixture or the example was meant to change, commit what make example writes", lock)
	}
}

// checkFiles wants lines to tell digest, size and path of every file in build,
// and of no other.
func checkFiles(t *testing.T, dir string, lines []string) {
	t.Helper()
	wrote, err := filepath.Glob(filepath.Join(dir, "build", "minimal*"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, path := range wrote {
		line, err := digestAndSize(path)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, line+" build/"+filepath.Base(path))
	}
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(lines)); !slices.Equal(got, want) {
		t.Errorf("make example printed\n%s\nand wrote\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// session returns the commands of README.md's "Try it", in their order.
func session(readme string) (commands []string) {
	_, part, _ := strings.Cut(readme, "\n## Try it\n")
	part, _, _ = strings.Cut(part, "\n## ")
	for line := range strings.Lines(part) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, strings.TrimSuffix(command, "\n"))
		}
	}
	return commands
}

// promises returns the lines of out that tell a digest and a file, compose's and
// sha256sum's; of the latter's of standard input, only the digest.
func promises(out string) (lines []string) {
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "  -")
		if regexp.MustCompile(`^[0-9a-f]{64}( [0-9]+ .+)?$`).MatchString(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// typed runs command as a user would in dir, and returns its standard output.
func typed(t *testing.T, dir, command string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "SOURCE_DATE_EPOCH=", "COMPOSE_CACHE="+filepath.Join(dir, "nobody's cache"))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("$ %s\n%v\n%s%s", command, err, out, &complaint)
	}
	return string(out)
}

// copyRepository copies what "make example" needs of the repository to dir.
func copyRepository(t *testing.T, dir string) {
	t.Helper()
	const root = "../.."
	for _, name := range []string{"cmd", "compose", "outputs", "spec", "test/fixture", "examples"} {
		if err := copyTree(filepath.Join(root, name), filepath.Join(dir, name), nil); err != nil {
			t.Fatal(err)
		}
	}
	var all []error
	for _, name := range []string{"Makefile", "README.md", "go.mod", "go.sum"} {
		all = append(all, copyFile(filepath.Join(root, name), filepath.Join(dir, name)))
	}
	if err := errors.Join(all...); err != nil {
		t.Fatal(err)
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
