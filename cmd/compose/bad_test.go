package main

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/bad.txt anew")

// badCase is an input that compose has to refuse.
type badCase struct {
	name  string
	spoil func(t *testing.T, dir string) // makes the input bad
	args  string                         // "" is the build of m.yml
}

// goodManifest is the manifest of the build that stands before each case.
const goodManifest = `init:
  - oci:images:app
services:
  - name: app
    image: test/app:v1
files:
  - path: etc/data
    source: data
`

// TestBadInput runs the whole program on bad inputs. Of each it wants the exact
// words (testdata/bad.txt; digests do not count), exit code 1, and everything
// as it was: the old output, the old lock, and nothing beside them.
func TestBadInput(t *testing.T) {
	good := goodBuild(t)
	want := readGolden(t)
	got := map[string]string{}
	for _, c := range slices.Concat(badManifests(), badLocks(), badLayouts(), badLayers(), badCaches()) {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "w")
			if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, dir)
			before := listingWithout(t, dir, "cache")
			code, stdout, stderr := runCompose(t, dir, strings.Fields(firstOf(c.args, "build -offline -progress none -accept-unsigned * m.yml"))...)
			if code != exitFailed || stdout != "" {
				t.Errorf("exit code %d, standard output %q; want 1 and nothing", code, stdout)
			}
			if diff := cmp.Diff(before, listingWithout(t, dir, "cache")); diff != "" {
				t.Errorf("files changed (-before +after):\n%s", diff)
			}
			got[c.name] = stableWords(stderr, dir)
			if diff := cmp.Diff(want[c.name], got[c.name]); diff != "" && !*update {
				t.Errorf("words (-want +got):\n%s", diff)
			}
		})
	}
	if len(got) < 40 {
		t.Errorf("%d cases, want at least 40", len(got))
	}
	if *update {
		writeGolden(t, got)
	}
}

// goodBuild returns a folder with a layout, a manifest, its lock, its output and
// a cache that has the image by name too.
func goodBuild(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	smallImage{}.write(t, filepath.Join(dir, "images"))
	writeFile(t, dir, "m.yml", goodManifest)
	writeFile(t, dir, "data", "some data\n")
	for _, args := range []string{"cache import -progress none images", "build -offline -progress none -accept-unsigned * m.yml"} {
		if code, _, stderr := runCompose(t, dir, strings.Fields(args)...); code != exitDone {
			t.Fatalf("%s: exit code %d:\n%s", args, code, stderr)
		}
	}
	return dir
}

// runCompose runs this program in dir, for linux/amd64, with the cache in dir/cache.
func runCompose(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if args[0] == "build" {
		args = append(args, "-arch", "amd64")
		if !slices.Contains(args, "-format") {
			args = append(args, "-format", "tar")
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asCompose+"=1", "COMPOSE_CACHE="+filepath.Join(dir, "cache"), "SOURCE_DATE_EPOCH=", "COMPOSE_CACHE_SIZE=")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// listingWithout is the listing of dir without one folder in it.
func listingWithout(t *testing.T, dir, folder string) string {
	t.Helper()
	text, err := listing(dir)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, filepath.Join(dir, folder)) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// stableWords replaces what differs from run to run and machine to machine.
func stableWords(stderr, dir string) string {
	stderr = strings.ReplaceAll(stderr, dir, "$WORK")
	return regexp.MustCompile(`\b[0-9a-f]{64}\b`).ReplaceAllString(stderr, "HEX")
}

func writeFile(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const goldenFile = "testdata/bad.txt"

// readGolden reads the words of all cases: below a line "== NAME".
func readGolden(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(goldenFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, part := range strings.Split("\n"+string(data), "\n== ")[1:] {
		name, words, _ := strings.Cut(part, "\n")
		all[name] = strings.TrimSuffix(words, "\n") + "\n"
	}
	return all
}

func writeGolden(t *testing.T, all map[string]string) {
	t.Helper()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.WriteString("== " + name + "\n" + all[name])
	}
	if err := os.WriteFile(goldenFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
