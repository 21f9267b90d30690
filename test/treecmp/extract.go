package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// nobody is a user and a group without rights.
const nobody = 65534

// extractAll has GNU tar extract the archive as root, and without its devices as
// nobody, and returns what is then not as in the archive.
func extractAll(archive, work string, got *tree) ([]fault, error) {
	faults, err := extract(archive, filepath.Join(work, "as-root"), got, nil)
	if err != nil {
		return nil, err
	}
	want := newTree()
	var devices []string
	for p, r := range got.entries {
		if r.kind == "char" || r.kind == "block" {
			devices = append(devices, p)
			continue
		}
		c := *r
		c.uid, c.gid, c.xattrs = nobody, nobody, nil
		want.entries[p] = &c
	}
	more, err := extract(archive, filepath.Join(work, "as-nobody"), want, &devices)
	return append(faults, more...), err
}

// extract compares what GNU tar makes of the archive with a tree. With exclude it
// does so as nobody.
func extract(archive, dir string, want *tree, exclude *[]string) ([]fault, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	who := "as root"
	in, err := os.Open(archive) // nobody may not be able to
	if err != nil {
		return nil, err
	}
	defer in.Close()
	cmd := exec.Command("tar", "-xpf", "-", "--xattrs", "--xattrs-include=*")
	if exclude != nil {
		who = "as nobody"
		list := dir + ".exclude"
		if err := os.WriteFile(list, []byte(strings.Join(*exclude, "\n")+"\n"), 0o644); err != nil {
			return nil, err
		}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			return nil, err
		}
		cmd = exec.Command("tar", "-xpf", "-", "--anchored", "--no-wildcards", "--exclude-from", list)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	cmd.Dir, cmd.Stdin = dir, in
	out, err := cmd.CombinedOutput()
	var faults []fault
	if err != nil || len(out) > 0 {
		faults = append(faults, fault{"", fmt.Sprintf("GNU tar %s says: %.2000s (%v)", who, out, err)})
	}
	there, err := readDisk(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range compare(withoutRoot(want), withoutRoot(there)) {
		faults = append(faults, fault{f.path, "extracted " + who + ": " + f.what})
	}
	return faults, nil
}

// withoutRoot leaves out the directory itself, which the archive does not name.
func withoutRoot(t *tree) *tree {
	c := &tree{maps.Clone(t.entries)}
	delete(c.entries, "")
	return c
}
