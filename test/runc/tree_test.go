package runc

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/test/runc/schema"
)

// TestTree starts bundles of a composed root filesystem: of the tar that the
// environment variable COMPOSE_TREE_TAR names, which is the measuring workload's
// or one like it.
func TestTree(t *testing.T) {
	archive := os.Getenv("COMPOSE_TREE_TAR")
	if archive == "" {
		t.Skip("COMPOSE_TREE_TAR names no tar of a composed system")
	}
	m := findMachine(t)
	all := bundlesOf(t, archive)
	ran := 0
	for _, tc := range []struct {
		bundle, output string // output is part of what it says
		exit           int
		beside         []string // bundles whose files it may share
	}{
		{bundle: "containers/onboot/000-sysctl"},
		// There is no disk in the test's /dev.
		{bundle: "containers/onboot/001-mkfs", output: "/dev/sda1", exit: 1},
		// The workload's image has the program elsewhere: it is missed after all mounts are made.
		{bundle: "containers/onboot/002-dhcpcd", output: "/sbin/dhcpcd", exit: 1},
		{bundle: "containers/onshutdown/000-poweroff", output: "so long"},
		{bundle: "containers/services/git-mirror", output: "not a git repository", exit: 128, beside: []string{"containers/services/git"}},
		{bundle: "containers/services/openssl", output: "Standard commands"},
	} {
		if !slices.Contains(all, tc.bundle) {
			continue
		}
		ran++
		t.Run(tc.bundle, func(t *testing.T) {
			root := t.TempDir()
			extract(t, archive, root, without(all, append(tc.beside, tc.bundle)))
			res := m.run(t, root, tc.bundle)
			out := res.stdout + res.stderr
			t.Logf("ended with %d:\n%s", res.exit, out)
			if res.exit != tc.exit || !strings.Contains(out, tc.output) {
				t.Errorf("want an end with %d and %q in the output", tc.exit, tc.output)
			}
		})
	}
	if ran == 0 {
		t.Errorf("%s has none of the bundles that are known here; it has %v", archive, all)
	}
}

// TestTreeSchema checks config.json and runtime.json of every bundle of the same tar.
func TestTreeSchema(t *testing.T) {
	archive := os.Getenv("COMPOSE_TREE_TAR")
	if archive == "" {
		t.Skip("COMPOSE_TREE_TAR names no tar of a composed system")
	}
	s, err := schema.Compile()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	eachBundleFile(t, archive, func(path string, r io.Reader) {
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		check := s.Config
		if filepath.Base(path) == "runtime.json" {
			check = s.Runtime
		}
		if err := check(data); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		checked++
	})
	if all := bundlesOf(t, archive); checked != 2*len(all) || checked == 0 {
		t.Errorf("%d files of %d bundles were checked", checked, len(all))
	}
}

// bundlesOf lists the bundles of an archive.
func bundlesOf(t *testing.T, archive string) []string {
	t.Helper()
	var all []string
	eachBundleFile(t, archive, func(path string, _ io.Reader) {
		if dir, name := filepath.Split(path); name == "config.json" {
			all = append(all, strings.TrimSuffix(dir, "/"))
		}
	})
	return all
}

// eachBundleFile calls visit with every config.json and runtime.json of an archive.
func eachBundleFile(t *testing.T, archive string, visit func(path string, r io.Reader)) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(h.Name)
		inBundle := strings.HasPrefix(h.Name, "containers/") && !strings.HasPrefix(h.Name, "containers/volumes/") && strings.Count(h.Name, "/") == 3
		if inBundle && (name == "config.json" || name == "runtime.json") {
			visit(h.Name, r)
		}
	}
}

func without(all, kept []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(kept, s) })
}

// extract unpacks an archive with the machine's tar, but for the folders left
// out and the kernel with its modules.
func extract(t *testing.T, archive, root string, leftOut []string) {
	t.Helper()
	args := []string{"-C", root, "--numeric-owner", "--anchored", "--no-wildcards", "--exclude=boot", "--exclude=lib/modules"}
	for _, dir := range leftOut {
		args = append(args, "--exclude="+dir)
	}
	out, err := exec.Command("tar", append(args, "-xpf", archive)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("tar: %v\n%s", err, out)
	}
}
