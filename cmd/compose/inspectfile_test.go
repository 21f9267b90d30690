package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
	"github.com/composeos/compose/spec"
)

// testImage is a file with all that a file can have.
func testImage() *contents.Image {
	return &contents.Image{
		Format: contents.OCI, Size: 9000, Digest: rootfs.Digest{9}, Cmdline: "quiet \x1b[2J",
		Parts:     []contents.Part{{Name: "index.json", Kind: "JSON", Offset: 512, Size: 100, Digest: rootfs.Digest{1}}, {Name: "blobs", Kind: "gzip", Size: 50, Members: 1, Plain: 1024, Entries: 2}},
		Kernel:    &contents.Kernel{Kind: "bzImage", Version: "6.1\xff"},
		Initramfs: &contents.Initramfs{Complete: true, Memory: 1 << 20, Xattrs: 1},
		Containers: []contents.Container{{
			Tags: []string{"a:1", "a:2"}, Config: rootfs.Digest{2}, Digest: rootfs.Digest{3}, Platform: "linux/amd64", Created: "2020-09-13T12:26:40Z",
			Entrypoint: []string{"/init"}, Cmd: []string{"a", "b"}, Labels: map[string]string{"x": "1", "a": "2"}, Layers: []int{0, 1},
		}},
		Layers: []contents.Layer{
			{Kind: "tar", CreatedBy: "RUN a\n", Digest: rootfs.Digest{4}, DiffID: rootfs.Digest{4}, Size: 1024, Plain: 1024, Entries: 1},
			{Kind: "gzip", MediaType: "t", CreatedBy: strings.Repeat("x", 61), Digest: rootfs.Digest{5}, DiffID: rootfs.Digest{6}, Size: 50, Plain: 1024, Entries: 1},
		},
		Entries: []*rootfs.Entry{
			{Type: rootfs.Dir, Mode: 0o755, Origin: "layer 0"},
			{Path: "a\xff", Type: rootfs.File, Mode: 0o644, Size: 7, Origin: "layer 1", Xattrs: []rootfs.Xattr{{Name: "user.\xff", Value: "\x00"}}},
			{Path: "b", Type: rootfs.File, Mode: 0o644, Size: 7, First: "a\xff", Origin: "layer 1"},
			{Path: "c", Type: rootfs.HardLink, Link: "below", Origin: "layer 1"},
		},
	}
}

const shownPaths = `
drwxr-xr-x    0:0           0 1970-01-01T00:00:00Z .  [layer 0]
-rw-r--r--    0:0           7 1970-01-01T00:00:00Z "a\xff"  [layer 1]
-rw-r--r--    0:0           7 1970-01-01T00:00:00Z b = "a\xff"  [layer 1]
----------    0:0           0 1970-01-01T00:00:00Z c = below  [layer 1]
`

const shownSummary = `format        oci
size          9000 bytes
digest        sha256:0900000000000000000000000000000000000000000000000000000000000000
kernel        "bzImage 6.1\xff"
command line  "quiet \x1b[2J"
initramfs     complete; to boot it a machine needs about 2 MB of memory; 1 path with extended attributes
paths         4, with 7 bytes of files
note          paths are listed layer by layer: one that a higher layer replaces or hides is listed too

image         a:1, a:2
platform      linux/amd64
created       2020-09-13T12:26:40Z
manifest      sha256:0300000000000000000000000000000000000000000000000000000000000000
config        sha256:0200000000000000000000000000000000000000000000000000000000000000
entrypoint    /init
command       a b
label         a=2
label         x=1
layers        2

  layer  bytes  uncompressed  paths  stored  created by
      0   1024          1024      1     tar  "RUN a\n"
      1     50          1024      1    gzip  ` + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" + `

  layer  digest, and diffID if it is another
      0  sha256:0400000000000000000000000000000000000000000000000000000000000000
      1  sha256:0500000000000000000000000000000000000000000000000000000000000000  sha256:0600000000000000000000000000000000000000000000000000000000000000
`

const shownParts = `
  offset  bytes  uncompressed  paths  part
     512    100                    0  index.json: JSON
       0     50          1024      2  blobs: gzip, 1 member

  offset  digest
     512  sha256:0100000000000000000000000000000000000000000000000000000000000000
       0  sha256:0000000000000000000000000000000000000000000000000000000000000000
`

func TestShowImage(t *testing.T) {
	img := testImage()
	one := &contents.Image{Size: 7, Parts: []contents.Part{{Size: 7, Members: 1, Name: "initramfs", Kind: "gzip"}}}
	tests := []struct {
		name, want string
		show       func(io.Writer) error
	}{
		{"all", shownSummary + shownPaths, func(w io.Writer) error { return showImage(w, img, false) }},
		{"-sizes", shownSummary, func(w io.Writer) error { return showImage(w, img, true) }},
		{"parts", shownParts, func(w io.Writer) error { showParts(w, img); return nil }},
		{"one part", "\n  offset  bytes  uncompressed  paths  part\n       0      7             0      0  initramfs: gzip, 1 member\n", func(w io.Writer) error { showParts(w, one); return nil }},
		{"a part that is the file", "", func(w io.Writer) error {
			showParts(w, &contents.Image{Size: 7, Parts: []contents.Part{{Size: 7}}})
			return nil
		}},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		if err := tt.show(&out); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestShowSummary(t *testing.T) {
	ucode := []contents.Part{{Name: "kernel", Kind: "unknown"}, {Name: "ucode.cpio", Kind: "unknown"}}
	tests := []struct {
		name string
		img  contents.Image
		want string // the lines behind the digest
	}{
		{"an initramfs of others", contents.Image{Format: contents.Initrd, Initramfs: &contents.Initramfs{}}, `initramfs     not made by compose: nothing in it says whether it is complete
