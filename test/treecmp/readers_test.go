package main

import (
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/composeos/compose/test/fixture"
)

// What compose builds of one system is one tree in several formats. The tests
// in readers_*_test.go give each format to programs that share no code with
// compose, and compare what they make of it with the tree of the tar output, entry
// by entry; that output is what treecmp itself is for. As Debian 12 has them:
//
//	                         initramfs: gzip  zstd  none   layers
//	the kernel's rules                   x     x     x       -     as init/initramfs.c has them, in readers_kernel_test.go
//	GNU cpio 2.13, extracting            x     x     x       -     gives folders and symbolic links the time of now
//	bsdtar 3.6, extracting, listing      x     x     x       x
//	lsinitramfs, unmkinitramfs           x     x     -       -     takes what is not compressed for microcode
//	GNU tar 1.34, extracting             -     -     -       x
//
// newc has no extended attributes: setfattr restores them from .compose/xattrs.

// composed is what compose has made of a system, in a folder for each compression.
type composed struct {
	dir, name string
	how       []string // the compressions
	ucode     bool     // microcode lies in front of the initramfs
	brief     bool     // it is large: no reader comes twice
	odd       bool     // names may have what a listing by lines cannot show
	least     int      // entries that the tree has at least
	members   int      // and members that a compressed initramfs has
	work      string   // where to unpack
	tree      *tree    // of the tar output
}

// compressions are all that compose knows.
func compressions() []string { return []string{"gzip", "zstd", "none"} }

// file is the path of an output.
func (c *composed) file(compression, suffix string) string {
	return filepath.Join(c.dir, compression, c.name+suffix)
}

// composer makes systems in a folder.
type composer struct {
	dir, program string
}

func newComposer(t *testing.T) composer {
	t.Helper()
	needReaders(t)
	dir := scratch(t)
	c := composer{dir, filepath.Join(dir, "compose")}
	command(t, "go", "build", "-o", c.program, "../../cmd/compose")
	return c
}

func needReaders(t *testing.T) {
	t.Helper()
	need(t, os.Getuid() == 0, "only root can unpack owners and devices")
	for _, name := range []string{"bash", "bsdtar", "cpio", "gzip", "lsinitramfs", "setfattr", "tar", "unmkinitramfs", "zstd"} {
		_, err := exec.LookPath(name)
		need(t, err == nil, "there is no "+name)
	}
}

// compose makes all formats of a manifest in those compressions.
func (c composer) compose(t *testing.T, manifest string, how ...string) *composed {
	t.Helper()
	dir := filepath.Dir(manifest)
	made := &composed{
		dir: filepath.Join(dir, "out"), name: strings.TrimSuffix(filepath.Base(manifest), ".yml"),
		how: how, members: 1, work: filepath.Join(dir, "work"),
	}
	if err := os.Mkdir(made.work, 0o711); err != nil {
		t.Fatal(err)
	}
	for _, compression := range how {
		command(t, c.program, "build", "-accept-unsigned", "*", "-arch", "amd64", "-cache", filepath.Join(dir, "cache"), "-progress", "none",
			"-format", "kernel+initrd,tar-kernel-initrd,tar,docker,oci", "-compress", compression, "-dir", filepath.Join(made.dir, compression), manifest)
	}
	return made
}

// example composes the example, with its microcode.
func (c composer) example(t *testing.T, how ...string) *composed {
	t.Helper()
	c.writeExample(t)
	made := c.compose(t, filepath.Join(c.dir, "test", "example", "minimal.yml"), how...)
	made.ucode, made.least = true, 150
	return made
}

// writeExample writes the example and its images.
func (c composer) writeExample(t *testing.T) {
	t.Helper()
	if err := errors.Join(
		fixture.Write(filepath.Join(c.dir, "build", "fixture"), fixture.Options{}),
		os.CopyFS(filepath.Join(c.dir, "test", "example"), os.DirFS(filepath.Join("..", "example"))),
	); err != nil {
		t.Fatal(err)
	}
}

// TestReaders gives the example to all readers, and a system that is full of hard
// links.
func TestReaders(t *testing.T) {
	c := newComposer(t)
	t.Run("example", func(t *testing.T) { c.example(t, compressions()...).read(t) })
	t.Run("links", func(t *testing.T) {
		made := c.compose(t, linkedSystem(t, filepath.Join(c.dir, "links")), compressions()...)
		made.least, made.members = 900, 3
		made.read(t)
		made.linked(t)
	})
}

