package examples

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadme types the session of README.md's "Try it" in a copy of the repository:
// every command there has to work, and every line that tells a digest, and all that
// the page holds, has to stand in README.md, for that is what it promises to whoever
// runs it.
func TestReadme(t *testing.T) {
	l := newLab(t)
	need(t, "make", "curl")
	dir := filepath.Join(t.TempDir(), "compose")
	l.copyRepository(t, dir)
	const lock = "examples/web.lock.json"
	before, readme := contentOf(t, filepath.Join(dir, lock)), contentOf(t, filepath.Join(dir, "README.md"))
	commands := typedBy(readme)
	if !slices.Contains(commands, "make example") {
		t.Fatalf("README.md's session does not run make example: %q", commands)
	}
	for _, command := range commands {
		var out string
		switch {
		case command == "make test": // it takes minutes, and is run anyway
			continue
		case strings.Contains(command, "compose run "):
			startTyped(t, dir, command)
			continue
		case strings.HasPrefix(command, "curl "):
			out = served(t, dir, command)
		default:
			out = promises(typed(t, dir, command))
		}
		for line := range strings.Lines(out) {
			if !strings.Contains(readme, strings.TrimSuffix(line, "\n")) {
				t.Errorf("README.md does not have this line of %q: %s", command, line)
			}
		}
	}
	if contentOf(t, filepath.Join(dir, lock)) != before {
		t.Errorf("make example changed %s: if a package or the example was meant to change, commit what make example writes", lock)
	}
}

// typedBy returns the commands of README.md's "Try it", in their order.
func typedBy(readme string) (commands []string) {
	_, part, _ := strings.Cut(readme, "\n## Try it\n")
	part, _, _ = strings.Cut(part, "\n## ")
	for line := range strings.Lines(part) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, strings.TrimSuffix(command, "\n"))
		}
	}
	return commands
}

// promises returns the lines of out that tell a digest, and of what.
func promises(out string) string {
	return strings.Join(regexp.MustCompile(`(?m)^[0-9a-f]{64} .+\n`).FindAllString(out, -1), "")
}

// shell is a command as a user types it in dir.
func shell(ctx context.Context, dir, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "SOURCE_DATE_EPOCH=", "COMPOSE_CACHE="+filepath.Join(dir, "nobody's cache"))
	return cmd
}

// typed runs command, and returns its standard output.
func typed(t *testing.T, dir, command string) string {
	t.Helper()
	cmd := shell(t.Context(), dir, command)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("$ %s\n%v\n%s%s", command, err, out, &complaint)
	}
	return string(out)
}

// startTyped starts command, which runs until the test ends it, as Ctrl-C does; then
// it has to have turned off in order.
func startTyped(t *testing.T, dir, command string) {
	t.Helper()
	cmd := shell(context.WithoutCancel(t.Context()), dir, "exec "+command+" -accel tcg") // it is ended below
	var said text
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Errorf("$ %s\n%v\n%s", command, err, &said)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("$ %s\n%v\n%s", command, err, &said)
		}
	})
}

// served runs command until it gets something, and returns that.
func served(t *testing.T, dir, command string) string {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(look) {
		out, err := shell(t.Context(), dir, command+" --silent --max-time 5").Output()
		if err == nil && len(out) > 0 {
			return string(out)
		}
		if time.Now().After(end) {
			t.Fatalf("$ %s\n%v after %v", command, err, patience)
		}
	}
}

// copyRepository copies what the session needs, and what the cache has.
func (l *lab) copyRepository(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"cmd", "compose", "examples", "outputs", "pkgs", "spec", "build/cache"} {
		from := filepath.Join(l.root, filepath.FromSlash(name))
		if _, err := os.Stat(from); err != nil && name == "build/cache" {
			continue
		}
		if err := os.CopyFS(filepath.Join(dir, filepath.FromSlash(name)), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"LICENSE", "Makefile", "README.md", "go.mod", "go.sum"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(contentOf(t, filepath.Join(l.root, name))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// contentOf returns the content of a file.
func contentOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
