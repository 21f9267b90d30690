package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/pkgs/internal/disk"
)

const size = 4 << 20

// What lies on disks.
var (
	blankDisk = make([]byte, size)
	labelled  = ext("data")
	other     = ext("other")
	table     = with(510, "\x55\xaa")
	tail      = with(size-512, "EFI PART")
)

func with(at int, text string) []byte {
	b := make([]byte, size)
	copy(b[at:], text)
	return b
}

// ext is a superblock and nothing else.
func ext(label string) []byte {
	b := with(1024+0x38, "\x53\xef")
	copy(b[1024+0x78:], label)
	b[1024+0x60] = 0x40
	return b
}

// addDisk adds one to the machine; attributes are files below /sys/block/NAME.
func addDisk(t *testing.T, p disk.Place, name string, content []byte, attributes map[string]string) {
	t.Helper()
	files := map[string][]byte{
		filepath.Join(p.Dev, name):         content,
		filepath.Join(p.Sys, name, "size"): []byte(strconv.Itoa(len(content) / 512)),
	}
	for attribute, value := range attributes {
		files[filepath.Join(p.Sys, name, attribute)] = []byte(value)
	}
	for path, b := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFormat(t *testing.T) {
	type disks map[string][]byte
	for _, c := range []struct {
		name       string
		disks      disks
		attributes map[string]string // of vda
		device     string
		force      bool
		made       string // the disk that was written on
		out, err   string
	}{
		{name: "the first that is blank", disks: disks{"vda": table, "vdb": tail, "vdc": blankDisk, "vdd": blankDisk}, made: "vdc", out: "format: DEV/vdc is now ext4, label data\n"},
		{name: "done already", disks: disks{"vda": blankDisk, "vdb": labelled}, out: "format: DEV/vdb has the label data already\n"},
		{name: "done already, on the one that is named", disks: disks{"vda": labelled}, device: "vda", out: "format: DEV/vda has the label data already\n"},
		{name: "the label is on another than the one that is named", disks: disks{"vda": labelled, "vdb": blankDisk}, device: "vdb", made: "vdb", out: "format: DEV/vdb is now ext4, label data\n"},
		{name: "nothing is blank", disks: disks{"vda": table, "vdb": other}, err: `no blank disk, nor one with the label data; there is DEV/vda, DEV/vdb (ext4, label "other"): waited 30s`},
		{name: "no disk", err: "no blank disk, nor one with the label data; there is none at all: waited 30s"},
		{name: "removable", disks: disks{"vda": blankDisk}, attributes: map[string]string{"removable": "1"}, err: "there is DEV/vda (removable)"},
		{name: "removable but named", disks: disks{"vda": blankDisk}, attributes: map[string]string{"removable": "1"}, device: "vda", made: "vda", out: "format: DEV/vda is now ext4, label data\n"},
		{name: "a removable one has the label", disks: disks{"vda": labelled, "vdb": blankDisk}, attributes: map[string]string{"removable": "1"}, made: "vdb", out: "format: DEV/vdb is now ext4, label data\n"},
		{name: "a removable one that is named has the label", disks: disks{"vda": labelled, "vdb": blankDisk}, attributes: map[string]string{"removable": "1"}, device: "vda", out: "format: DEV/vda has the label data already\n"},
		{name: "read-only", disks: disks{"vda": blankDisk}, attributes: map[string]string{"ro": "1"}, err: "no blank disk"},
		{name: "with partitions that are blank", disks: disks{"vda": blankDisk}, attributes: map[string]string{"vda1/partition": "1", "vda1/size": "8"}, err: "no blank disk"},
		{name: "part of a volume", disks: disks{"vda": blankDisk}, attributes: map[string]string{"holders/dm-0": ""}, err: "no blank disk"},
		{name: "named, with something on it", disks: disks{"vda": other}, device: "vda", err: "DEV/vda has something on it: -force destroys it"},
		{name: "forced", disks: disks{"vda": other}, device: "vda", force: true, made: "vda", out: "format: DEV/vda is now ext4, label data\n"},
		{name: "forced, though it has the label", disks: disks{"vda": labelled}, device: "vda", force: true, made: "vda", out: "format: DEV/vda is now ext4, label data\n"},
		{name: "named and not there", disks: disks{"vda": blankDisk}, device: "vdz", err: "no DEV/vdz; there is DEV/vda: waited 30s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			place := disk.Place{Sys: t.TempDir(), Dev: t.TempDir()}
			for name, content := range c.disks {
				attributes := c.attributes
				if name != "vda" {
					attributes = nil
				}
				addDisk(t, place, name, content, attributes)
			}
			var out bytes.Buffer
			made := ""
			f := formatter{label: "data", fsType: "ext4", timeout: 30 * time.Second, force: c.force, place: place, out: &out}
			if c.device != "" {
				f.device = filepath.Join(place.Dev, c.device)
			}
			f.make = func(_ context.Context, device, fsType, label string) error {
				made = filepath.Base(device)
				return os.WriteFile(device, ext(label), 0o644)
			}
			var err error
			synctest.Test(t, func(t *testing.T) { err = f.run(t.Context()) })
			text := func(s string) string { return strings.ReplaceAll(s, place.Dev, "DEV") }
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(text(err.Error()), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if made != c.made {
				t.Errorf("made on %q, want %q", made, c.made)
			}
			if d := cmp.Diff(c.out, text(out.String())); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestLate has the disk with the label come after a blank one.
func TestLate(t *testing.T) {
	place := disk.Place{Sys: t.TempDir(), Dev: t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := formatter{label: "data", fsType: "ext4", timeout: time.Minute, place: place, out: &out}
		f.make = func(context.Context, string, string, string) error { return errors.New("written on") }
		go func() {
			time.Sleep(1010 * time.Millisecond)
			addDisk(t, place, "vda", blankDisk, nil)
			time.Sleep(800 * time.Millisecond)
			addDisk(t, place, "vdb", labelled, nil)
		}()
		if err := f.run(t.Context()); err != nil || !strings.Contains(out.String(), "vdb has the label data already") {
			t.Errorf("%v, %s", err, out.String())
		}
	})
}

// TestUnmade holds that what mke2fs has done is looked at.
func TestUnmade(t *testing.T) {
	place := disk.Place{Sys: t.TempDir(), Dev: t.TempDir()}
	addDisk(t, place, "vda", blankDisk, nil)
	f := formatter{label: "data", fsType: "ext4", timeout: time.Minute, place: place, out: new(bytes.Buffer)}
	for _, c := range []struct {
		name string
		make error
		want string
	}{{"it fails", errors.New("no space"), "vda: no space"}, {"it does nothing", nil, `there is no ext4 with the label "data" on it afterwards`}} {
		t.Run(c.name, func(t *testing.T) {
			f.make = func(context.Context, string, string, string) error { return c.make }
			synctest.Test(t, func(t *testing.T) {
				if err := f.run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
			})
		})
	}
}

// TestMkfs makes a real one.
func TestMkfs(t *testing.T) {
	if _, err := exec.LookPath("/usr/sbin/mke2fs"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("mke2fs is not installed")
	}
	image := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(image, make([]byte, 16<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := mkfs(t.Context(), image, "ext4", "data"); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if fs, err := disk.Probe(f); err != nil || fs.Type != "ext4" || fs.Label != "data" {
		t.Errorf("%+v %v", fs, err)
	}
	if err := mkfs(t.Context(), filepath.Join(t.TempDir(), "none"), "ext4", "data"); err == nil {
		t.Error("no error without a disk")
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"help", []string{"-h"}, 0, "Usage: format"},
		{"unknown", []string{"-x"}, 2, "Usage: format"},
		{"two disks", []string{"/dev/vda", "/dev/vdb"}, 2, "one DEVICE at most"},
		{"force without a disk", []string{"-force"}, 2, "-force needs a DEVICE"},
		{"no label", []string{"-label", ""}, 2, "it takes 1 to 16 bytes"},
		{"a long label", []string{"-label", "0123456789abcdefg"}, 2, "it takes 1 to 16 bytes"},
		{"another type", []string{"-type", "xfs"}, 2, "it is ext4, ext3 or ext2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if code := run(c.args, &out, &errs); code != c.code || !strings.Contains(errs.String(), c.want) {
				t.Errorf("exit %d, %s", code, errs.String())
			}
		})
	}
}
