package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// inInitramfs is what of the tree is in an initramfs: all but boot.
func (c *composed) inInitramfs() *tree {
	t := changed(c.tree, func(string, *record) {})
	t.remove("boot")
	return t
}

// decompress are commands by compression.
func decompress(compression string) string {
	return map[string]string{"gzip": "gzip -dc", "zstd": "zstd -dcq", "none": "cat"}[compression]
}

// initramfsReadings are all that can be done with the initramfs of a compression.
func (c *composed) initramfsReadings(compression string) []reading {
	image := c.file(compression, "-initrd.img")
	all := []reading{
		{"kernel", names | fields | fileTimes | times, func(t *testing.T) []fault { return c.likeKernel(t, image, compression) }},
		{"GNU cpio", names | fields | fileTimes | attrs, func(t *testing.T) []fault {
			r := reader{args: script(decompress(compression)+` "$1" | cpio -idm --no-absolute-filenames --quiet`, c.behindMicrocode(t, image))}
			return c.withOwn(t, asCpio(c.inInitramfs()), asCpio(c.unpacked(t, r, restoreXattrs(t))))
		}},
		{"bsdtar", names | fields | fileTimes | times | attrs, func(t *testing.T) []fault {
			r := reader{args: []string{"bsdtar", "-xpf", c.behindMicrocode(t, image)}}
			return c.withOwn(t, c.inInitramfs(), c.unpacked(t, r, restoreXattrs(t)))
		}},
	}
	if compression != "none" { // that one Debian's scripts take for microcode
		all = append(all, reading{"lsinitramfs", names, func(t *testing.T) []fault { return c.listInitramfs(t, image) }})
	}
	if !c.brief { // they are bsdtar and cpio again
		all = append(all, reading{"bsdtar listing", names | fields | fileTimes | times, func(t *testing.T) []fault { return c.list(t, c.behindMicrocode(t, image)) }})
		if compression != "none" {
			all = append(all, reading{"unmkinitramfs", names | fields | fileTimes | attrs, func(t *testing.T) []fault { return c.unmake(t, image) }})
		}
	}
	for i := range all {
		all[i].name = compression + "/initramfs/" + all[i].name
	}
	return all
}

// likeKernel reads the image as the kernel does.
func (c *composed) likeKernel(t *testing.T, image, compression string) []fault {
	r, faults, err := readAsKernel(open(t, c.behindMicrocode(t, image)), compression)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d members", t.Name(), r.members)
	if compression != "none" && r.members < c.members {
		faults = append(faults, fault{"", fmt.Sprintf("%d members, want at least %d", r.members, c.members)})
	}
	want := c.inInitramfs()
	order := slices.Concat(ownPaths(want), want.paths(), []string{completePath})
	faults = append(faults, inOrder("the archive", order, r.order)...)
	return append(faults, c.withOwn(t, withoutXattrs(want), r.tree)...)
}

// listInitramfs has Debian's script list the image.
func (c *composed) listInitramfs(t *testing.T, image string) []fault {
	want := c.inInitramfs()
	if c.odd && !want.inLines() {
		t.Skip("the system has names that lsinitramfs cannot show in lines")
	}
	all := slices.Concat(ownPaths(want), want.paths(), []string{completePath})
	if c.ucode {
		all = append(all, microcodePaths()...)
	}
	return listed(t, all, lines(reader{dir: c.work, args: []string{"lsinitramfs", image}}.run(t)))
}

// unmake has Debian's script take the image apart.
func (c *composed) unmake(t *testing.T, image string) []fault {
	want := asCpio(c.inInitramfs())
	r := reader{args: []string{"unmkinitramfs", image, "."}}
	if !c.ucode {
		return c.withOwn(t, want, asCpio(c.unpacked(t, r, restoreXattrs(t))))
	}
	got := c.unpacked(t, r, func(dir string) { restoreXattrs(t)(filepath.Join(dir, "main")) })
	faults := listed(t, microcodePaths(), below(got, "early").paths())
	return append(faults, c.withOwn(t, want, asCpio(below(got, "main")))...)
}

