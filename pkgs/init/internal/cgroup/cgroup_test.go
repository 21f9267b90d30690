package cgroup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/composeos/compose/pkgs/init/internal/cgroup"
)

// write lays a file of a group out as the kernel would.
func write(t *testing.T, root, path, text string) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOutOfMemory(t *testing.T) {
	root := t.TempDir()
	events := "services/web/memory.events"
	write(t, root, events, "low 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n")
	g := cgroup.Watch(root, "/services/web")
	if g.OutOfMemory() {
		t.Error("an earlier kill counts")
	}
	write(t, root, events, "oom_kill 3\n")
	if !g.OutOfMemory() {
		t.Error("a kill does not count")
	}
	write(t, root, events, "oom_kill many\n")
	if g.OutOfMemory() {
		t.Error("nonsense counts")
	}
	if cgroup.Watch(root, "/nowhere").OutOfMemory() {
		t.Error("a group that is not there")
	}
}

func TestLimitedGroupEndsTogether(t *testing.T) {
	for limit, want := range map[string]string{"max\n": "0", "16777216\n": "1"} {
		root := t.TempDir()
		write(t, root, "g/memory.max", limit)
		write(t, root, "g/memory.oom.group", "0")
		cgroup.Watch(root, "g")
		if got, err := os.ReadFile(filepath.Join(root, "g/memory.oom.group")); err != nil || string(got) != want {
			t.Errorf("limit %q: %q %v", limit, got, err)
		}
	}
}

func TestMake(t *testing.T) {
	root := t.TempDir()
	write(t, root, "cgroup.controllers", "cpu memory\n")
	for range 2 {
		if err := cgroup.Make(root, "/a/b"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "a/b")); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(filepath.Join(root, "cgroup.subtree_control")); string(got) != "+memory" {
		t.Errorf("got %q", got)
	}
}
