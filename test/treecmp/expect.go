package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// expected is a tree that is being put together from flattened images.
type expected struct {
	options
	tree     *tree
	system   *tree // without containers: what binds may name
	manifest *manifest
	lock     *lock
	umoci    *umoci
	got      *tree          // the archive, for what compose alone decides
	used     map[string]int // paths by rule
	began    int64          // seconds; what is as young was made by unpacking
	copies   map[string][]laidOut
	err      error
}

// laidOut is where an image's files are.
type laidOut struct {
	path   string
	points string // the mount points that were added
}

// expect puts the tree together in the order of ownership.
func expect(o options, work string, got *tree) (*tree, map[string]int, error) {
	x := &expected{options: o, tree: newTree(), got: got, used: map[string]int{}, copies: map[string][]laidOut{}}
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now)
	if err != nil {
		return nil, nil, err
	}
	x.began = now.Sec - 1
	if x.manifest, err = readManifest(o.manifest); err != nil {
		return nil, nil, err
	}
	if x.lock, err = readLock(o.lock); err != nil {
		return nil, nil, err
	}
	if x.umoci, err = newUmoci(o.layout, work); err != nil {
		return nil, nil, err
	}
	m := x.manifest
	x.kernel(work)
	x.init()
	for _, v := range m.Volumes {
		x.volume(v)
	}
	x.system = &tree{maps.Clone(x.tree.entries)}
	for i, c := range m.Onboot {
		x.bundle(c, fmt.Sprintf("containers/onboot/%03d-%s", i, c.Name))
	}
	for i, c := range m.Onshutdown {
		x.bundle(c, fmt.Sprintf("containers/onshutdown/%03d-%s", i, c.Name))
	}
	for _, c := range m.Services {
		x.bundle(c, "containers/services/"+c.Name)
	}
	for _, f := range m.Files {
		x.file(f)
	}
	x.parents()
	return x.tree, x.used, x.err
}

func (x *expected) note(rule string, paths int) { x.used[rule] += paths }

func (x *expected) fail(err error) {
	if x.err == nil {
		x.err = err
	}
}

// image flattens what a reference is pinned to.
func (x *expected) image(ref string) (f *flat, digest string) {
	if x.err != nil {
		return nil, ""
	}
	digest, err := x.lock.image(ref, x.platform)
	if err == nil {
		f, err = x.umoci.flatten(digest)
	}
	if err != nil {
		x.fail(fmt.Errorf("%s: %w", ref, err))
		return nil, ""
	}
	x.settle(f)
	return f, digest
}

// lay lays t below a path, over what is there.
func (x *expected) lay(below string, t *tree) {
	for _, p := range t.paths() {
		r := *t.entries[p]
		if r.group != "" {
			r.group = below + " " + r.group
		}
		x.put(join(below, p), &r)
	}
}

// put lays one record over what is there.
func (x *expected) put(path string, r *record) {
	if _, dir := x.tree.at(parent(path)); dir != parent(path) {
		x.note(ruleLink, 1)
		path = join(dir, path[strings.LastIndexByte(path, '/')+1:])
	}
	old := x.tree.entries[path]
	if old != nil && old.kind == "symlink" && r.kind == "directory" {
		if to, _ := x.tree.at(path); to != nil && to.kind == "directory" {
			x.note(ruleLink, 1)
			return
		}
	}
	if old != nil && old.kind == "directory" && !old.made && r.made {
		x.note(ruleKept, 1)
		return
	}
	if old != nil && (old.kind == "directory") != (r.kind == "directory") {
		x.fail(fmt.Errorf("%s: a %s over a %s", path, r.kind, old.kind))
	}
	x.tree.entries[path] = r
}

// kernel lays out what the kernel's image gives.
func (x *expected) kernel(work string) {
	k := x.manifest.Kernel
	if k.Image == "" {
		return
	}
	f, _ := x.image(k.Image)
	if f == nil {
		return
	}
	defer f.discard()
	x.note(ruleKernel, 2)
	x.put("boot", madeDir(0o755))
	x.put("boot/cmdline", madeFile(0o644, k.Cmdline))
	take := func(path, name string) {
		r, _ := f.tree.at(name)
		if r == nil {
			x.fail(fmt.Errorf("%s has no %s", k.Image, name))
			return
		}
		x.note(ruleKernel, 1)
		one := x.timed(r)
		one.group, one.xattrs = "", nil
		x.put(path, one)
	}
	if k.Binary == "" {
		k.Binary = "kernel"
	}
	take("boot/kernel", k.Binary)
	if k.Ucode != "" {
		take("boot/ucode.cpio", k.Ucode)
	}
	archive := "kernel.tar"
	if k.Tar != nil {
		archive = *k.Tar
	}
	if archive == "" || archive == "none" {
		return
	}
	x.check(x.modules(filepath.Join(f.dir, archive), filepath.Join(work, "kernel.tar")))
}

