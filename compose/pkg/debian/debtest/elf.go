package debtest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// Program returns an ELF file for x86-64 that asks for an interpreter, unless that is
// "", and for libraries, and does nothing else.
func Program(interp string, needed ...string) string {
	const base, head, phdr = 0x10000, 64, 56 // addresses are offsets in the file plus base
	texts := "\x00"
	text := func(s string) uint64 {
		at := len(texts)
		texts += s + "\x00"
		return uint64(at)
	}
	var dynamic []uint64
	for _, n := range needed {
		dynamic = append(dynamic, uint64(elf.DT_NEEDED), text(n))
	}
	interpAt := text(interp)
	at := uint64(head + 3*phdr + 8*(len(dynamic)+4))
	dynamic = append(dynamic, uint64(elf.DT_STRTAB), base+at, 0, 0)
	total := at + uint64(len(texts))
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1,
		Phoff: head, Ehsize: head, Phentsize: phdr, Phnum: 3,
	}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	progs := [3]elf.Prog64{
		{Type: uint32(elf.PT_NULL)},
		{Type: uint32(elf.PT_LOAD), Vaddr: base, Filesz: total, Memsz: total},
		{Type: uint32(elf.PT_DYNAMIC), Off: head + 3*phdr, Vaddr: base + head + 3*phdr, Filesz: 8 * uint64(len(dynamic))},
	}
	if interp != "" {
		progs[0] = elf.Prog64{Type: uint32(elf.PT_INTERP), Off: at + interpAt, Filesz: uint64(len(interp) + 1)}
	}
	var b bytes.Buffer
	for _, part := range []any{h, progs, dynamic, []byte(texts)} {
		_ = binary.Write(&b, binary.LittleEndian, part) // a buffer takes all
	}
	return b.String()
}
