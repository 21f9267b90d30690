package closure_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/pkg/closure"
	"github.com/composeos/compose/compose/rootfs"
)

// object is an ELF file to make.
type object struct {
	machine        elf.Machine // 0 is x86-64
	kind           elf.Type    // 0 is a shared object
	interp         string
	needed         []string
	rpath, runpath string
	narrow         bool // 32 bits
}

// bytes lays out a header, the program headers, the dynamic section and strings.
// Addresses are offsets in the file plus base.
func (o object) bytes() []byte {
	const base = 0x10000
	if o.machine == 0 {
		o.machine = elf.EM_X86_64
	}
	if o.kind == 0 {
		o.kind = elf.ET_DYN
	}
	var texts bytes.Buffer
	text := func(s string) uint64 {
		at := texts.Len()
		texts.WriteString(s + "\x00")
		return uint64(at)
	}
	text("")
	var dynamic []uint64
	for _, n := range o.needed {
		dynamic = append(dynamic, uint64(elf.DT_NEEDED), text(n))
	}
	if o.rpath != "" {
		dynamic = append(dynamic, uint64(elf.DT_RPATH), text(o.rpath))
	}
	if o.runpath != "" {
		dynamic = append(dynamic, uint64(elf.DT_RUNPATH), text(o.runpath))
	}
	interp := text(o.interp)
	const head, phdr = 64, 56
	textsAt := uint64(head + 3*phdr + 8*(len(dynamic)+4))
	dynamic = append(dynamic, uint64(elf.DT_STRTAB), base+textsAt, 0, 0)
	total := textsAt + uint64(texts.Len())
	h := elf.Header64{Type: uint16(o.kind), Machine: uint16(o.machine), Version: 1, Phoff: head, Ehsize: head, Phentsize: phdr, Phnum: 3}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	if o.narrow {
		h.Ident[elf.EI_CLASS], h.Phnum = byte(elf.ELFCLASS32), 0
	}
	progs := [3]elf.Prog64{
		{Type: uint32(elf.PT_NULL)},
		{Type: uint32(elf.PT_LOAD), Vaddr: base, Filesz: total, Memsz: total},
		{Type: uint32(elf.PT_DYNAMIC), Off: head + 3*phdr, Vaddr: base + head + 3*phdr, Filesz: 8 * uint64(len(dynamic))},
	}
	if o.interp != "" {
		progs[0] = elf.Prog64{Type: uint32(elf.PT_INTERP), Off: textsAt + interp, Filesz: uint64(len(o.interp) + 1)}
	}
	var b bytes.Buffer
	for _, part := range []any{h, progs, dynamic, texts.Bytes()} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			return nil
		}
	}
	return b.Bytes()
}

// file is an executable entry.
func file(path string, content []byte) *rootfs.Entry {
	return &rootfs.Entry{Path: path, Type: rootfs.File, Mode: 0o755, Size: int64(len(content)), Body: bytes.NewReader(content)}
}

// TestObjectsAreAsOthersReadThem holds the objects of these tests against the
// standard library's reader.
func TestObjectsAreAsOthersReadThem(t *testing.T) {
	o := object{kind: elf.ET_EXEC, interp: "/lib64/ld.so", needed: []string{"a.so", "b.so"}, runpath: "$ORIGIN/x"}
	f, err := elf.NewFile(bytes.NewReader(o.bytes()))
	if err != nil {
		t.Fatal(err)
	}
	interp := make([]byte, f.Progs[0].Filesz)
	if _, err := f.Progs[0].ReadAt(interp, 0); err != nil || string(interp) != "/lib64/ld.so\x00" || f.Type != elf.ET_EXEC {
		t.Errorf("%v %q: %v", f.Type, interp, err)
	}
}

// FuzzCheck holds that no file makes Check do more than say so.
func FuzzCheck(f *testing.F) {
	whole := object{kind: elf.ET_EXEC, interp: "/lib64/ld.so", needed: []string{"a.so", "b.so"}, rpath: "/x", runpath: "$ORIGIN/x"}.bytes()
	f.Add(whole)
	f.Add(whole[:70])
	f.Add(bytes.Replace(whole, []byte{64, 0, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 8), 1))
	f.Add([]byte("\x7fELF\x01\x02\x01" + strings.Repeat("\x00\x02\xff", 40)))
	f.Add([]byte("#!/usr/bin/env -S x=1 -u y z"))
	f.Add([]byte("#!"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, arch := range []string{"amd64", "arm64"} {
			for _, err := range closure.Check([]*rootfs.Entry{file("a", content), file("etc/ld.so.cache", content), file("etc/ld.so.conf", content)}, closure.Options{Arch: arch}) {
				if err == nil || err.Error() == "" {
					t.Fatal("an error that says nothing")
				}
			}
		}
	})
}