func (x *expected) check(err error) {
	if err != nil {
		x.fail(err)
	}
}

// modules lays out the kernel's archive, as GNU tar unpacks it.
func (x *expected) modules(archive, dir string) error {
	if err := os.Mkdir(dir, 0o711); err != nil {
		return err
	}
	out, err := exec.Command("tar", "-xpf", archive, "-C", dir, "--xattrs", "--xattrs-include=*").CombinedOutput()
	if err != nil {
		return fmt.Errorf("unpack %s: %w: %s", archive, err, out)
	}
	defer os.RemoveAll(dir)
	t, err := readDisk(dir)
	if err != nil {
		return err
	}
	delete(t.entries, "") // the directory that it was unpacked in
	for p, r := range t.entries {
		t.entries[p] = x.timed(r)
	}
	x.note(ruleKernel, len(t.entries))
	x.lay("", t)
	return nil
}

const apkDatabase = "lib/apk/db/installed"

// init lays the init images over each other.
func (x *expected) init() {
	var databases []string
	for _, ref := range x.manifest.Init {
		f, _ := x.image(ref)
		if f == nil {
			return
		}
		t := x.imageFiles(f.tree, false)
		if r, path := t.at(apkDatabase); r != nil {
			text, err := os.ReadFile(filepath.Join(f.dir, path))
			x.check(err)
			databases = append(databases, string(text))
		}
		f.discard()
		x.lay("", t)
	}
	if len(databases) > 1 {
		x.note(ruleAPK, 1)
		for i, d := range databases[:len(databases)-1] { // an empty line stands between packages
			if !strings.HasSuffix(d, "\n\n") {
				databases[i] += "\n"
			}
		}
		x.put(apkDatabase, madeFile(0o644, strings.Join(databases, "")))
	}
}

func (x *expected) volume(v volume) {
	path := "containers/volumes/" + v.Name
	for _, d := range []string{"", "lower", "merged", "tmp"} {
		x.note(ruleVolume, 1)
		x.put(join(path, d), madeDir(0o755))
	}
	if v.Image == "" {
		return
	}
	if f, _ := x.image(v.Image); f != nil {
		f.discard()
		x.lay(path+"/lower", x.imageFiles(f.tree, false))
	}
}

// file is one of the files section.
func (x *expected) file(f file) {
	r := x.content(f)
	if r == nil {
		return
	}
	x.note(ruleFiles, 1)
	r.made = false // it was asked for: it counts over a package's
	if f.Mode != "" && r.kind != "symlink" {
		r.mode = 0
		for _, c := range strings.TrimPrefix(f.Mode, "0o") {
			r.mode = r.mode<<3 | uint32(c-'0')
		}
	}
	var err error
	r.uid, err = x.lock.id(f.UID)
	x.check(err)
	r.gid, err = x.lock.id(f.GID)
	x.check(err)
	x.put(strings.Trim(f.Path, "/"), r)
}

func (x *expected) content(f file) *record {
	switch {
	case f.Directory:
		return madeDir(0o700)
	case f.Symlink != "":
		return madeLink(f.Symlink)
	case f.Metadata != "":
		x.note(ruleMetadata, 1)
		r := madeFile(0o600, "")
		r.anything = true
		return r
	case f.Source != "" && x.lock.absent(f.Source):
		return nil
	case f.Source != "":
		text, err := os.ReadFile(filepath.Join(filepath.Dir(x.options.manifest), f.Source))
		x.check(err)
		return madeFile(0o600, string(text))
	}
	return madeFile(0o600, f.Contents)
}

// parents makes what nobody named.
func (x *expected) parents() {
	for _, p := range x.tree.paths() {
		for up := parent(p); up != "" && x.tree.entries[up] == nil; up = parent(up) {
			x.note(ruleParents, 1)
			x.tree.entries[up] = madeDir(0o755)
		}
	}
}
