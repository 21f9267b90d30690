package outputs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
)

// packagesTree is a tree of n packages, each with a directory of its own mode and
// a file, and of what compose writes for each.
func packagesTree(t testing.TB, n int) *rootfs.Tree {
	t.Helper()
	var segments []rootfs.Segment
	for i := range n {
		path := fmt.Sprintf("containers/services/s%03d", i)
		f := rootfs.MadeFile(path+"/lower/etc/f", 0o640, fmt.Appendf(nil, "%d", i))
		d := rootfs.MadeDir(path+"/lower/etc", 0o711)
		f.Made, d.Made = false, false
		segments = append(segments,
			rootfs.Segment{Name: fmt.Sprintf("services[%d] s%03d x", i, i), Entries: []*rootfs.Entry{d, f}},
			rootfs.Segment{Name: fmt.Sprintf("services[%d] s%03d", i, i), Entries: []*rootfs.Entry{rootfs.MadeFile(path+"/config.json", 0o644, []byte("{}"))}})
	}
	tree, _, err := rootfs.NewTree(segments, rootfs.TreeOptions{Arch: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestLayers(t *testing.T) {
	var got []string
	for _, l := range layers(packagesTree(t, 2)) {
		var paths []string
		for _, e := range l.entries {
			paths = append(paths, strings.TrimPrefix(e.Path, "containers/services/"))
		}
		got = append(got, l.name+": "+strings.Join(paths, " "))
	}
	want := []string{
		"services[0] s000 x: containers containers/services s000 s000/lower s000/lower/etc s000/lower/etc/f",
		"services[1] s001 x: containers containers/services s001 s001/lower s001/lower/etc s001/lower/etc/f",
		"compose: containers containers/services s000 s000/config.json s000/lower s001 s001/config.json s001/lower",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("layers (-want +got):\n%s", d)
	}
}

// TestLayersAreTheTree checks for many numbers of packages that every path is in
// one layer, behind its directories, and that there are not too many layers.
func TestLayersAreTheTree(t *testing.T) {
	for _, n := range []int{0, 1, 5, 98, 99, 100, 300, 1000} {
		tree := packagesTree(t, n)
		all := layers(tree)
		if len(all) > maxLayers {
			t.Errorf("%d packages: %d layers", n, len(all))
		}
		if want := n + 1; n > 0 && n < maxLayers && len(all) != want {
			t.Errorf("%d packages: %d layers, want %d", n, len(all), want)
		}
		count := map[string]int{}
		parts := 0
		for _, l := range all {
			parts += l.parts
			on := map[string]bool{"": true}
			for i, e := range l.entries {
				if i > 0 && rootfs.Compare(l.entries[i-1].Path, e.Path) >= 0 {
					t.Fatalf("%d packages: %s is not in order", n, e.Path)
				}
				if !on[rootfs.Parent(e.Path)] {
					t.Fatalf("%d packages: %s is not behind its directory", n, e.Path)
				}
				on[e.Path] = e.Type == rootfs.Dir
				if e != tree.At(e.Path) {
					t.Fatalf("%s is not the tree's", e.Path)
				}
				if count[e.Path]++; count[e.Path] > 1 && e.Type != rootfs.Dir {
					t.Fatalf("%d packages: %s is in two layers", n, e.Path)
				}
			}
		}
		if len(count) != tree.Len() || n > 0 && parts != n+1 {
			t.Errorf("%d packages: %d of %d paths, %d parts", n, len(count), tree.Len(), parts)
		}
	}
}

// TestSharedLayersStay adds a package to 300: no layer but one becomes another.
func TestSharedLayersStay(t *testing.T) {
	texts := func(n int) map[string]bool {
		got := map[string]bool{}
		for _, l := range layers(packagesTree(t, n)) {
			if l.name == "compose" {
				continue
			}
			var b strings.Builder
			for _, e := range l.entries {
				b.WriteString(e.Path + "\n")
			}
			got[b.String()] = true
		}
		return got
	}
	before, other := texts(300), 0
	for text := range texts(301) {
		if !before[text] {
			other++
		}
	}
	if other != 1 {
		t.Errorf("%d layers are other ones", other)
	}
}

func TestRepositoryNames(t *testing.T) {
	tests := map[string]bool{
		"image": true, "a.b-c_d": true, "a__b": true, "a--b": true, "9": true,
		"Image": false, "a+b": false, "a..b": false, "a-": false, "_a": false, "a___b": false,
	}
	for name, want := range tests {
		if _, err := (Docker{}).Check(bootTree(t), Options{Name: name}); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestWithoutBoot(t *testing.T) {
	entries := withoutBoot(bootTree(t))
	at := func(path string) *rootfs.Entry { return rootfs.Find(entries, path) }
	if slices.ContainsFunc(entries, func(e *rootfs.Entry) bool { return strings.HasPrefix(e.Path, "boot") }) {
		t.Error("boot is in the initramfs")
	}
	first, second := at("lib/modules/map"), at("lib/modules/map2")
	if first.First != "" || first.Nlink != 2 || first.Payload() != 6 || first.Body == nil {
		t.Errorf("the name that is first now: %+v", first)
	}
	if second.First != "lib/modules/map" || second.Nlink != 2 {
		t.Errorf("the further name: %+v", second)
	}
	if a := at("usr/bin/a"); a.Nlink != 2 || a.First != "" {
		t.Errorf("a file that has nothing to do with boot: %+v", a)
	}
}

func TestXattrText(t *testing.T) {
	entries := []*rootfs.Entry{
		{Path: "bin/a\\b\n", Type: rootfs.File, Xattrs: []rootfs.Xattr{{Name: "security.capability", Value: "\x01\x00\xff"}, {Name: "user.a=b", Value: ""}}},
		{Path: "bin/link", Type: rootfs.File, First: "bin/a", Xattrs: []rootfs.Xattr{{Name: "user.x", Value: "y"}}},
		{Path: "bin/none", Type: rootfs.File},
	}
	want := "# file: bin/a\\134b\\012\nsecurity.capability=0x0100ff\nuser.a\\075b=0x\n\n"
	if got := string(xattrText(entries)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNoWhiteouts holds that what would hide something in a layer is refused, and
// what only looks like it is not.
func TestNoWhiteouts(t *testing.T) {
	tree := treeOf(t,
		&rootfs.Entry{Path: "dev/whiteout", Type: rootfs.Char, Origin: "files[0]"},
		&rootfs.Entry{Path: "dev/null", Type: rootfs.Char, Major: 1, Minor: 3},
		&rootfs.Entry{Path: "dev/disk", Type: rootfs.Block},
		rootfs.MadeFile("etc/.wh.passwd", 0o644, nil), rootfs.MadeFile("etc/.whpasswd", 0o644, nil),
		rootfs.MadeFile("etc/a.wh.b", 0o644, nil), rootfs.MadeDir("etc/.wh..wh..opq", 0o755),
	)
	for _, f := range []Format{Docker{}, OCI{}} {
		_, err := f.Check(tree, Options{Name: "image"})
		want := []string{"dev/whiteout (files[0]): no layer can hold the device 0,0", "etc/.wh..wh..opq (s): no layer can hold a name", "etc/.wh.passwd (s): no layer can hold a name"}
		if err == nil || !slices.EqualFunc(strings.Split(err.Error(), "\n"), want, strings.HasPrefix) {
			t.Errorf("%s: %v, want %q", f.Name(), err, want)
		}
	}
	if _, err := (Tar{}).Check(tree, Options{Name: "image"}); err != nil {
		t.Errorf("tar: %v", err)
	}
}

// TestContainerOfNothing holds that lists without an item are lists.
func TestContainerOfNothing(t *testing.T) {
	for _, f := range []Format{Docker{}, OCI{}} {
		for name, data := range writeAll(t, f, treeOf(t), Options{Name: "image"}, &memCache{}) {
			if bytes.Contains(data, []byte("null")) || !bytes.Contains(data, []byte(`"diff_ids": []`)) {
				t.Errorf("%s: %q", name, data)
			}
		}
	}
}
