package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a reader may take. The slowest unpacks the workload, on a
// machine that others use too.
const patience = 5 * time.Minute

// reader is a program that shares no code with compose.
type reader struct {
	dir  string // where it works
	args []string
}

// script is a reader that is a pipeline. Its arguments are $1, $2 and so on.
func script(text string, args ...string) []string {
	return append([]string{"bash", "-c", "set -eo pipefail; " + text, "reader"}, args...)
}

// run runs a reader and returns what it writes to its standard output. Anything
// that it has to complain of is a failure.
func (r reader) run(t *testing.T) string {
	t.Helper()
	stdout, err := r.try(t)
	if err != nil {
		t.Fatal(err)
	}
	return stdout
}

// try runs a reader, and returns what it has to complain of beside what it writes to
// its standard output.
func (r reader) try(t *testing.T) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.args[0], r.args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, &stdout, &stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "TMPDIR=" + r.dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if err != nil || !silent(stderr.String()) {
		err = fmt.Errorf("%q: %v\n%s", r.args, err, &stderr) //nolint:errorlint // it may be nil
	}
	return stdout.String(), err
}

// silent tells whether a reader has nothing to complain of: xorriso says who it is.
func silent(stderr string) bool {
	first, rest, _ := strings.Cut(stderr, "\n\n")
	return stderr == "" || rest == "" && strings.HasPrefix(first, "xorriso ") && strings.HasSuffix(first, " libburnia project.")
}

// unpacked has a reader unpack into a new folder, and returns what is then there.
// what, if it is not nil, is done in the folder before that is read.
func (c *composed) unpacked(t *testing.T, r reader, what func(dir string)) *tree {
	t.Helper()
	var err error
	if r.dir, err = os.MkdirTemp(c.work, "unpacked-"); err != nil { //nolint:usetesting // there may be room in work alone
		t.Fatal(err)
	}
	defer os.RemoveAll(r.dir)
	r.run(t)
	if what != nil {
		what(r.dir)
	}
	got, err := readDisk(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	return withoutRoot(got)
}

// lines are the lines of a listing.
func lines(text string) []string {
	return slices.Collect(strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n"))
}

// listed compares names, in no order, and says how many they were.
func listed(t *testing.T, want, got []string) []fault {
	t.Helper()
	t.Logf("%s: %d names compared", t.Name(), len(got))
	left := map[string]int{}
	for _, p := range want {
		left[p]++
	}
	var faults []fault
	for _, p := range got {
		if left[p]--; left[p] < 0 {
			faults = append(faults, fault{p, "is listed, and nobody expects it"})
		}
	}
	for _, p := range want {
		if left[p] > 0 {
			left[p]--
			faults = append(faults, fault{p, "is not listed"})
		}
	}
	return faults
}

// inOrder finds where two lists part.
func inOrder(what string, want, got []string) []fault {
	for i := range max(len(want), len(got)) {
		var w, g string
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			return []fault{{"", what + " lists " + g + " where " + w + " has to be"}}
		}
	}
	return nil
}