// TestReadersOfRandom gives made-up systems to the readers, with names that no
// sane person has.
func TestReadersOfRandom(t *testing.T) {
	c := newComposer(t)
	for seed := range 6 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			dir := filepath.Join(c.dir, strconv.Itoa(seed))
			if err := os.Mkdir(dir, 0o711); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			s := makeSystem(rand.New(rand.NewPCG(uint64(seed), 2)))
			s.boot()
			if err := s.write(dir); err != nil {
				t.Fatal(err)
			}
			made := c.compose(t, filepath.Join(dir, "m.yml"), compressions()[seed%3])
			made.odd, made.least = true, 50
			made.read(t)
		})
	}
}

// TestReadersOfWorkload gives what COMPOSE_OUTPUTS names, composed from the
// measuring workload, to all readers: a folder with one for each compression that
// there is. test/workload.sh makes it and sets that.
func TestReadersOfWorkload(t *testing.T) {
	dir := os.Getenv("COMPOSE_OUTPUTS")
	if dir == "" {
		t.Skip("COMPOSE_OUTPUTS names no composed workload; test/workload.sh does")
	}
	needReaders(t)
	made := &composed{dir: dir, name: "anchor", brief: true, least: 35000, members: 100, work: scratch(t)}
	for _, compression := range compressions() {
		if _, err := os.Stat(filepath.Join(dir, compression)); err == nil {
			made.how = append(made.how, compression)
		}
	}
	if len(made.how) == 0 {
		t.Fatalf("%s has none of %q", dir, compressions())
	}
	made.read(t)
}

// sight is what of a tree a reader shows.
type sight uint

// Without names a reader shows nothing of the others but boot.
const (
	names     sight = 1 << iota // what there is
	fields                      // modes, owners, contents, links, targets and devices
	fileTimes                   // of files and devices
	times                       // of folders and symbolic links
	attrs                       // extended attributes
	boot                        // what is in boot
)

// reading is one reader of one output.
type reading struct {
	name  string
	shows sight
	read  func(t *testing.T) []fault
}

// readings are all that can be done with the outputs.
func (c *composed) readings() []reading {
	var all []reading
	for i, compression := range c.how {
		all = append(all, c.initramfsReadings(compression)...)
		all = append(all, reading{compression + "/tar-kernel-initrd", boot, func(t *testing.T) []fault { return c.readWrapped(t, compression) }})
		if i == 0 { // its layers are not compressed
			all = append(all, c.layerReadings(compression+"/docker", true, c.docker)...)
		}
		all = append(all, c.layerReadings(compression+"/oci", !c.brief, func(t *testing.T) *containerImage { return c.oci(t, compression) })...)
	}
	return all
}

// load reads the tree that all readers have to show.
func (c *composed) load(t *testing.T) {
	t.Helper()
	plain, faults, err := readArchiveFile(c.file(c.how[0], ".tar"))
	if err != nil {
		t.Fatal(err)
	}
	noFaults(t, faults)
	c.tree = withoutRoot(plain)
	if n := len(c.tree.entries); n < c.least {
		t.Fatalf("the tree has %d entries; a tree that is worth reading has %d", n, c.least)
	}
}

// read gives the outputs to all readers.
func (c *composed) read(t *testing.T) {
	t.Helper()
	c.load(t)
	for _, r := range c.readings() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			noFaults(t, r.read(t))
		})
	}
}

// matched compares what a reader shows with what it has to, and says how much it was.
func matched(t *testing.T, want, got *tree) []fault {
	t.Helper()
	t.Logf("%s: %d entries compared", t.Name(), len(got.entries))
	faults := compare(want, got)
	if len(want.entries) == 0 {
		faults = append(faults, fault{"", "there is nothing to compare with"})
	}
	return faults
}

func noFaults(t *testing.T, faults []fault) {
	t.Helper()
	for i, f := range faults {
		if i == 20 {
			t.Errorf("and %d more", len(faults)-i)
			return
		}
		t.Errorf("%s: %s", f.path, f.what)
	}
}

// changed returns a copy of a tree, in which each record is a copy too.
func changed(t *tree, change func(path string, r *record)) *tree {
	c := newTree()
	for p, r := range t.entries {
		one := *r
		one.xattrs = maps.Clone(r.xattrs)
		change(p, &one)
		c.entries[p] = &one
	}
	return c
}

// inLines tells whether a listing by lines shows every name as it is.
func (t *tree) inLines() bool {
	return !slices.ContainsFunc(t.paths(), func(p string) bool { return strings.ContainsAny(p, "\n\\") })
}
