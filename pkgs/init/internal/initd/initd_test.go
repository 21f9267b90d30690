package initd_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/pkgs/init/internal/initd"
)

func TestScripts(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	self := filepath.Join(t.TempDir(), "init")
	errs := []error{
		os.WriteFile(self, nil, 0o755), os.Mkdir(in("050-folder"), 0o755),
		os.Symlink(self, in("003-ours")), os.Symlink("nowhere", in("004-broken")),
		os.Symlink("030-late", in("040-link")), os.WriteFile(in("060-no-program"), nil, 0o644),
	}
	for _, name := range []string{"001-early", "005-volumes", "009-early", "010-onboot", "020-containerd", "030-late", "011-late"} {
		errs = append(errs, os.WriteFile(in(name), []byte("#!/bin/sh\n"), 0o755))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	before, after, err := initd.Scripts(dir, self)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{in("001-early"), in("009-early")}, before); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{in("011-late"), in("030-late"), in("040-link")}, after); diff != "" {
		t.Error(diff)
	}
	if files, err := initd.Programs(dir, self); err != nil || len(files) != 8 {
		t.Errorf("all programs: %v, %v", files, err)
	}
	if before, after, err := initd.Scripts(in("nowhere"), self); before != nil || after != nil || err != nil {
		t.Errorf("of no folder: %v, %v, %v", before, after, err)
	}
}
