package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bigImage makes a layout with a layer of some hundred megabytes, in a few
// hundred kilobytes: one gzip member, many times.
func bigImage(t *testing.T, dir string) {
	t.Helper()
	const piece, pieces = 1 << 20, 400
	var header bytes.Buffer
	w := tar.NewWriter(&header)
	if err := w.WriteHeader(&tar.Header{Name: "big", Typeflag: tar.TypeReg, Mode: 0o644, Size: piece * pieces}); err != nil {
		t.Fatal(err)
	}
	content, end := bytes.Repeat([]byte("x"), piece), make([]byte, 1024)
	h := sha256.New()
	h.Write(header.Bytes())
	for range pieces {
		h.Write(content)
	}
	h.Write(end)
	packed := append(compressed(t, header.Bytes()), bytes.Repeat(compressed(t, content), pieces)...)
	packed = append(packed, compressed(t, end)...)
	smallImage{
		packed: func([]byte) []byte { return packed },
		config: func(d doc) { d["rootfs"].(doc)["diff_ids"] = []any{fmt.Sprintf("sha256:%x", h.Sum(nil))} },
	}.write(t, dir)
}

// TestInterrupt ends builds in the middle of unpacking and of writing: at once,
// with exit code 130, and nothing is left, also not in the cache's workshop.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	bigImage(t, filepath.Join(dir, "images"))
	writeFile(t, dir, "m.yml", "init: [\"oci:images:app\"]\n")
	writeFile(t, dir, "out/m.tar", "the one before\n")
	for _, stage := range []string{"unpack", "write"} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(stage+" "+sig.String(), func(t *testing.T) {
				before := listingWithout(t, dir, "cache")
				cmd := startCompose(t, dir, "build", "-format", "tar", "-progress", "json", "-accept-unsigned", "*", "-dir", "out", "m.yml")
				stderr, err := cmd.StderrPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				rest := awaitStart(t, stderr, stage)
				sent := time.Now()
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				said, _ := io.ReadAll(rest)
				_ = cmd.Wait()
				if code, took := cmd.ProcessState.ExitCode(), time.Since(sent); code != exitInterrupted || took > grace {
					t.Errorf("exit code %d after %s, want 130 at once", code, took)
				}
				if !strings.Contains(string(said), `"text":"interrupted"`) {
					t.Errorf("it did not say that it was interrupted:\n%s", said)
				}
				if diff := cmp.Diff(before, listingWithout(t, dir, "cache")); diff != "" {
					t.Errorf("files changed (-before +after):\n%s", diff)
				}
				if left, _ := filepath.Glob(filepath.Join(dir, "cache", "v1", "tmp", "*")); len(left) > 0 {
					t.Errorf("left in the cache: %v", left)
				}
			})
		}
	}
}

// startCompose prepares a run of this program in dir.
func startCompose(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asCompose+"=1", "COMPOSE_CACHE="+filepath.Join(dir, "cache"))
	return cmd
}

// awaitStart reads events until a task of that stage begins, and returns what
// follows.
func awaitStart(t *testing.T, r io.Reader, stage string) io.Reader {
	t.Helper()
	b := bufio.NewReader(r)
	for {
		text, err := b.ReadBytes('\n')
		if err != nil {
			t.Fatalf("%s did not begin: %v", stage, err)
		}
		var e event
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if e.Event == "start" && e.Stage == stage {
			return b
		}
	}
}

// TestInterruptWhileNobodyReads ends a build that cannot go on, because its
// pipe is full.
func TestInterruptWhileNobodyReads(t *testing.T) {
	dir := t.TempDir()
	smallImage{entries: []*tar.Header{{Name: "big", Typeflag: tar.TypeReg, Mode: 0o644, Size: 4 << 20}}}.write(t, filepath.Join(dir, "images"))
	writeFile(t, dir, "m.yml", "init: [\"oci:images:app\"]\n")
	cmd := startCompose(t, dir, "build", "-format", "tar", "-progress", "none", "-accept-unsigned", "*", "-o", "-", "m.yml")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // for the pipe to fill
	sent := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	state, err := cmd.Process.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(sent); state.ExitCode() != exitInterrupted || took > 2*grace {
		t.Errorf("exit code %d after %s", state.ExitCode(), took)
	}
}

// TestHelpForms runs help of every command, in both forms.
func TestHelpForms(t *testing.T) {
	dir := t.TempDir()
	for _, c := range allCommands() {
		words := strings.Fields(c.name)
		_, want, _ := runCompose(t, dir, append([]string{"help"}, words...)...)
		code, got, stderr := runCompose(t, dir, append(words, "-h")...)
		if code != exitDone || stderr != "" || got != want || got == "" {
			t.Errorf("%s -h: exit code %d, standard error %q, and the text is not that of help", c.name, code, stderr)
		}
	}
}
