package mounts_test

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/pkgs/init/internal/mounts"
)

// find returns what the plan has at a path.
func find(t *testing.T, target string) mounts.Mount {
	t.Helper()
	for _, m := range mounts.Plan() {
		if m.Target == target {
			return m
		}
	}
	t.Fatalf("the plan has nothing at %s", target)
	return mounts.Mount{}
}

func TestPlan(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range mounts.Plan() {
		if m.Source == "" || m.Type == "" || !path.IsAbs(m.Target) || path.Clean(m.Target) != m.Target {
			t.Errorf("%+v: it is no mount", m)
		}
		if seen[m.Target] {
			t.Errorf("%s: twice", m.Target)
		}
		seen[m.Target] = true
		for above := path.Dir(m.Target); above != "/"; above = path.Dir(above) {
			later := false
			for _, other := range mounts.Plan() {
				later = later || other.Target == above && !seen[above]
			}
			if later {
				t.Errorf("%s: %s is mounted over it later", m.Target, above)
			}
		}
		if m.Flags&unix.MS_NOSUID == 0 {
			t.Errorf("%s: set-user-ID files count there", m.Target)
		}
		if m.Flags&unix.MS_NODEV == 0 && !strings.HasPrefix(m.Target, "/dev") {
			t.Errorf("%s: devices count there", m.Target)
		}
	}
	for _, must := range []string{"/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/run", "/tmp", "/sys/fs/cgroup"} {
		if find(t, must).Optional {
			t.Errorf("%s: a system is nothing without", must)
		}
	}
	if m := find(t, "/sys/fs/cgroup"); m.Type != "cgroup2" || m.Data != "nsdelegate" {
		t.Errorf("control groups are %+v", m)
	}
	if m := find(t, "/tmp"); m.Data != "mode=1777" {
		t.Errorf("/tmp is for nobody: %+v", m)
	}
}

func TestDo(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	plan := []mounts.Mount{
		{Target: in("a")},
		{Target: in("there already")},
		{Target: in("broken")},
		{Target: in("optional"), Optional: true},
		{Target: in("broken/below")},
	}
	var done []string
	err := mounts.Do(plan, func(m mounts.Mount) error {
		if _, err := os.Stat(m.Target); err != nil {
			t.Errorf("no folder: %v", err)
		}
		done = append(done, filepath.Base(m.Target))
		switch filepath.Base(m.Target) {
		case "there already":
			return unix.EBUSY
		case "broken", "optional":
			return unix.ENODEV
		}
		return nil
	})
	if diff := cmp.Diff([]string{"a", "there already", "broken", "optional", "below"}, done); diff != "" {
		t.Error(diff)
	}
	if want := "mount " + in("broken") + ": no such device"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestMake(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time all is there
		if err := mounts.Make(dir, mounts.Links()); err != nil {
			t.Fatal(err)
		}
	}
	if target, err := os.Readlink(filepath.Join(dir, "dev/stdin")); target != "/proc/self/fd/0" || err != nil {
		t.Errorf("stdin is %q, %v", target, err)
	}
	if err := mounts.Make(filepath.Join(dir, "nowhere"), mounts.Links()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want os.ErrNotExist", err)
	}
}
