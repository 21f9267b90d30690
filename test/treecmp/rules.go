package main

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"
)

// defaultModTime is the time of what compose writes itself (ARCHITECTURE, "Time").
const defaultModTime = 1492533000

// rule is one way in which compose's tree may differ from what umoci lays down.
type rule struct{ name, reason string }

// The rules by name.
const (
	ruleSeconds  = "whole seconds"
	ruleEpoch    = "clamped time"
	ruleUnnamed  = "unnamed directory"
	ruleTouched  = "touched directory"
	ruleDropped  = "dropped"
	ruleHosts    = "etc/hosts"
	ruleResolv   = "etc/resolv.conf"
	ruleMounted  = "to be mounted on"
	ruleKernel   = "kernel"
	ruleAPK      = "apk database"
	ruleKept     = "directory kept"
	ruleLink     = "through a link"
	ruleBundle   = "bundle"
	ruleShared   = "same image again"
	rulePoints   = "mount points"
	ruleVolume   = "volume"
	ruleFiles    = "files"
	ruleMetadata = "metadata"
	ruleParents  = "made parents"
)

// rules is the table of all of them. There is no other way to differ.
func rules() []rule {
	return []rule{
		{ruleSeconds, "times are whole seconds, rounded down"},
		{ruleEpoch, "no packaged file is younger than the lock's epoch"},
		{ruleUnnamed, "a directory that no layer names: umoci makes it now (the root in 1970), compose with its own time, 0755, root's"},
		{ruleTouched, "a directory in which umoci has made an unnamed one has the time of that, in compose the layer's"},
		{ruleDropped, "what an image carries of the machine that made it is dropped"},
		{ruleHosts, "etc/hosts is a fixed text in every image's files"},
		{ruleResolv, "etc/resolv.conf is a comment in containers, a link to /run in init images and volumes"},
		{ruleMounted, "dev, dev/pts, dev/shm, etc, proc, sys and etc/mtab are there in every image's files"},
		{ruleKernel, "of the kernel's image there are the kernel, its microcode and its archive's files, and the cmdline"},
		{ruleAPK, "the apk databases of several init images are one"},
		{ruleKept, "a directory that compose makes to be mounted on leaves one that a package has brought as it is"},
		{ruleLink, "what lies below a symbolic link to a directory lies where that leads"},
		{ruleBundle, "a bundle has config.json and runtime.json (their content is checked elsewhere), rootfs, and tmp unless it is readonly"},
		{ruleShared, "a later bundle of the same image has no files of its own"},
		{rulePoints, "a readonly bundle has what its config.json mounts on"},
		{ruleVolume, "a volume has lower, merged and tmp"},
		{ruleFiles, "the files section"},
		{ruleMetadata, "a metadata file holds the manifest (any content)"},
		{ruleParents, "a directory that nobody named is made 0755, root's"},
	}
}

// madeDir is a directory that compose makes.
func madeDir(mode uint32) *record {
	return &record{kind: "directory", mode: mode, mtime: defaultModTime, made: true}
}

// madeFile is a file that compose writes.
func madeFile(mode uint32, content string) *record {
	sum := sha256.Sum256([]byte(content))
	return &record{kind: "file", mode: mode, mtime: defaultModTime, size: int64(len(content)), sum: hex.EncodeToString(sum[:])}
}

func madeLink(target string) *record {
	return &record{kind: "symlink", mode: 0o777, mtime: defaultModTime, link: target}
}

const hosts = `127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::0	ip6-localnet
ff00::0	ip6-mcastprefix
ff02::1	ip6-allnodes
ff02::2	ip6-allrouters
`

const resolvConf = "# no resolver is configured: bind /etc/resolv.conf to use the system's\n"

// imageFiles returns an image's files as compose has them: in a container, or in
// the system. It changes nothing of raw.
func (x *expected) imageFiles(raw *tree, isContainer bool) *tree {
	t := newTree()
	for p, r := range raw.entries {
		t.entries[p] = x.timed(r)
	}
	for _, d := range []string{".dockerenv", "Dockerfile", "dev/console", "dev/pts", "dev/shm", "etc/hostname"} {
		x.note(ruleDropped, t.remove(t.place(d)))
	}
	for _, d := range []string{"dev", "dev/pts", "dev/shm", "etc", "proc", "sys"} {
		if r, _ := t.at(d); r == nil || r.kind != "directory" {
			x.note(ruleMounted, 1)
			t.replace(d, madeDir(0o755))
		}
	}
	if t.entries[t.place("etc/mtab")] == nil {
		x.note(ruleMounted, 1)
		t.replace("etc/mtab", madeLink("/proc/mounts"))
	}
	x.note(ruleHosts, 1)
	t.replace("etc/hosts", madeFile(0o644, hosts))
	x.note(ruleResolv, 1)
	if isContainer {
		t.replace("etc/resolv.conf", madeFile(0o644, resolvConf))
	} else {
		t.replace("etc/resolv.conf", madeLink("/run/resolvconf/resolv.conf"))
	}
	return t
}

// place is where a path of these files lies: links lead its directories elsewhere.
func (t *tree) place(path string) string {
	_, dir := t.at(parent(path))
	return join(dir, path[strings.LastIndexByte(path, '/')+1:])
}

// replace puts a record in the place of all that is at a path.
func (t *tree) replace(path string, r *record) {
	p := t.place(path)
	t.remove(p)
	t.entries[p] = r
}

// timed is a packaged record with the time that compose gives it.
func (x *expected) timed(raw *record) *record {
	r := *raw
	r.xattrs = maps.Clone(raw.xattrs)
	switch {
	case r.made:
		return &r
	case x.lock.Timestamps == "fixed":
		r.mtime, r.nsec = defaultModTime, 0
		return &r
	}
	if r.nsec != 0 {
		x.note(ruleSeconds, 1)
		r.nsec = 0
	}
	if r.mtime > x.lock.Epoch {
		x.note(ruleEpoch, 1)
		r.mtime = x.lock.Epoch
	}
	return &r
}

// remove takes out a path and all below it, and returns how many that were.
func (t *tree) remove(path string) int {
	n := 0
	for p := range t.entries {
		if p == path || strings.HasPrefix(p, path+"/") {
			delete(t.entries, p)
			n++
		}
	}
	return n
}
