package pkg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/pkg"
	"github.com/composeos/compose/compose/pkg/debian/debtest"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
)

// paths lists an image of a source without what is in every one with packages.
func (r *room) paths(s *pkg.Source) string {
	r.t.Helper()
	var lines []string
	for line := range strings.Lines(listing(r.t, r.openImage(r.build(s)).layer)) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 5)
		name := words[4]
		if !strings.HasPrefix(name, "var/") && !strings.HasPrefix(name, "etc/") && words[0] != "5" && !strings.Contains(name, "/copyright") {
			lines = append(lines, name)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestDebs(t *testing.T) {
	lib := debtest.Package{Name: "lib1", Files: rootfstest.Parse(`
		file usr/lib/a/liba.so.1.2 a
		sym  usr/lib/a/liba.so.1 liba.so.1.2
		file usr/share/doc/lib1/copyright free
		file usr/share/doc/lib1/README long
		file usr/share/same same mtime=5`)}
	same := ofText("same", "file usr/share/same same mtime=6\nfile usr/share/only x")
	other := ofText("other", "file usr/share/same different")
	owned := ofText("owned", "file usr/share/same same uid=3")
	folder := ofText("folder", "file usr/share/same/inner x")
	linked := debtest.Package{Name: "linked", Files: rootfstest.Parse("file usr/bin/linked x\nsym usr/share/doc/linked lib1")}
	direct := debtest.Package{Name: "direct", Files: rootfstest.Parse("file usr/bin/direct x\nsym usr/share/doc/direct/copyright ../lib1/copyright")}
	bare := debtest.Package{Name: "bare", Files: rootfstest.Parse("file usr/bin/bare x")}
	top := ofText("top", "file opt/x x\nfile usr/sbin/y y\nfile usr/libexec/z z")
	unmerged := ofText("unmerged", "file bin/sh x\nfile usr/bin/env y")
	repository := debtest.New(t, lib, same, other, owned, folder, linked, direct, bare, top, unmerged)
	for _, tt := range []struct {
		name, debs, more string
		want             string // the listing, or
		err              []string
	}{
		{"all of one", "[lib1]", "", "lib -> usr/lib\nusr/lib/a/liba.so.1 -> liba.so.1.2\nusr/lib/a/liba.so.1.2 \"a\"\nusr/share/doc/lib1/README \"long\"\nusr/share/same \"same\"\n", nil},
		{"included", "[lib1]", "include: [\"usr/lib/**\"]", "lib -> usr/lib\nusr/lib/a/liba.so.1 -> liba.so.1.2\nusr/lib/a/liba.so.1.2 \"a\"\n", nil},
		{"included and excluded", "[lib1]", "include: [\"usr/lib/*/*\"]\n  exclude: [\"**/*.so.1\"]", "lib -> usr/lib\nusr/lib/a/liba.so.1.2 \"a\"\n", nil},
		{"all excluded", "[lib1]", "exclude: [\"**\"]", "\n", nil},
		{"the same file of two", "[lib1, same]", "include: [\"usr/share/s*\", usr/share/only]", "usr/share/only \"x\"\nusr/share/same \"same\"\n", nil},
		{"another content", "[lib1, other]", "", "", []string{"usr/share/same is in lib1 and, different, in other: exclude it"}},
		{"another content, excluded", "[lib1, other]", "include: [usr/lib/a/*]", "lib -> usr/lib\nusr/lib/a/liba.so.1 -> liba.so.1.2\nusr/lib/a/liba.so.1.2 \"a\"\n", nil},
		{"another owner", "[lib1, owned]", "", "", []string{"usr/share/same is in lib1 and, different, in owned"}},
		{"a folder in its place", "[folder, lib1]", "", "", []string{"usr/share/same"}},
		{"copyright by a link", "[lib1, linked]", "include: [usr/bin/*]", "bin -> usr/bin\nusr/bin/linked \"x\"\nusr/share/doc/linked -> lib1\n", nil},
		{"copyright by a link of the file", "[direct, lib1]", "include: [usr/bin/*]", "bin -> usr/bin\nusr/bin/direct \"x\"\n", nil},
		{"copyright of another package", "[linked]", "", "", []string{"build.yml:1:1: debs: linked: its copyright file is that of lib1, which is not among packages: add it"}},
		{"copyright file of another package", "[direct]", "", "", []string{"debs: direct: it has no copyright file"}},
		{"no copyright", "[bare]", "", "", []string{"debs: bare: it has no copyright file"}},
		{"links of usr", "[top]", "", "opt/x \"x\"\nsbin -> usr/sbin\nusr/libexec/z \"z\"\nusr/sbin/y \"y\"\n", nil},
		{"bin of its own", "[unmerged]", "", "bin/sh \"x\"\nusr/bin/env \"y\"\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, repository)
			s := r.locked("a", "image: a\narches: [amd64]\ndebs:\n  suite: trixie\n  packages: "+tt.debs+"\n  "+tt.more+"\n")
			if tt.err != nil {
				_, err := r.Build(t.Context(), s, nil, false)
				wants(t, err, tt.err...)
				return
			}
			if got := r.paths(s); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	debs := ofText("tool", "file usr/bin/tool x\nsym usr/bin/alias tool\nfile usr/share/tool/data d\nsym usr/share/out ../../nowhere")
	debs.Files = executable(debs.Files, "usr/bin/tool")
	repository := debtest.New(t, debs)
	for _, tt := range []struct {
		name, files string
		want        string
		err         []string
	}{
		{"wins over a package", `{path: usr/bin/tool, contents: mine}`, `0 0644 0:0 usr/bin/tool "mine"`, nil},
		{"from of what is not included", `{path: usr/bin/data, from: usr/share/tool/data}`, `0 0644 0:0 usr/bin/data "d"`, nil},
		{"from by a link, of a program", `{path: usr/bin/t2, from: usr/bin/alias}`, `0 0755 0:0 usr/bin/t2 "x"`, nil},
		{"from with a mode", `{path: usr/bin/t2, from: /usr/bin/tool, mode: "0500", uid: 1}`, `0 0500 1:0 usr/bin/t2 "x"`, nil},
		{"from that of a package", `{path: usr/a, from: "tool:usr/share/tool/data"}`, `0 0644 0:0 usr/a "d"`, nil},
		{"from what a package does not have", `{path: a, from: "tool:usr/none"}`, "", []string{"build.yml:7:4: files: a: from: tool does not have a file usr/none"}},
		{"from nothing", `{path: a, from: usr/bin/none}`, "", []string{"build.yml:7:4: files: a: from: none of the packages has a file usr/bin/none"}},
		{"from a folder", `{path: a, from: usr/share}`, "", []string{"from: none of the packages has a file usr/share"}},
		{"from a link to nowhere", `{path: a, from: usr/share/out}`, "", []string{"from: "}},
		{"a file beside it", `{path: usr/bin/s, source: script}`, `0 0755 0:0 usr/bin/s "#!/bin/tool\n"`, nil},
		{"a link to a file", `{path: usr/bin/s, source: link, mode: "0644"}`, `0 0644 0:0 usr/bin/s "#!/bin/tool\n"`, nil},
		{"a folder", `{path: usr/bin/f, source: folder}`, `0 0644 0:0 usr/bin/f/deep/x "x"`, nil},
		{"a link to a folder", `{path: usr/bin/f, source: folderlink, uid: 4}`, `0 0644 4:0 usr/bin/f/deep/x "x"`, nil},
		{"a source that is not there", `{path: a, source: none}`, "", []string{"build.yml:7:4: files: a: source: ", "no such file"}},
		{"below a link of usr", `{path: bin/s, contents: ""}`, `0 0644 0:0 usr/bin/s ""`, nil},
		{"a file where a folder is", `{path: usr/share, contents: x}`, "", []string{"build.yml:1:1: ", "usr/share"}},
		{"the source's own os-release", `{path: etc/os-release, contents: mine}`, `0 0644 0:0 etc/os-release "mine"`, nil},
		{"a directory", `{path: usr/bin/, directory: true, mode: "0700"}`, `5 0700 0:0 usr/bin/`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, repository)
			r.write("pkgs/a/script", "#!/bin/tool\n")
			r.write("pkgs/a/folder/deep/x", "x")
			here := func(name string) string { return filepath.Join(r.dir, "pkgs/a", name) }
			for _, err := range []error{os.Chmod(here("script"), 0o755), os.Symlink("script", here("link")), os.Symlink("folder", here("folderlink"))} {
				if err != nil {
					t.Fatal(err)
				}
			}
			r.source("a", "image: a\narches: [amd64]\ndebs: {suite: trixie, packages: [tool], include: [usr/bin/*]}\n")
			r.lock(false)
			s := r.source("a", "image: a\narches: [amd64]\ndebs: {suite: trixie, packages: [tool], include: [usr/bin/*]}\n\nfiles:\n\n - "+tt.files+"\n")
			made, err := r.Build(t.Context(), s, nil, false)
			if tt.err != nil {
				wants(t, err, tt.err...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var plain strings.Builder
			for line := range strings.Lines(listing(t, r.openImage(made).layer)) {
				w := strings.SplitN(line, " ", 5)
				plain.WriteString(strings.Join([]string{w[0], w[1], w[2], w[4]}, " "))
			}
			if !strings.Contains(plain.String(), "\n"+tt.want+"\n") {
				t.Errorf("no %s in\n%s", tt.want, &plain)
			}
		})
	}
}

// TestClosed plants what each check of the whole is for.
func TestClosed(t *testing.T) {
	const loader = "usr/lib64/ld.so"
	app := func(name, interp string, needed ...string) debtest.Package {
		p := ofText(name, "")
		p.Files = append(p.Files, entry("usr/bin/"+name, 0o755, debtest.Program(interp, needed...)))
		return p
	}
	lib := ofText("lib1", "")
	lib.Files = append(lib.Files, entry(loader, 0o755, debtest.Program("")), entry("usr/lib/x86_64-linux-gnu/libone.so.1", 0o644, debtest.Program("")))
	script := ofText("script", "")
	script.Files = append(script.Files, entry("usr/bin/script", 0o755, "#!/usr/bin/perl -w\n"))
	damaged := ofText("damaged", "")
	damaged.Files = append(damaged.Files, entry("usr/bin/damaged", 0o755, "\x7fELF\x09"+debtest.Program("")[5:]))
	repository := debtest.New(t, lib, script, damaged,
		app("good", "/lib64/ld.so", "libone.so.1"), app("alone", "/lib64/ld.so", "libone.so.1"), app("two", "/lib64/ld.so", "libtwo.so.2"))
	for _, tt := range []struct {
		name, packages, more string
		err                  []string
	}{
		{"closed", "[good, lib1]", "", nil},
		{"no interpreter, no library", "[alone]", "", []string{"build.yml:1:1: usr/bin/alone needs /lib64/ld.so", "usr/bin/alone needs libone.so.1"}},
		{"no library", "[lib1, two]", "", []string{"usr/bin/two needs libtwo.so.2"}},
		{"no interpreter of a script", "[script]", "", []string{"usr/bin/script needs /usr/bin/perl"}},
		{"damaged", "[damaged]", "", []string{"usr/bin/damaged: damaged ELF file"}},
		{"no place to mount on", "[lib1]", "config: {readonly: true, binds: [\"/x:/srv\"], tmpfs: [\"/run:size=1m\"], mounts: [{type: tmpfs, destination: /a/b}]}", []string{
			"config: binds: the image has no /srv to mount on, and is read-only: add it to files",
			"config: tmpfs: the image has no /run to mount on", "config: mounts: the image has no /a/b to mount on",
		}},
		{"a place in every container", "[lib1]", "config: {readonly: true, binds: [\"/a:/etc/resolv.conf\", \"/dev:/dev/x\"], tmpfs: [/proc/x]}", nil},
		{"a place behind a link", "[lib1]", "config: {readonly: true, binds: [\"/a:/lib/x86_64-linux-gnu\"]}", nil},
		{"a place behind a circle", "[lib1]", "links: [{to: b, in: x, names: [a]}, {to: a, in: x, names: [b]}]\nconfig: {readonly: true, tmpfs: [/x/a/c]}", []string{"config: tmpfs: /x/a/c: "}},
		{"writable", "[lib1]", "config: {binds: [\"/x:/srv\"]}", nil},
		{"concat of nothing", "[lib1]", "steps: [{concat: {out: a, of: [\"etc/*.crt\"]}}]", []string{"build.yml:4:9: steps[0]: concat: no file matches etc/*.crt"}},
		{"no kernel", "[lib1]", "steps: [{kernel: {}}]", []string{"build.yml:4:9: steps[0]: no boot/vmlinuz-"}},
		{"no microcode", "[lib1]", "steps: [{microcode: {out: ucode.cpio}}]", []string{"steps[0]: no usr/lib/firmware/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, repository)
			s := r.locked("a", "image: a\narches: [amd64]\ndebs: {suite: trixie, packages: "+tt.packages+"}\n"+tt.more+"\n")
			_, err := r.Build(t.Context(), s, nil, false)
			if tt.err == nil && err != nil {
				t.Error(err)
			}
			if tt.err != nil {
				wants(t, err, tt.err...)
			}
		})
	}
}

// TestAccounts holds etc/passwd and etc/group.
func TestAccounts(t *testing.T) {
	for _, tt := range []struct{ name, build, passwd, group string }{
		{"a group alone", "groups: [{name: tty, gid: 5}]", "root:x:0:0::/root:/bin/sh\n", "root:x:0:\ntty:x:5:\n"},
		{
			"a user of a named group", "users: [{name: a, uid: 1, gid: 9, home: /h, shell: /s}]\ngroups: [{name: nogroup, gid: 9}]",
			"root:x:0:0::/root:/bin/sh\na:x:1:9::/h:/s\n", "root:x:0:\nnogroup:x:9:\n",
		},
		{
			"a root of its own", "users: [{name: root, uid: 0, gid: 0, home: /r, shell: /bin/bash}]",
			"root:x:0:0::/r:/bin/bash\n", "root:x:0:\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRoom(t, nil)
			got := listing(t, r.openImage(r.build(r.source("a", "image: a\n"+tt.build+"\n"))).layer)
			want := []string{"etc/", "etc/group " + quoted(tt.group), "etc/passwd " + quoted(tt.passwd)}
			for _, line := range want {
				if !strings.Contains(got, " "+line+"\n") {
					t.Errorf("no %s in\n%s", line, got)
				}
			}
			if strings.Count(got, "\n") != len(want) {
				t.Errorf("more than that:\n%s", got)
			}
		})
	}
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, "\n", `\n`) + `"` }

// TestReplacedHardLink keeps a hard link where its first name is replaced.
func TestReplacedHardLink(t *testing.T) {
	debs := ofText("two", "file usr/bin/a same inode=1\nfile usr/bin/b same inode=1")
	r := newRoom(t, debtest.New(t, debs))
	s := r.locked("two", "image: two\narches: [amd64]\ndebs: {suite: trixie, packages: [two]}\nfiles: [{path: usr/bin/a, contents: other}]\n")
	if got, want := r.paths(s), "bin -> usr/bin\nusr/bin/a \"other\"\nusr/bin/b \"same\"\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
