package compose_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
	"github.com/composeos/compose/spec"
)

// base are images that most tests use.
var base = map[string]testImage{
	"docker.io/library/kernel:1": {layers: []string{"file kernel vmlinuz\nfile System.map left-out\nfile ucode microcode\nfile kernel.tar " + "-"}, created: 50},
	"docker.io/library/init:1":   {layers: []string{"dir bin 0755\nfile bin/init busybox\nsym init bin/init\nfile lib/apk/db/installed P:init\nfile etc/passwd root"}, created: 100},
	"docker.io/library/runc:1":   {layers: []string{"file usr/bin/runc x\nfile lib/apk/db/installed P:runc"}, created: 90},
	"docker.io/library/web:1":    {layers: []string{"file bin/web v1", "file bin/web v2\nfile bin/httpd v2"}, cmd: []string{"/bin/web"}, created: 80},
	"docker.io/library/merged:1": {layers: []string{"sym lib usr/lib\nfile usr/lib/apk/db/installed P:merged"}},
	"docker.io/library/data:1":   {layers: []string{"file index hello"}},
}

func TestBuildLaysOut(t *testing.T) {
	for _, c := range []struct {
		name, manifest, want string
	}{
		{"nothing but files, parents made", "files: [{path: etc/deep/motd, contents: hello, mode: \"0644\"}]", `
			dir etc/deep 0755
			file etc/deep/motd hello`},
		{"a kernel without modules", `kernel: {image: "kernel:1", cmdline: "console=tty0", tar: none, ucode: ucode}`, `
			dir boot 0755
			file boot/cmdline console=tty0
			file boot/kernel vmlinuz
			file boot/ucode.cpio microcode`},
		{"init images share one apk database", `init: ["init:1", "runc:1"]`, `
			dir bin 0755
			file bin/init busybox
			file etc/passwd root
			sym init bin/init
			dir lib 0755
			dir lib/apk 0755
			dir lib/apk/db 0755
			file lib/apk/db/installed P:init
			P:runc
			dir usr 0755
			dir usr/bin 0755
			file usr/bin/runc x`},
		{"also where lib is a link", `init: ["merged:1", "runc:1"]`, `
			sym lib usr/lib
			dir usr 0755
			dir usr/bin 0755
			file usr/bin/runc x
			dir usr/lib 0755
			dir usr/lib/apk 0755
			dir usr/lib/apk/db 0755
			file usr/lib/apk/db/installed P:merged
			P:runc`},
		{"a writable service", `services: [{name: web, image: "web:1"}]`, `
			dir containers 0755
			dir containers/services 0755
			dir containers/services/web 0755
			file containers/services/web/config.json {}
			dir containers/services/web/lower 0755
			dir containers/services/web/lower/bin 0755
			file containers/services/web/lower/bin/httpd v2
			file containers/services/web/lower/bin/web v2
			dir containers/services/web/rootfs 0755
			file containers/services/web/runtime.json {}
			dir containers/services/web/tmp 0755`},
		{"what runs in order is numbered, and the same image is there once", `{onboot: [{name: b, image: "web:1"}], onshutdown: [{name: a, image: "web:1"}]}`, `
			dir containers 0755
			dir containers/onboot 0755
			dir containers/onboot/000-b 0755
			file containers/onboot/000-b/config.json {}
			dir containers/onboot/000-b/lower 0755
			dir containers/onboot/000-b/lower/bin 0755
			file containers/onboot/000-b/lower/bin/httpd v2
			file containers/onboot/000-b/lower/bin/web v2
			dir containers/onboot/000-b/rootfs 0755
			file containers/onboot/000-b/runtime.json {}
			dir containers/onboot/000-b/tmp 0755
			dir containers/onshutdown 0755
			dir containers/onshutdown/000-a 0755
			file containers/onshutdown/000-a/config.json {}
			dir containers/onshutdown/000-a/rootfs 0755
			file containers/onshutdown/000-a/runtime.json {}
			dir containers/onshutdown/000-a/tmp 0755`},
		{"volumes, empty and filled", `volumes: [{name: blank}, {name: full, image: "data:1"}]`, `
			dir containers 0755
			dir containers/volumes 0755
			dir containers/volumes/blank 0755
			dir containers/volumes/blank/lower 0755
			dir containers/volumes/blank/merged 0755
			dir containers/volumes/blank/tmp 0755
			dir containers/volumes/full 0755
			dir containers/volumes/full/lower 0755
			file containers/volumes/full/lower/index hello
			dir containers/volumes/full/merged 0755
			dir containers/volumes/full/tmp 0755`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := newWorkshop(t, base).build(c.manifest)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rootfstest.Lines(c.want), list(r.Tree)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestMountPoints holds that a readonly container gets the mount points that it
// lacks, of the type of their source, and a writable one none.
func TestMountPoints(t *testing.T) {
	w := newWorkshop(t, base)
	r, err := w.build(`
init: ["init:1"]
services:
- {name: ro, image: "web:1", readonly: true, binds: ["/etc/passwd:/conf/passwd", "/bin:/tools", "/later:/later", "/bin/init:/bin/web"]}
- {name: rw, image: "web:1", binds: ["/etc/passwd:/conf/passwd"]}
- {name: same, image: "web:1", readonly: true, binds: ["/bin:/tools", "/later:/later", "/etc/passwd:/conf/passwd"]}
- {name: none, image: "web:1", readonly: true}
`)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]rootfs.Type{
		"containers/services/ro/rootfs/conf/passwd": rootfs.File,
		"containers/services/ro/rootfs/tools":       rootfs.Dir,
		"containers/services/ro/rootfs/later":       rootfs.Dir,
		"containers/services/ro/rootfs/bin/web":     rootfs.File,
		"containers/services/rw/lower/conf":         0,
		"containers/services/rw/lower/bin/web":      rootfs.File,
		"containers/services/same/rootfs":           rootfs.Dir,
		"containers/services/same/rootfs/bin":       0, // the copy in ro has the mount points it needs
		"containers/services/none/rootfs/bin":       0, // as rw's copy has: none
	} {
		var got rootfs.Type
		if e := r.Tree.At(path); e != nil {
			got = e.Type
		}
		if got != want {
			t.Errorf("%s is a %s, want %s", path, got, want)
		}
	}
	if len(r.Notices) != 2 || !strings.Contains(r.Notices[0].What, "/later") {
		t.Errorf("notices: %v, want one of /later for each of ro and same", r.Notices)
	}
	if got := read(t, r.Tree, "containers/services/same/runtime.json"); !strings.Contains(got, "/containers/services/ro/rootfs") {
		t.Errorf("same does not point to ro's copy: %s", got)
	}
}

func read(t *testing.T, tree *rootfs.Tree, path string) string {
	t.Helper()
	e := tree.At(path)
	if e == nil || e.Body == nil {
		t.Fatalf("%s is not there, or empty", path)
	}
	text, err := io.ReadAll(io.NewSectionReader(e.Body, 0, e.Size))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFiles(t *testing.T) {
	w := newWorkshop(t, base)
	w.write("conf/net", "from a file")
	w.write("home/key", "from home")
	r, err := w.build(`
services: [{name: web, image: "web:1"}]
files:
- {path: /etc/net, source: conf/net, mode: "0640", uid: web, gid: 7}
- {path: root/key, source: "~/key"}
- {path: etc/none, source: conf/none, optional: true}
- {path: etc/twice, contents: first}
- {path: etc/twice, contents: second}
- {path: var/lib/web, directory: true, uid: root}
- {path: etc/link, symlink: /etc/net}
- {path: etc/empty, contents: ""}
- {path: etc/manifest, metadata: yaml}
`)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]rootfs.Entry{
		"etc/net":     {Type: rootfs.File, Mode: 0o640, UID: 100, GID: 7, Size: 11},
		"root/key":    {Type: rootfs.File, Mode: 0o600, Size: 9},
		"etc/twice":   {Type: rootfs.File, Mode: 0o600, Size: 6},
		"var/lib/web": {Type: rootfs.Dir, Mode: 0o700},
		"var/lib":     {Type: rootfs.Dir, Mode: 0o755},
		"etc":         {Type: rootfs.Dir, Mode: 0o755},
		"etc/link":    {Type: rootfs.Symlink, Mode: 0o777, Link: "/etc/net"},
		"etc/empty":   {Type: rootfs.File, Mode: 0o600},
	} {
		e := r.Tree.At(path)
		if e == nil {
			t.Errorf("%s is not there", path)
			continue
		}
		got := rootfs.Entry{Type: e.Type, Mode: e.Mode, UID: e.UID, GID: e.GID, Size: e.Size, Link: e.Link}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
	if r.Tree.At("etc/none") != nil {
		t.Error("an optional file that does not exist is there")
	}
	if got := read(t, r.Tree, "etc/net"); got != "from a file" {
		t.Errorf("etc/net holds %q", got)
	}
	if got := read(t, r.Tree, "etc/manifest"); !strings.Contains(got, "docker.io/library/web:1") {
		t.Errorf("etc/manifest does not hold the merged manifest: %s", got)
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, c := range []struct{ name, manifest, want string }{
		{"a kernel image without a kernel", `kernel: {image: "init:1", tar: none}`, "kernel: docker.io/library/init:1 has no file kernel"},
		{"a kernel image without modules", `kernel: {image: "web:1", binary: bin/web}`, `kernel: docker.io/library/web:1 has no file kernel.tar; "tar: none" says that there is none`},
		{"a kernel that is a directory", `kernel: {image: "init:1", binary: bin, tar: none}`, "kernel: docker.io/library/init:1: bin is a directory, not a file"},
		{"modules that are no tar", `kernel: {image: "kernel:1"}`, "kernel: kernel.tar: "},
		{"a volume that there is not", `services: [{name: web, image: "web:1", binds: ["data:/data"]}]`, `services[0] web: binds: data:/data: no volume is called "data"`},
		{"a file over a directory", `{init: ["init:1"], files: [{path: bin, contents: x}]}`, "bin: files brings a file where init[0] docker.io/library/init:1 has a directory"},
		{"an image that is nowhere", `init: ["gone:1"]`, "init[0]: docker.io/library/gone:1: not found"},
		{"a user that is no container", `files: [{path: a, contents: x, uid: nobody}]`, `no container is called "nobody"`},
		{"a source that is not there", `files: [{path: a, source: gone}]`, "files[0] a: source: open "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := newWorkshop(t, base).build(c.manifest)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// TestBuildHoldsToTheLock holds that a source which has other bytes than the
// lock pins is refused.
func TestBuildHoldsToTheLock(t *testing.T) {
	const manifest = `init: ["init:1"]`
	w := newWorkshop(t, base)
	m := w.parse(manifest)
	for _, c := range []struct {
		name   string
		change func(*spec.LockedPlatform)
		want   string
	}{
		{"manifest", func(p *spec.LockedPlatform) { p.Manifest = spec.DigestOf(nil) }, "the lock pins manifest"},
		{"config", func(p *spec.LockedPlatform) { p.Config = spec.DigestOf(nil) }, "the lock pins config"},
		{"layers", func(p *spec.LockedPlatform) { p.Layers[0].DiffID = spec.DigestOf(nil) }, "the lock pins other layers"},
	} {
		lock, _, err := w.resolve(m, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := lock.Images[0].Platforms["linux/amd64"]
		c.change(&p)
		lock.Images[0].Platforms["linux/amd64"] = p
		if _, err := w.buildLocked(m, lock); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
	var unpinned *compose.UnpinnedError
	if _, err := w.buildLocked(m, &spec.Lock{}); !errors.As(err, &unpinned) {
		t.Errorf("an empty lock: %v", err)
	}
}

// TestSourceThatChanges holds that a source which is edited after it was
// recorded is refused.
func TestSourceThatChanges(t *testing.T) {
	w := newWorkshop(t, nil)
	w.write("motd", "hello")
	m := w.parse("files: [{path: etc/motd, source: motd}]")
	lock, _, err := w.resolve(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.write("motd", "other")
	if _, err := w.buildLocked(m, lock); err == nil || !strings.Contains(err.Error(), "motd") {
		t.Errorf("error %v, want one of motd", err)
	}
}

func TestConflicts(t *testing.T) {
	images := map[string]testImage{
		"docker.io/library/a:1": {layers: []string{"file etc/x one"}},
		"docker.io/library/b:1": {layers: []string{"file etc/x two"}},
	}
	r, err := newWorkshop(t, images).build(`init: ["a:1", "b:1"]`)
	if err != nil {
		t.Fatal(err)
	}
	want := []rootfs.Conflict{{Path: "etc/x", Loser: "init[0] docker.io/library/a:1", Winner: "init[1] docker.io/library/b:1"}}
	if d := cmp.Diff(want, r.Conflicts); d != "" {
		t.Error(d)
	}
}
