package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/rootfs"
)

// testTree has an entry of each kind.
func testTree(t *testing.T) *compose.Result {
	t.Helper()
	const origin = "services[0] web docker.io/acme/web:1"
	file := func(path string, size int64) *rootfs.Entry {
		return &rootfs.Entry{Path: path, Type: rootfs.File, Mode: 0o644, Size: size, Origin: origin, ModTime: 1e9, Inode: 1, Body: bytes.NewReader(make([]byte, size))}
	}
	segments := []rootfs.Segment{
		{Name: "web", Entries: []*rootfs.Entry{
			{Path: "dev", Type: rootfs.Dir, Mode: 0o755, Origin: origin},
			{Path: "dev/null", Type: rootfs.Char, Mode: 0o666, Major: 1, Minor: 3, Origin: origin},
			file("one", 1000),
			file("two", 1000),
		}},
		{Name: "files", Files: true, Entries: []*rootfs.Entry{rootfs.MadeSymlink("link", "/one")}},
	}
	tree, _, err := rootfs.NewTree(segments, rootfs.TreeOptions{Epoch: 2e9, Arch: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return &compose.Result{Tree: tree, Notices: []compose.Notice{{Where: "services[0] web", What: "has a wart"}}}
}

func TestInspectText(t *testing.T) {
	var out bytes.Buffer
	c := &inspectCommand{}
	if err := c.show(&out, testTree(t)); err != nil {
		t.Fatal(err)
	}
	want := `  bytes  paths  origin
   1000      4  services[0] web docker.io/acme/web:1
      0      1  files
   1000      5  total

drwxr-xr-x    0:0           0 1970-01-01T00:00:00Z dev  [services[0] web docker.io/acme/web:1]
crw-rw-rw-    0:0           0 1970-01-01T00:00:00Z dev/null (1,3)  [services[0] web docker.io/acme/web:1]
lrwxrwxrwx    0:0           0 2017-04-18T16:30:00Z link -> /one  [files]
-rw-r--r--    0:0        1000 2001-09-09T01:46:40Z one  [services[0] web docker.io/acme/web:1]
-rw-r--r--    0:0        1000 2001-09-09T01:46:40Z two = one  [services[0] web docker.io/acme/web:1]
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestInspectJSON(t *testing.T) {
	var out bytes.Buffer
	c := &inspectCommand{json: true, sizes: true}
	if err := c.show(&out, testTree(t)); err != nil {
		t.Fatal(err)
	}
	want := `{
  "notices": [
    "services[0] web: has a wart"
  ],
  "packages": [
    {
      "bytes": 1000,
      "origin": "services[0] web docker.io/acme/web:1",
      "paths": 4
    },
    {
      "bytes": 0,
      "origin": "files",
      "paths": 1
    }
  ]
}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestModeText(t *testing.T) {
	tests := []struct {
		kind rootfs.Type
		mode uint32
		want string
	}{
		{rootfs.File, 0, "----------"},
		{rootfs.File, 0o4755, "-rwsr-xr-x"},
		{rootfs.File, 0o4644, "-rwSr--r--"},
		{rootfs.File, 0o2755, "-rwxr-sr-x"},
		{rootfs.Dir, 0o1777, "drwxrwxrwt"},
		{rootfs.Dir, 0o1776, "drwxrwxrwT"},
		{rootfs.Block, 0o660, "brw-rw----"},
		{rootfs.Fifo, 0o600, "prw-------"},
	}
	for _, tt := range tests {
		if got := modeText(&rootfs.Entry{Type: tt.kind, Mode: tt.mode}); got != tt.want {
			t.Errorf("modeText(%s, %o) = %s, want %s", tt.kind, tt.mode, got, tt.want)
		}
	}
}

func TestEntryTextQuotesWhatATerminalObeys(t *testing.T) {
	e := &rootfs.Entry{Path: "a\x1b[2Jb\nc", Type: rootfs.File, Origin: "x"}
	if got := entryText(e); bytes.ContainsAny([]byte(got), "\x1b\n") {
		t.Errorf("%q has control characters", got)
	}
}
