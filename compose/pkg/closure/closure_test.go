package closure_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/pkg/closure"
	"github.com/composeos/compose/compose/rootfs"
)

const loader = "/lib64/ld-linux-x86-64.so.2"

// program is an executable that needs libraries.
func program(needed ...string) object {
	return object{kind: elf.ET_EXEC, interp: loader, needed: needed}
}

// system is a root with Debian's links, the loader and a C library, and more.
func system(more ...*rootfs.Entry) []*rootfs.Entry {
	link := func(path, to string) *rootfs.Entry {
		return &rootfs.Entry{Path: path, Type: rootfs.Symlink, Link: to}
	}
	entries := append([]*rootfs.Entry{
		link("lib", "usr/lib"), link("lib64", "usr/lib64"), link("bin", "usr/bin"),
		link("usr/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), file("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", object{}.bytes()),
		link("usr/lib/x86_64-linux-gnu/libc.so.6", "libc-2.so"), file("usr/lib/x86_64-linux-gnu/libc-2.so", object{needed: []string{"ld-linux-x86-64.so.2"}}.bytes()),
	}, more...)
	slices.SortFunc(entries, func(a, b *rootfs.Entry) int { return rootfs.Compare(a.Path, b.Path) })
	return entries
}

// mode sets the permissions of an entry.
func mode(e *rootfs.Entry, mode uint32) *rootfs.Entry {
	e.Mode = mode
	return e
}

// TestCheck has what is fine, and what is missing.
func TestCheck(t *testing.T) {
	const gone = ", which is not in the image: add the package that has it, or its files to include"
	lib, script := object{}.bytes(), func(line string) []byte { return []byte(line + "\nexit\n") }
	i386 := object{machine: elf.EM_386, narrow: true}.bytes()
	for _, c := range []struct {
		name  string
		add   []*rootfs.Entry
		known []string
		want  []string
	}{
		{name: "a program and its library", add: []*rootfs.Entry{file("usr/bin/x", program("libc.so.6").bytes())}},
		{name: "a static program", add: []*rootfs.Entry{file("usr/bin/x", object{kind: elf.ET_EXEC}.bytes())}},
		{
			name: "a missing library", add: []*rootfs.Entry{file("usr/sbin/nginx", program("libc.so.6", "libpcre2-8.so.0", "libz.so.1").bytes())},
			want: []string{"usr/sbin/nginx needs libpcre2-8.so.0 (DT_NEEDED)" + gone, "usr/sbin/nginx needs libz.so.1 (DT_NEEDED)" + gone},
		},
		{name: "a missing library that others bring", add: []*rootfs.Entry{file("usr/sbin/x", program("libz.so.1").bytes())}, known: []string{"libz.so.1"}},
		{name: "a library's library", add: []*rootfs.Entry{mode(file("usr/lib/a.so", object{needed: []string{"b.so"}}.bytes()), 0o644)}, want: []string{"usr/lib/a.so needs b.so (DT_NEEDED)" + gone}},
		{name: "a library elsewhere", add: []*rootfs.Entry{file("opt/b.so", lib), file("usr/bin/x", program("b.so").bytes())}, want: []string{"usr/bin/x needs b.so (DT_NEEDED)" + gone}},
		{name: "a link that leads nowhere", add: []*rootfs.Entry{{Path: "usr/lib/b.so", Type: rootfs.Symlink, Link: "b.so.1"}, file("usr/bin/x", program("b.so").bytes())}, want: []string{"usr/bin/x needs b.so (DT_NEEDED)" + gone}},
		{name: "links in a circle", add: []*rootfs.Entry{{Path: "usr/lib/b.so", Type: rootfs.Symlink, Link: "b.so"}, file("usr/bin/x", program("b.so").bytes())}, want: []string{"usr/bin/x needs b.so (DT_NEEDED)" + gone}},
		{name: "for another machine", add: []*rootfs.Entry{file("usr/lib/b.so", object{machine: elf.EM_AARCH64}.bytes()), file("usr/bin/x", program("b.so").bytes())}, want: []string{
			"usr/bin/x needs b.so (DT_NEEDED), which the image has for another machine only", "usr/lib/b.so: an ELF file for AARCH64 64-bit, not for amd64",
		}},
		{name: "with 32 bits before", add: []*rootfs.Entry{file("opt/b.so", i386), file("usr/lib/b.so", lib), file("usr/bin/x", object{interp: loader, needed: []string{"b.so"}, runpath: "/opt"}.bytes())}, want: []string{"opt/b.so: an ELF file for 386 32-bit, not for amd64"}},
		{name: "DT_RUNPATH", add: []*rootfs.Entry{file("opt/x/lib/b.so", lib), file("opt/x/bin/x", object{interp: loader, needed: []string{"b.so"}, runpath: "/no:${ORIGIN}/../lib"}.bytes())}},
		{name: "DT_RPATH", add: []*rootfs.Entry{file("opt/x/b.so", lib), file("opt/x/x", object{interp: loader, needed: []string{"b.so"}, rpath: "$ORIGIN"}.bytes())}},
		{name: "DT_RPATH beside DT_RUNPATH", add: []*rootfs.Entry{file("opt/b.so", lib), file("opt/x", object{interp: loader, needed: []string{"b.so"}, rpath: "$ORIGIN", runpath: "/no"}.bytes())}, want: []string{"opt/x needs b.so (DT_NEEDED)" + gone}},
		{name: "a plugin of what has a DT_RUNPATH", add: []*rootfs.Entry{file("opt/b.so", lib), file("opt/x", object{interp: loader, needed: []string{"b.so"}, runpath: "/opt"}.bytes()), file("usr/lib/p/plugin.so", object{needed: []string{"b.so"}}.bytes())}},
		{name: "ld.so.conf without a cache", add: []*rootfs.Entry{file("etc/ld.so.conf", []byte("/opt\n")), file("opt/b.so", lib), file("usr/bin/x", program("b.so").bytes())}, want: []string{"usr/bin/x needs b.so (DT_NEEDED)" + gone}},
		{name: "ld.so.conf", add: []*rootfs.Entry{
			file("etc/ld.so.cache", []byte("x")), file("etc/ld.so.conf", []byte("include ld.so.conf.d/*.conf\n")), file("etc/ld.so.conf.d/a.conf", []byte("# a\n/opt # b\n")),
			file("opt/b.so", lib), file("usr/bin/x", program("b.so").bytes()),
		}},
		{name: "ld.so.conf that includes itself", add: []*rootfs.Entry{file("etc/ld.so.cache", []byte("x")), file("etc/ld.so.conf", []byte("include /etc/ld.so.conf /etc/*.conf\n"))}},
		{name: "a path", add: []*rootfs.Entry{file("opt/b.so", lib), file("usr/bin/x", program("/opt/b.so", "/opt/c.so").bytes())}, want: []string{"usr/bin/x needs /opt/c.so (DT_NEEDED)" + gone}},
		{name: "a path beside", add: []*rootfs.Entry{file("opt/lib/b.so", lib), file("opt/bin/x", program("$ORIGIN/../lib/b.so").bytes())}},
		{name: "a missing interpreter", add: []*rootfs.Entry{file("usr/bin/x", object{interp: "/lib/ld-musl-x86_64.so.1"}.bytes())}, want: []string{"usr/bin/x needs /lib/ld-musl-x86_64.so.1 (PT_INTERP)" + gone}},
		{name: "musl", add: []*rootfs.Entry{
			file("usr/lib/ld-musl-x86_64.so.1", lib), file("usr/local/lib/b.so", lib), file("usr/bin/x", object{interp: "/lib/ld-musl-x86_64.so.1", needed: []string{"b.so", "c.so"}}.bytes()),
			file("etc/ld-musl-x86_64.path", []byte("/opt\n")), file("opt/c.so", lib),
		}},
		{name: "not judged", add: []*rootfs.Entry{
			file("usr/lib/modules/6/vdso/vdso32.so", i386), file("usr/lib/firmware/x.elf", i386), file("usr/lib/debug/x", program("no").bytes()),
			file("usr/lib/x.o", i386), file("usr/lib/syslinux/ldlinux.c32", i386), file("usr/share/doc/x/x.pl", script("#!/no")),
			file("usr/lib/rel", object{kind: elf.ET_REL, needed: []string{"no"}}.bytes()),
			{Path: "usr/lib/empty", Type: rootfs.File, Mode: 0o755},
		}},
		{name: "a hard link", add: []*rootfs.Entry{{Path: "usr/lib/b.so", Type: rootfs.HardLink, Link: "usr/lib/x86_64-linux-gnu/libc-2.so"}, file("usr/bin/x", program("b.so").bytes())}},
		{name: "scripts", add: []*rootfs.Entry{
			file("usr/bin/sh", object{kind: elf.ET_EXEC}.bytes()), file("usr/bin/env", object{kind: elf.ET_EXEC}.bytes()), file("a", script("#! /bin/sh -e")), file("b", script("#!/usr/bin/env -S FOO=1 sh -e")),
			file("c", script("#!")), mode(file("d", script("#!/no/interpreter")), 0o644), file("e", script("#!/usr/bin/env perl")), file("f", script("#!/usr/bin/python3")), file("g", script("#!perl")),
		}, want: []string{
			"e needs perl (#! with env)" + gone, "f needs /usr/bin/python3 (#!)" + gone, "g needs perl (#!), which is not an absolute path: it is found from some directories only",
		}},
		{name: "a shell that others bring", add: []*rootfs.Entry{file("a", script("#!/bin/sh"))}, known: []string{"/bin/sh"}},
		{name: "damaged", add: []*rootfs.Entry{file("usr/bin/x", program("b.so").bytes()[:100]), file("usr/bin/y", []byte("\x7fELF\x09"))}, want: []string{
			"usr/bin/x: damaged ELF file: a name at byte 286", "usr/bin/y: damaged ELF file: class 9",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, err := range closure.Check(system(c.add...), closure.Options{Arch: "amd64", Known: c.known}) {
				got = append(got, err.Error())
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// broken fails to read.
type broken struct{}

var errBroken = errors.New("the disk is broken")

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errBroken }

func TestCheckFails(t *testing.T) {
	errs := closure.Check([]*rootfs.Entry{{Path: "x", Type: rootfs.File, Mode: 0o755, Size: 100, Body: broken{}}}, closure.Options{Arch: "arm64"})
	if len(errs) != 1 || !errors.Is(errs[0], errBroken) || errs[0].Error() != "x: the disk is broken" {
		t.Errorf("%v", errs)
	}
	if errs := closure.Check(nil, closure.Options{Arch: "mips"}); len(errs) != 1 {
		t.Errorf("%v", errs)
	}
	var fault *closure.Fault
	errs = closure.Check([]*rootfs.Entry{file("x", []byte("#!/bin/sh\n"))}, closure.Options{Arch: "arm64"})
	if len(errs) != 1 || !errors.As(errs[0], &fault) || fault.Path != "x" || fault.Needs != "/bin/sh" {
		t.Errorf("%v", errs)
	}
}

// BenchmarkKernel is a package of 4000 kernel modules and 500 other files.
func BenchmarkKernel(b *testing.B) {
	module := bytes.Repeat(object{kind: elf.ET_REL}.bytes(), 100)
	var entries []*rootfs.Entry
	for i := range 4000 {
		entries = append(entries, file(fmt.Sprintf("usr/lib/modules/6/kernel/%04d.ko", i), module))
	}
	for i := range 500 {
		entries = append(entries, file(fmt.Sprintf("usr/bin/%04d", i), program("libc.so.6", "ld-linux-x86-64.so.2").bytes()))
	}
	entries = system(entries...)
	for b.Loop() {
		if errs := closure.Check(entries, closure.Options{Arch: "amd64"}); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}
