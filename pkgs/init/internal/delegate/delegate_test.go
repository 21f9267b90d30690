package delegate_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/pkgs/init/internal/delegate"
)

// hierarchy makes files as a control group has them: what is written to them is
// appended, so a test sees the words in order.
func hierarchy(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestGroups(t *testing.T) {
	dir := hierarchy(t, map[string]string{
		"cgroup.controllers": "cpu memory pids\n", "cgroup.subtree_control": "", "init/cgroup.procs": "",
	})
	if err := delegate.Groups(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"init/cgroup.procs":      "0\n", // the kernel's word for who writes it
		"cgroup.subtree_control": "+cpu\n+memory\n+pids\n",
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Where no control groups are mounted, nothing else is tried.
func TestGroupsWithout(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing is mounted": {"cgroup.controllers": "cpu\n", "cgroup.subtree_control": ""},
		"no controllers":     {"init/cgroup.procs": "", "cgroup.subtree_control": ""},
	} {
		dir := hierarchy(t, files)
		if err := delegate.Groups(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", name, err)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); len(got) > 0 {
			t.Errorf("%s: controllers are on: %q", name, got)
		}
	}
}
