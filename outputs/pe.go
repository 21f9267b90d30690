package outputs

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// program is an EFI program for x86-64 to which sections are added (Microsoft PE
// format: "COFF File Header", "Optional Header", "Section Table").
type program struct {
	b        []byte // headers and sections, as in the file
	coff     int    // where in b the COFF header is
	optional int    // and the optional header
	table    int    // and the section table
	memory   int64  // where the last section ends in memory, from the beginning of the program
}

// programSection is a section that is added to a program.
type programSection struct {
	name string // up to 8 bytes
	data stream
}

// errProgram is what an EFI program is not.
var errProgram = errors.New("is no EFI program for x86-64 that sections can be added to")

// Sizes in a PE file, bytes.
const (
	coffHeader    = 20
	sectionHeader = 40
	optionalLeast = 112 // of the optional header, before its directories
)

var le = binary.LittleEndian

// readProgram reads an EFI program. What lies behind its last section, such as
// symbols, is left out: what says where they are is set to none.
func readProgram(b []byte) (*program, error) {
	if len(b) < 64 || string(b[:2]) != "MZ" {
		return nil, errProgram
	}
	p := &program{coff: int(le.Uint32(b[60:])) + 4}
	p.optional = p.coff + coffHeader
	if p.optional+optionalLeast > len(b) || string(b[p.coff-4:p.coff]) != "PE\x00\x00" ||
		le.Uint16(b[p.coff:]) != 0x8664 || le.Uint16(b[p.optional:]) != 0x20b {
		return nil, errProgram
	}
	sections := int(le.Uint16(b[p.coff+2:]))
	p.table = p.optional + int(le.Uint16(b[p.coff+16:]))
	if p.table < p.optional+optionalLeast {
		return nil, errProgram
	}
	end := int64(0)
	for i := range sections {
		at := p.table + i*sectionHeader
		if at+sectionHeader > len(b) {
			return nil, errProgram
		}
		h := b[at:]
		p.memory = max(p.memory, int64(le.Uint32(h[12:]))+int64(max(le.Uint32(h[8:]), le.Uint32(h[16:]))))
		if n := int64(le.Uint32(h[16:])); n > 0 {
			end = max(end, int64(le.Uint32(h[20:]))+n)
		}
	}
	if end < int64(p.table+sections*sectionHeader) || end > int64(len(b)) {
		return nil, errProgram
	}
	p.b = append([]byte(nil), b[:end]...)
	if a, m := p.fileAlign(), p.memoryAlign(); a == 0 || a > 1<<16 || m == 0 || m > 1<<24 {
		return nil, errProgram
	}
	return p, nil
}

func (p *program) fileAlign() int64   { return int64(le.Uint32(p.b[p.optional+36:])) }
func (p *program) memoryAlign() int64 { return int64(le.Uint32(p.b[p.optional+32:])) }
func (p *program) count() int         { return int(le.Uint16(p.b[p.coff+2:])) }

// sections returns the headers of the sections.
func (p *program) sections() [][]byte {
	var all [][]byte
	for i := range p.count() {
		all = append(all, p.b[p.table+i*sectionHeader:][:sectionHeader])
	}
	return all
}

// text returns what is in the section of a name; "" where there is none.
func (p *program) text(name string) string {
	for _, h := range p.sections() {
		from, n := int64(le.Uint32(h[20:])), int64(min(le.Uint32(h[8:]), le.Uint32(h[16:])))
		if string(trimZeros(h[:8])) == name && n > 0 {
			return string(trimZeros(p.b[from:][:n]))
		}
	}
	return ""
}

// trimZeros is b without the zeros at its end.
func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

// with returns the program with sections added behind its own, in that order. Its
// time is 0, and so are its checksum, which firmware does not look at, and where its
// signature is, which would not fit any more.
func (p *program) with(added ...programSection) (stream, error) {
	first := int64(len(p.b)) // where the first section's content is
	for _, h := range p.sections() {
		if at := int64(le.Uint32(h[20:])); at > 0 {
			first = min(first, at)
		}
	}
	table := p.table + p.count()*sectionHeader
	if int64(table+len(added)*sectionHeader) > first {
		return nil, fmt.Errorf("%w: its headers have no room for %d more sections", errProgram, len(added))
	}
	front := append([]byte(nil), p.b...)
	all := joined{nil}
	at, memory := int64(len(front)), p.memory
	pad := func() {
		n := upTo(at, p.fileAlign()) - at
		all, at = append(all, zeros(int(n))), at+n
	}
	pad()
	for _, s := range added {
		memory = upTo(memory, p.memoryAlign())
		size := s.data.size()
		if at+size > 1<<31 || memory+size > 1<<31 {
			return nil, fmt.Errorf("the EFI program would have over 2 GiB with section %s of %d bytes", s.name, size)
		}
		h := front[table:][:sectionHeader]
		clear(h)
		copy(h, s.name)
		for i, n := range []int64{size, memory, upTo(size, p.fileAlign()), at} {
			le.PutUint32(h[8+4*i:], uint32(n))
		}
		le.PutUint32(h[36:], 0x40000040) // initialised data, readable
		all = append(all, s.data)
		at, memory, table = at+size, memory+size, table+sectionHeader
		pad()
	}
	le.PutUint16(front[p.coff+2:], uint16(p.count()+len(added)))
	clear(front[p.coff+4:][:12]) // time, symbols
	data := le.Uint32(front[p.optional+8:]) + uint32(at-upTo(int64(len(p.b)), p.fileAlign()))
	le.PutUint32(front[p.optional+8:], data) // size of initialised data
	le.PutUint32(front[p.optional+56:], uint32(upTo(memory, p.memoryAlign())))
	clear(front[p.optional+64:][:4]) // checksum
	if n := le.Uint32(front[p.optional+108:]); n > 4 && p.optional+optionalLeast+40 <= p.table {
		clear(front[p.optional+optionalLeast+32:][:8]) // certificate table
	}
	all[0] = literal(front)
	return all, nil
}