// below is the part of a tree in a folder.
func below(all *tree, dir string) *tree {
	t := newTree()
	for p, r := range all.entries {
		if p, ok := strings.CutPrefix(p, dir+"/"); ok {
			t.entries[p] = r
		}
	}
	return t
}

// microcodePaths are what the fixture's microcode holds.
func microcodePaths() []string {
	return []string{"kernel", "kernel/x86", "kernel/x86/microcode", "kernel/x86/microcode/GenuineIntel.bin"}
}

// What an initramfs has beside the tree.
const (
	ownPath      = ".compose"
	memoryPath   = ".compose/memory"
	xattrsPath   = ".compose/xattrs"
	completePath = ".compose/complete"
)

// ownPaths are those that go before the tree.
func ownPaths(want *tree) []string {
	own := []string{ownPath, memoryPath}
	if hasXattrs(want) {
		own = append(own, xattrsPath)
	}
	return own
}

func hasXattrs(t *tree) bool {
	for _, r := range t.entries {
		if len(r.xattrs) > 0 {
			return true
		}
	}
	return false
}

func withoutXattrs(t *tree) *tree { return changed(t, func(_ string, r *record) { r.xattrs = nil }) }

// asCpio is a tree without the times that GNU cpio leaves as they come: it sets a
// folder's before it writes into it, and a symbolic link's never.
func asCpio(t *tree) *tree {
	return changed(t, func(_ string, r *record) {
		if r.kind == "directory" || r.kind == "symlink" {
			r.mtime, r.nsec = 0, 0
		}
	})
}

// withOwn compares an unpacked initramfs with the tree, and what compose has added to
// it with what that must be. xattrs have been restored where want has them.
func (c *composed) withOwn(t *testing.T, want, got *tree) []fault {
	t.Helper()
	all := c.inInitramfs()
	own := append(ownPaths(all), completePath)
	modes := map[string]uint32{ownPath: 0o755, memoryPath: 0o444, xattrsPath: 0o400, completePath: 0o444}
	rest := &tree{maps.Clone(got.entries)}
	var faults []fault
	for _, p := range own {
		r := got.entries[p]
		delete(rest.entries, p)
		if r == nil || r.mode != modes[p] || r.uid != 0 || r.gid != 0 || (r.kind == "directory") != (p == ownPath) {
			faults = append(faults, fault{p, fmt.Sprintf("is %+v", r)})
		}
	}
	count := fmt.Sprintf("%d\n", len(all.entries)+len(own)-1)
	sum := sha256.Sum256([]byte(count))
	if r := got.entries[completePath]; r == nil || r.sum != hex.EncodeToString(sum[:]) {
		faults = append(faults, fault{completePath, fmt.Sprintf("does not say that %q entries go before it", count)})
	}
	return append(faults, matched(t, want, rest)...)
}

// restoreXattrs returns what gives files their extended attributes, as init does.
func restoreXattrs(t *testing.T) func(dir string) {
	return func(dir string) {
		if _, err := os.Lstat(filepath.Join(dir, xattrsPath)); err == nil { // if it should be there, withOwn says so
			reader{dir: dir, args: []string{"setfattr", "-h", "--restore=" + xattrsPath}}.run(t)
		}
	}
}

// behindMicrocode checks what lies in front of compose's archive, and returns the
// path of a file with the archive alone.
func (c *composed) behindMicrocode(t *testing.T, image string) string {
	t.Helper()
	if !c.ucode {
		return image
	}
	in := open(t, image)
	ucode := c.tree.entries["boot/ucode.cpio"]
	if ucode == nil {
		t.Fatal("the tree has no microcode")
	}
	h := sha256.New()
	if _, err := io.CopyN(h, in, ucode.size); err != nil || hex.EncodeToString(h.Sum(nil)) != ucode.sum {
		t.Fatalf("the initramfs does not begin with the microcode: %v", err)
	}
	padding := make([]byte, -ucode.size&3)
	if _, err := io.ReadFull(in, padding); err != nil || strings.Trim(string(padding), "\x00") != "" {
		t.Fatalf("%q is behind the microcode: %v", padding, err)
	}
	ours := filepath.Join(t.TempDir(), "behind-microcode.img")
	out, err := os.Create(ours)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return ours
}

func open(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
