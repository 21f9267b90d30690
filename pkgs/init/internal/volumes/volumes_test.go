package volumes_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/pkgs/init/internal/mounts"
	"github.com/composeos/compose/pkgs/init/internal/volumes"
)

// layout makes the folders of volumes.
func layout(t *testing.T, dirs ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range dirs {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestPlan(t *testing.T) {
	root := layout(t, "b/lower", "b/merged", "b/tmp", "a:,x/lower", "a:,x/merged", "a:,x/tmp", "c/lower", "c/merged")
	if err := os.WriteFile(filepath.Join(root, "README"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	all, err := volumes.Plan(root)
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(root, name) }
	want := []volumes.Volume{
		{Name: "a:,x", Lower: in("a:,x/lower"), Upper: in("a:,x/tmp/upper"), Work: in("a:,x/tmp/work"), Mounts: []mounts.Mount{
			{Source: "tmpfs", Target: in("a:,x/tmp"), Type: "tmpfs", Data: "mode=0700"},
			{Source: "overlay", Target: in("a:,x/merged"), Type: "overlay", Data: strings.ReplaceAll(
				"lowerdir="+in("AX/lower")+",upperdir="+in("AX/tmp/upper")+",workdir="+in("AX/tmp/work"), "AX", `a\:\,x`)},
		}},
		{Name: "b", Lower: in("b/lower"), Upper: in("b/tmp/upper"), Work: in("b/tmp/work"), Mounts: []mounts.Mount{
			{Source: "tmpfs", Target: in("b/tmp"), Type: "tmpfs", Data: "mode=0700"},
			{
				Source: "overlay", Target: in("b/merged"), Type: "overlay",
				Data: "lowerdir=" + in("b/lower") + ",upperdir=" + in("b/tmp/upper") + ",workdir=" + in("b/tmp/work"),
			},
		}},
		{Name: "c", Lower: in("c/lower"), Mounts: []mounts.Mount{
			{Source: in("c/lower"), Target: in("c/merged"), Flags: unix.MS_BIND},
			{Target: in("c/merged"), Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY},
		}},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
	if all, err := volumes.Plan(filepath.Join(root, "nowhere")); all != nil || err != nil {
		t.Errorf("of no volumes: %v, %v", all, err)
	}
}

// The folder that is written to is there before the overlay, and looks as the one
// below it.
func TestMount(t *testing.T) {
	root := layout(t, "bad/lower", "bad/merged", "bad/tmp", "data/lower", "data/merged", "data/tmp")
	if err := os.Chmod(filepath.Join(root, "data/lower"), 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	var done []string
	err := volumes.Mount(root, func(m mounts.Mount) error {
		if strings.HasPrefix(m.Target, filepath.Join(root, "bad")) {
			return unix.ENOMEM
		}
		done = append(done, m.Type)
		if m.Type != "overlay" {
			return nil
		}
		info, err := os.Stat(filepath.Join(root, "data/tmp/upper"))
		if err != nil {
			return err
		}
		if info.Mode() != os.ModeDir|os.ModeSticky|0o777 {
			t.Errorf("upper is %s", info.Mode())
		}
		_, err = os.Stat(filepath.Join(root, "data/tmp/work"))
		return err
	})
	if diff := cmp.Diff([]string{"tmpfs", "overlay"}, done); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(err, unix.ENOMEM) || !strings.HasPrefix(err.Error(), "volume bad: mount ") {
		t.Errorf("got %v, want that of bad alone", err)
	}
}
