package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// linkGroup is a hard-linked file of linkedSystem.
type linkGroup struct {
	name    string
	names   int
	content string
	mode    int64
	uid     int
	xattr   string // value of user.group
	inBoot  bool   // its first name is in boot, which is in no initramfs
	deep    bool   // its last name is about as long as a path can be
}

// linkGroups are what readers of hard links have been seen to stumble over: many
// names in many folders, nothing to link, a content that is compressed by itself,
// and a file whose first name is left out.
func linkGroups() []linkGroup {
	return []linkGroup{
		{name: "many", names: 200, content: "two hundred names\n", mode: 0o644},
		{name: "empty", names: 200, mode: 0o640, uid: 33},
		{name: "large", names: 30, content: strings.Repeat("five megabytes ", 5<<20/15), mode: 0o755},
		{name: "strange", names: 3, content: "a setuid program\n", mode: 0o4755, uid: 3000000, xattr: "strange"},
		{name: "boot", names: 3, content: "one name is in boot\n", mode: 0o600, uid: 1, xattr: "boot", inBoot: true},
		{name: "boots", names: 2, content: "with one name in boot it has one outside\n", mode: 0o600, inBoot: true},
		{name: "deep", names: 2, content: "deep down\n", mode: 0o644, deep: true},
	}
}

// paths are the names of the group, over 20 folders.
func (g linkGroup) paths() []string {
	var all []string
	for i := range g.names {
		all = append(all, fmt.Sprintf("d%02d/%s-%03d", i%20, g.name, i))
	}
	if g.inBoot {
		all[0] = "boot/" + g.name
	}
	if g.deep {
		all[len(all)-1] = deepFolders()[deepest-1] + "/" + g.name
	}
	return all
}

func regular(name, content string) made {
	return made{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, ModTime: time.Unix(randomTime, 0)}, content}
}

// boot gives a system a kernel.
func (s *system) boot() {
	s.manifest = "kernel: {image: \"oci:oci:kernel\", cmdline: quiet, tar: none}\n" + s.manifest
	s.images = append(s.images, randomImage{name: "kernel", layers: []randomLayer{{entries: []made{regular("kernel", "a kernel\n")}}}})
}

// linkedSystem writes a system with such files at its root and again in a
// container, half of the names in the image's lower layer and half in its upper
// one, and returns the path of its manifest.
func linkedSystem(t *testing.T, dir string) string {
	t.Helper()
	s := &system{
		manifest: "init: [\"oci:oci:links\"]\nservices:\n  - {name: again, image: \"oci:oci:links\", command: [/d00/large-000]}\n",
		dirs:     map[string]map[string]int64{},
	}
	lower, upper := randomLayer{as: 1}, randomLayer{as: 2}
	for _, d := range slices.Concat([]string{"boot"}, fileFolders(), deepFolders()) {
		lower.entries = append(lower.entries, made{tar.Header{Typeflag: tar.TypeDir, Name: d, Mode: 0o755, ModTime: time.Unix(randomTime, 0)}, ""})
	}
	for _, g := range linkGroups() {
		names := g.paths()
		middle := len(names) / 2
		file := regular(names[middle], g.content) // not the first name in path order
		file.Mode, file.Uid, file.Gid = g.mode, g.uid, g.uid
		if g.xattr != "" {
			file.PAXRecords = map[string]string{"SCHILY.xattr.user.group": g.xattr}
		}
		lower.entries = append(lower.entries, file)
		for i, name := range names {
			link := made{file.Header, ""}
			link.Typeflag, link.Name, link.Linkname, link.PAXRecords = tar.TypeLink, name, names[middle], nil
			switch {
			case i < middle:
				lower.entries = append(lower.entries, link)
			case i > middle:
				upper.entries = append(upper.entries, link)
			}
		}
	}
	s.images = []randomImage{{name: "links", layers: []randomLayer{lower, upper}}}
	s.boot()
	if err := os.Mkdir(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "m.yml")
}

func fileFolders() []string {
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprintf("d%02d", i))
	}
	return all
}

// deepest is how many folders of long names are in each other. The paths of 4095
// bytes that the kernel takes could not be looked at where a reader unpacks them.
const deepest = 15

func deepFolders() []string {
	var all []string
	for i := range deepest {
		all = append(all, "d00"+strings.Repeat("/"+strings.Repeat("deep", 62), i+1))
	}
	return all
}

// linked holds that the tree which all readers have seen is the one that was meant.
func (c *composed) linked(t *testing.T) {
	t.Helper()
	firsts := c.tree.firsts()
	for _, g := range linkGroups() {
		for _, below := range []string{"", "containers/services/again/lower"} {
			sum := sha256.Sum256([]byte(g.content))
			names := g.paths()
			for i := range names {
				names[i] = join(below, names[i])
			}
			first := slices.MinFunc(names, func(a, b string) int { return strings.Compare(pathKey(a), pathKey(b)) })
			for _, p := range names {
				r := c.tree.entries[p]
				switch {
				case r == nil:
					t.Errorf("%s is missing", p)
				case r.sum != hex.EncodeToString(sum[:]) || int64(r.mode) != g.mode || int(r.uid) != g.uid || r.xattrs["user.group"] != g.xattr:
					t.Errorf("%s is %+v, want %.20q, mode %o, owner %d, attribute %q", p, *r, g.content, g.mode, g.uid, g.xattr)
				case p != first && firsts[p] != first:
					t.Errorf("%s is a link to %q, want %q", p, firsts[p], first)
				}
			}
		}
	}
}
