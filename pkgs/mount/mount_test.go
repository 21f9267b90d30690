package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/pkgs/internal/disk"
)

// disks are the machine of the tests: two CDs, a disk with two partitions, of which
// the first is blank, and two whole disks, of which one has the label of a CD.
func disks(t *testing.T) disk.Place {
	t.Helper()
	p := disk.Place{Sys: t.TempDir(), Dev: t.TempDir()}
	ext := func(label string) []byte {
		b := make([]byte, 4096)
		copy(b[1024+0x38:], "\x53\xef")
		copy(b[1024+0x78:], label)
		b[1024+0x60], b[1024+0x68] = 0x40, 0xab
		return b
	}
	xfs := make([]byte, 4096)
	copy(xfs, "XFSB")
	copy(xfs[108:], "fast")
	files := map[string][]byte{
		p.Sys + "/sr0/size": []byte("8"), p.Sys + "/sr0/removable": []byte("1"), p.Dev + "/sr0": ext("cd"),
		p.Sys + "/vda/size": []byte("8"), p.Dev + "/vda": make([]byte, 4096),
		p.Sys + "/vda/vda1/size": []byte("8"), p.Sys + "/vda/vda1/partition": []byte("1"), p.Dev + "/vda1": make([]byte, 4096),
		p.Sys + "/vda/vda2/size": []byte("8"), p.Sys + "/vda/vda2/partition": []byte("2"), p.Dev + "/vda2": ext("data"),
		p.Sys + "/vdb/size": []byte("8"), p.Dev + "/vdb": xfs,
		p.Sys + "/sr1/size": []byte("8"), p.Sys + "/sr1/removable": []byte("1"), p.Dev + "/sr1": ext("both"),
		p.Sys + "/vdc/size": []byte("8"), p.Dev + "/vdc": ext("both"),
	}
	for path, b := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("vda2", p.Dev+"/by-name"); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMount(t *testing.T) {
	for _, c := range []struct {
		name string
		m    mounter
		args []string // DEV stands for the devices' folder
		fail error
		want string // the call of mount(2)
		err  string
	}{
		{name: "the first with a file system", want: "DEV/vda2 ext4 0x0"},
		{name: "by label", m: mounter{label: "fast"}, want: "DEV/vdb xfs 0x0"},
		{name: "by the label of a CD", m: mounter{label: "cd", options: "ro"}, want: "DEV/sr0 ext4 0x1"},
		{name: "by UUID, which a CD has too", m: mounter{uuid: "AB000000-0000-0000-0000-000000000000"}, want: "DEV/vda2 ext4 0x0"},
		{name: "by a label, which a CD has too", m: mounter{label: "both"}, want: "DEV/vdc ext4 0x0"},
		{name: "by name", args: []string{"DEV/vdb"}, want: "DEV/vdb xfs 0x0"},
		{name: "by link", args: []string{"DEV/by-name"}, want: "DEV/vda2 ext4 0x0"},
		{name: "options", m: mounter{options: "ro,noatime,discard,commit=5"}, want: "DEV/vda2 ext4 0x401 discard,commit=5"},
		{name: "a type that is not known", m: mounter{fsType: "f2fs"}, args: []string{"DEV/vda1"}, want: "DEV/vda1 f2fs 0x0"},
		{name: "no such label", m: mounter{label: "none"}, err: "no file system with the label none: waited 30s"},
		{name: "no such UUID", m: mounter{uuid: "none"}, err: "no file system with the UUID none: waited 30s"},
		{name: "no file system", args: []string{"DEV/vda1"}, err: "no DEV/vda1 with a file system: waited 30s"},
		{name: "not in the kernel", fail: unix.ENODEV, want: "DEV/vda2 ext4 0x0", err: "DEV/vda2: the kernel has no ext4: load it with the modprobe package before"},
		{name: "refused", fail: unix.EPERM, want: "DEV/vda2 ext4 0x0", err: "as ext4: operation not permitted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := c.m
			m.place, m.timeout = disks(t), 30*time.Second
			target := filepath.Join(t.TempDir(), "var/data")
			var out bytes.Buffer
			m.out = &out
			got := ""
			m.mount = func(source, to, fsType string, flags uintptr, data string) error {
				if to != target {
					t.Errorf("mounted at %s", to)
				}
				got = strings.TrimSpace(fmt.Sprintf("%s %s %#x %s", source, fsType, flags, data))
				return c.fail
			}
			var args []string
			for _, a := range append(c.args, target) {
				args = append(args, strings.Replace(a, "DEV", m.place.Dev, 1))
			}
			if err := m.operands(args); err != nil {
				t.Fatal(err)
			}
			var err error
			synctest.Test(t, func(t *testing.T) { err = m.run(t.Context()) })
			text := func(s string) string { return strings.ReplaceAll(s, m.place.Dev, "DEV") }
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(text(err.Error()), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if d := cmp.Diff(c.want, text(got)); d != "" {
				t.Error(d)
			}
			if info, err := os.Stat(target); c.want != "" && (err != nil || !info.IsDir()) {
				t.Error(err)
			}
			if said := out.Len() > 0; said != (c.err == "") {
				t.Errorf("said %q", out.String())
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"help", []string{"-h"}, 0, "Usage: mount"},
		{"unknown", []string{"-x", "/var/x"}, 2, "Usage: mount"},
		{"no target", nil, 2, "It takes a TARGET"},
		{"three", []string{"a", "b", "c"}, 2, "one DEVICE and one TARGET"},
		{"two devices", []string{"-device", "a", "b", "c"}, 2, "one DEVICE and one TARGET"},
		{"a label and a device", []string{"-label", "a", "b", "c"}, 2, "one of -label, -uuid and a device"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := run(c.args, &out, &errs); code != c.code || !strings.Contains(errs.String(), c.want) {
				t.Errorf("exit %d, %s", code, errs.String())
			}
		})
	}
}
