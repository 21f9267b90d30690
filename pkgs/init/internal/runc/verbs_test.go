package runc

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/pkgs/init/internal/bundle"
	"github.com/composeos/compose/pkgs/init/internal/process"
)

// noter notes how it is called. Its containers are processes that are not there.
const noter = `#!/bin/sh
shift 4
echo "$1" >> ` + "`dirname $0`" + `/verbs
while [ $# -gt 0 ]; do
	case $1 in --pid-file) echo 1073741824 > $2;; esac
	shift
done
`

// noted is a runtime whose runc is the noter, and the verbs that it was called with.
func noted(t *testing.T) (r *Runtime, verbs func() []string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "runc")
	if err := os.WriteFile(program, []byte(noter), 0o755); err != nil {
		t.Fatal(err)
	}
	reaper := process.NewReaper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { reaper.Serve(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	r = &Runtime{
		Reaper: reaper, Program: program, State: filepath.Join(dir, "state"), Cgroups: dir, Kernel: bundle.System{},
		Give: func(bundle.Interface, int) error { return nil },
	}
	return r, func() []string {
		text, err := os.ReadFile(filepath.Join(dir, "verbs"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(text))
	}
}

// The group of a container with a memory limit is watched before its program runs.
func TestVerbs(t *testing.T) {
	for _, c := range []struct {
		name, linux string
		between     bool
		want        []string
	}{
		{"one step", `{}`, false, []string{"run"}},
		{"other limits", `{"resources":{"memory":{"swap":1},"pids":{"limit":9}}}`, false, []string{"run"}},
		{"no memory limit", `{"resources":{"memory":{"limit":-1}}}`, false, []string{"run"}},
		{"a memory limit", `{"resources":{"memory":{"limit":67108864}}}`, false, []string{"create", "start"}},
		{"an interface", `{}`, true, []string{"create", "start"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, verbs := noted(t)
			b := bundle.Bundle{Path: t.TempDir(), Kind: "services", Name: "noted", Config: []byte(`{"linux":` + c.linux + `}`)}
			if c.between {
				b.Runtime.Interfaces = []bundle.Interface{{Name: "eth0"}}
			}
			box, err := r.Start(t.Context(), b, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if got := verbs(); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			<-box.Done()
			box.Remove(t.Context())
		})
	}
}

// A container whose start comes too late is removed, though the time is over.
func TestTooLate(t *testing.T) {
	r, verbs := noted(t)
	ctx, cancel := context.WithCancel(t.Context())
	r.Give = func(bundle.Interface, int) error { cancel(); return nil }
	b := bundle.Bundle{Path: t.TempDir(), Kind: "services", Name: "noted", Config: []byte(`{}`)}
	b.Runtime.Interfaces = []bundle.Interface{{Name: "eth0"}}
	if _, err := r.Start(ctx, b, io.Discard); err == nil {
		t.Error("it was started")
	}
	if got := verbs(); got[len(got)-1] != "delete" {
		t.Errorf("got %q", got)
	}
}
