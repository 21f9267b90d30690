package outputs

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
)

var update = flag.Bool("update", false, "write golden files anew")

// smallTree has one entry of each kind, in two segments.
func smallTree(t testing.TB) *rootfs.Tree {
	t.Helper()
	file := func(path, content string, inode uint32) *rootfs.Entry {
		return &rootfs.Entry{
			Path: path, Type: rootfs.File, Mode: 0o644, ModTime: 1700000000, Size: int64(len(content)),
			Digest: sha256.Sum256([]byte(content)), Body: strings.NewReader(content), Inode: inode, Origin: "init[0] base",
		}
	}
	base := []*rootfs.Entry{
		{Type: rootfs.Dir, Mode: 0o700},
		{Path: "bin", Type: rootfs.Symlink, Mode: 0o777, Link: "usr/bin", ModTime: 1500000000},
		{Path: "dev", Type: rootfs.Dir, Mode: 0o755},
		{Path: "dev/null", Type: rootfs.Char, Mode: 0o666, Major: 1, Minor: 3},
		{Path: "dev/ram0", Type: rootfs.Block, Mode: 0o660, GID: 6, Major: 1},
		{Path: "run/pipe", Type: rootfs.Fifo, Mode: 0o600, UID: 1 << 22},
		file("usr/bin/a", "the same file", 7),
		file("usr/bin/b", "the same file", 7),
		file("usr/share/"+strings.Repeat("long", 30)+"/Grüße", strings.Repeat("x", 1000), 0),
	}
	base[6].Xattrs = []rootfs.Xattr{{Name: "security.capability", Value: "\x01\x00"}}
	made := []*rootfs.Entry{rootfs.MadeDir("etc", 0o755), rootfs.MadeFile("etc/hosts", 0o644, []byte("127.0.0.1\tlocalhost\n"))}
	tree, _, err := rootfs.NewTree([]rootfs.Segment{{Name: "init[0] base", Entries: base}, {Name: "files", Entries: made, Files: true}}, rootfs.TreeOptions{Arch: "amd64", Epoch: 1600000000})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func treeOf(t testing.TB, entries ...*rootfs.Entry) *rootfs.Tree {
	t.Helper()
	tree, _, err := rootfs.NewTree([]rootfs.Segment{{Name: "s", Entries: rootfs.Sort(entries)}}, rootfs.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func writeTar(ctx context.Context, tree *rootfs.Tree, s *Files, progress func(int64)) error {
	defer s.Abort()
	if progress == nil {
		progress = func(int64) {}
	}
	env := Env{Options: Options{Name: "image"}, Sink: s, Progress: progress, Cache: &memCache{}, Notify: func(Notice) {}}
	if err := (Tar{}).Write(ctx, tree, env); err != nil {
		return err
	}
	return s.Commit()
}

func TestTarGolden(t *testing.T) {
	var b bytes.Buffer
	if err := writeTar(t.Context(), smallTree(t), ToStream(&b), nil); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("sha256:%x %d\n", sha256.Sum256(b.Bytes()), b.Len())
	file := filepath.Join("testdata", "tar.golden")
	if *update {
		write(t, file, got)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Fatalf("the bytes have changed: they are %swant %sif that is meant, run: go test ./outputs -run Golden -update", got, want)
	}
}

func TestTarHoldsTheTree(t *testing.T) {
	tree := smallTree(t)
	dir := t.TempDir()
	var told int64
	s := ToDir(dir)
	if err := writeTar(t.Context(), tree, s, func(n int64) { told += n }); err != nil {
		t.Fatal(err)
	}
	res := s.Results()
	if len(res) != 1 || res[0].Path != filepath.Join(dir, Tar{}.Files("image")[0]) || res[0].Size != told {
		t.Errorf("results %+v, progress told of %d bytes", res, told)
	}
	f, err := os.Open(res[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr := tar.NewReader(f)
	for e := range tree.Entries() {
		h, err := tr.Next()
		if err != nil {
			t.Fatalf("%s: %v", e.Path, err)
		}
		if strings.TrimSuffix(h.Name, "/") != e.Path || h.ModTime.Unix() != e.ModTime || uint32(h.Mode) != e.Mode {
			t.Errorf("%+v is not %+v", h, e)
		}
		content, err := io.ReadAll(tr)
		if err != nil || e.Payload() > 0 && sha256.Sum256(content) != e.Digest || int64(len(content)) != e.Payload() {
			t.Errorf("%s: content of %d bytes: %v", e.Path, len(content), err)
		}
		if e.Path == "usr/bin/b" && (h.Typeflag != tar.TypeLink || h.Linkname != "usr/bin/a") {
			t.Errorf("usr/bin/b is no link: %+v", h)
		}
	}
	if _, err := tr.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last entry: %v", err)
	}
}

func TestTarCheck(t *testing.T) {
	many := make([]*rootfs.Entry, 25)
	for i := range many {
		many[i] = &rootfs.Entry{Path: fmt.Sprintf("f%02d\x00", i), Type: rootfs.Fifo}
	}
	tests := []struct {
		name string
		tree *rootfs.Tree
		as   string
		want []string // lines
	}{
		{"right", smallTree(t), "image", nil},
		{"name", smallTree(t), "../image", []string{`image name "../image": ` + ErrName.Error()}},
		{
			"all faults",
			treeOf(
				t, &rootfs.Entry{Path: "a", Type: rootfs.Symlink, Origin: "init[0] x"},
				&rootfs.Entry{Path: "b", Type: rootfs.Fifo, Xattrs: []rootfs.Xattr{{Name: "user.="}}},
			),
			"image",
			[]string{"a (init[0] x): a symbolic link without a target", `b (s): the extended attribute "user.=" has a name that pax cannot hold`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Tar{}.Check(tt.tree, Options{Name: tt.as})
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("faults (-want +got):\n%s", d)
			}
		})
	}
	_, err := Tar{}.Check(treeOf(t, many...), Options{Name: "image"})
	if err == nil || !strings.HasSuffix(err.Error(), "\nand 5 more entries") {
		t.Errorf("many faults: %v", err)
	}
}

func TestTarWriteFails(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		e    *rootfs.Entry
		want string
	}{
		{"short body", t.Context(), &rootfs.Entry{Path: "a", Type: rootfs.File, Size: 5, Digest: rootfs.Digest{1}, Body: strings.NewReader("four"), Origin: "files[3]"}, "a (files[3]): read content of 5 bytes: it ends after 4: unexpected EOF"},
		{"header", t.Context(), &rootfs.Entry{Path: "a", Type: rootfs.Symlink}, "a (s): a symbolic link without a target"},
		{"ended", ended, &rootfs.Entry{Path: "a", Type: rootfs.Dir}, "context canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			err := writeTar(tt.ctx, treeOf(t, tt.e), ToDir(filepath.Join(dir, "out")), nil)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			wantFiles(t, dir, map[string]string{})
		})
	}
}

func TestFormats(t *testing.T) {
	seen := map[string]bool{}
	for i, f := range All() {
		name := f.Name()
		got, ok := Lookup(name)
		if !ok || got != f || Names()[i] != name || seen[name] || f.Summary() == "" || len(f.Files("x")) == 0 {
			t.Errorf("format %d, %q, is not in order", i, name)
		}
		for _, file := range f.Files("x") {
			if !strings.HasPrefix(file, "x") {
				t.Errorf("%s writes %s, which is not named after the image", name, file)
			}
		}
		seen[name] = true
	}
	if _, ok := Lookup("tra"); ok {
		t.Error("there is a format tra")
	}
}

func TestOptionsValidate(t *testing.T) {
	tests := map[string]bool{
		"anchor": true, "A-1.2_3+b": true, "9": true, "_x": true, strings.Repeat("n", 200): true,
		"": false, ".": false, "..": false, ".x": false, "-x": false, "a/b": false, "a b": false, "ä": false, "a\n": false,
		"a\x00": false, "a:b": false, strings.Repeat("n", 201): false,
	}
	for name, ok := range tests {
		if err := (Options{Name: name}).Validate(); (err == nil) != ok || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