paths         0, with 0 bytes of files
`},
		{"a kernel", contents.Image{Format: contents.KernelFile, Kernel: &contents.Kernel{Kind: "EFI zboot"}}, "kernel        EFI zboot\n"},
		{"a command line", contents.Image{Format: contents.Cmdline, Cmdline: "quiet"}, "command line  quiet\n"},
		{"an empty command line", contents.Image{Format: contents.Cmdline}, ""},
		{"strange microcode", contents.Image{Format: contents.TarKernelInitrd, Parts: ucode}, `paths         0, with 0 bytes of files
note          ucode.cpio is no cpio archive, and nothing to a kernel
`},
		{"a menu without its files", contents.Image{Format: contents.ISO, Menus: []contents.Menu{{Kernel: "k"}}}, `paths         0, with 0 bytes of files
note          not all files that the boot menu names are there, each in one piece: they are not looked into
`},
		{"a menu", contents.Image{Format: contents.Cmdline, Menus: []contents.Menu{{Kernel: "k"}}, Kernel: &contents.Kernel{Kind: "x"}}, "kernel        x\n"},
		{"merged layers", contents.Image{Format: contents.Docker, Containers: make([]contents.Container, 1), Merged: true}, "paths         0, with 0 bytes of files\n"},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		showSummary(&out, &tt.img)
		lines := strings.SplitAfterN(out.String(), "\n", 4)
		if got := lines[3]; got != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

// TestImageJSONIsCanonical holds what is written piece by piece against the whole.
func TestImageJSONIsCanonical(t *testing.T) {
	img := testImage()
	for _, entries := range [][]*rootfs.Entry{img.Entries, img.Entries[:1], nil} {
		img.Entries = entries
		var all, sizes bytes.Buffer
		if err := errors.Join(showImageJSON(&all, img, false), showImageJSON(&sizes, img, true)); err != nil {
			t.Fatal(err)
		}
		whole := struct {
			imageJSON
			Entries []entryJSON `json:"entries,omitempty"`
		}{imageJSON: imageToJSON(img)}
		without, err := spec.MarshalCanonical(whole)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			whole.Entries = append(whole.Entries, entryToJSON(e))
		}
		want, err := spec.MarshalCanonical(whole)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), all.String()); diff != "" {
			t.Errorf("%d entries (-want +got):\n%s", len(entries), diff)
		}
		if diff := cmp.Diff(string(without), sizes.String()); diff != "" {
			t.Errorf("-sizes (-want +got):\n%s", diff)
		}
	}
}

func TestImageFile(t *testing.T) {
	dir := t.TempDir()
	tar, err := rootfs.Tar{}.AppendHeader(nil, rootfs.MadeFile("x", 0o644, nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"m.yml": "kernel:\n", "tar.yml": string(tar), "tar.yaml": string(tar), "x.tar": string(tar), "text": "init: []\n", "empty": "",
		"gzip": "\x1f\x8b", "zstd": "\x28\xb5\x2f\xfd", "cpio": "070701", "nul": "text, and\x00", "short": "MZ", "x-cmdline": "quiet",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		operands string
		image    string // "" where there is none, "error" where the operands are wrong
	}{
		{"m.yml", ""},
		{"tar.yml", ""},
		{"tar.yaml", ""},
		{"text", ""},
		{"empty", ""},
		{"short", ""},
		{"-", ""},
		{".", ""},
		{"gone", ""},
		{"", ""},
		{"x.tar", "x.tar"},
		{"gzip", "gzip"},
		{"zstd", "zstd"},
		{"cpio", "cpio"},
		{"nul", "nul"},
		{"x-cmdline", "x-cmdline"},
		{"m.yml text", ""},
		{"m.yml x.tar", "error"},
		{"x.tar x.tar", "error"},
	} {
		var operands []string
		for o := range strings.FieldsSeq(tt.operands) {
			if o != "-" {
				o = filepath.Join(dir, o)
			}
			operands = append(operands, o)
		}
		f, err := imageFile(operands)
		got := ""
		if f != nil {
			got = filepath.Base(f.Name())
			f.Close()
		}
		if _, ok := errors.AsType[*usageError](err); ok {
			got, err = "error", nil
		}
		if got != tt.image || err != nil {
			t.Errorf("%s: %q, %v; want %q", tt.operands, got, err, tt.image)
		}
	}
}
