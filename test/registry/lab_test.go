// Package registry runs compose as its users do against real registries, with
// signatures that the real cosign made or has to accept.
//
// The registries are go-containerregistry's, which lists referrers, and Debian's
// docker-registry, which does not: there signatures are found by the tag that stands
// in for the list. What happens on the way to one, a [front] makes happen: cuts,
// lies, errors, other bytes. All listen on 127.0.0.1 only.
//
// "make registries" runs these tests. Two kinds of it need more than Go:
//
//   - those whose names begin with TestCosign need cosign, which "make cosign" builds
//     into build/cosign in some minutes. Without it they are left out, also in CI:
//     "make full" has it built first, and runs them;
//   - those in a namespace without a network need root, and strace to show that no
//     socket was opened; others docker-registry. Without, they are left out, which is
//     a failure where CI=true.
//
// No proxy, no settings and no credentials of the user's take part; cosign has no
// network but the loopback.
package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// missing leaves the test out, but where everything must have been installed.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// need leaves the test out where a program is missing.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(t, "%s is not installed", program)
	}
}

// lab is somebody's home, in which compose is run.
type lab struct {
	dir   string // manifests, locks and what is built
	store string // the cache, in dir
	env   []string
	flags []string // of commands on manifests
}

// program is compose.
func program(t *testing.T) string {
	t.Helper()
	if os.Getenv("COMPOSE_REGISTRIES") == "" {
		t.Skip("make registries runs these")
	}
	name := os.Getenv("COMPOSE_PROGRAM")
	if name == "" {
		name = filepath.Join("..", "..", "bin", "compose")
	}
	name, err := filepath.Abs(name)
	if err == nil {
		_, err = os.Stat(name)
	}
	if err != nil {
		t.Fatalf("make registries builds it: %v", err)
	}
	return name
}

// newLab returns a home in which there is nothing yet.
func newLab(t *testing.T) *lab {
	t.Helper()
	program(t)
	dir := t.TempDir()
	return &lab{dir: dir, store: "cache", flags: []string{"-arch", "amd64", "-progress", "none"}, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C",
		"DOCKER_CONFIG=" + filepath.Join(dir, ".docker"), "COMPOSE_PASSWORD=" + passphrase,
	}}
}

// passphrase is what private keys are encrypted with.
const passphrase = "correct horse battery staple"

// caching returns the same home with another cache.
func (l *lab) caching(name string) *lab {
	other := *l
	other.store = name
	return &other
}

// path is the path of a file in the home.
func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

// cache is the path of a folder of the cache.
func (l *lab) cache(folder string) string { return filepath.Join(l.path(l.store), "v1", folder) }

// write writes a file in the home.
func (l *lab) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(l.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// read reads a file in the home.
func (l *lab) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(l.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// there tells whether there is such a file in the home.
func (l *lab) there(name string) bool {
	_, err := os.Stat(l.path(name))
	return !errors.Is(err, fs.ErrNotExist)
}

// ran is what came of a command.
type ran struct {
	line          []string
	code          int
	printed, said string // on standard output, on standard error
}

func (r *ran) String() string {
	return fmt.Sprintf("%q exits with %d\n%s%s", r.line, r.code, r.printed, r.said)
}

// patience is how long a command may take.
const patience = 2 * time.Minute

// command is compose with these words, in the home.
func (l *lab) command(ctx context.Context, t *testing.T, words ...string) *exec.Cmd {
	t.Helper()
	if slices.Contains([]string{"build", "lock"}, words[0]) {
		words = slices.Concat(words[:1], l.flags, words[1:])
	}
	cmd := exec.CommandContext(ctx, program(t), words...)
	cmd.Dir, cmd.Env = l.dir, append(slices.Clone(l.env), "COMPOSE_CACHE="+l.path(l.store))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// try runs compose, however that ends.
func (l *lab) try(t *testing.T, words ...string) *ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return finish(t, l.command(ctx, t, words...))
}

// finish runs a command to its end.
func finish(t *testing.T, cmd *exec.Cmd) *ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := &ran{cmd.Args, cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || r.code < 0 {
		t.Fatalf("%v\n%v", err, r)
	}
	return r
}

// does runs compose, which has to do it.
func (l *lab) does(t *testing.T, words ...string) *ran {
	t.Helper()
	r := l.try(t, words...)
	if r.code != 0 {
		t.Fatal(r)
	}
	return r
}

// refuses runs compose, which has to refuse, in words in which all of these are.
func (l *lab) refuses(t *testing.T, reasons []string, words ...string) *ran {
	t.Helper()
	r := l.try(t, words...)
	if r.code != 1 {
		t.Errorf("want a refusal: %v", r)
	}
	for _, reason := range reasons {
		if !strings.Contains(r.said, reason) {
			t.Errorf("%q is not among its reasons: %v", reason, r)
		}
	}
	if r.printed != "" {
		t.Errorf("it prints nonetheless: %v", r)
	}
	return r
}

// files are the names of the files below a folder, sorted; none where it is not there.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // or gone while others are at work in it
		}
		if err == nil && !d.IsDir() {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
