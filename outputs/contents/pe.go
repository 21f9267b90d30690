package contents

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"slices"
)

// maxSections is how many sections a loader takes ("PE Format", "COFF File Header").
const maxSections = 96

// program is the headers of an EFI program.
type program struct {
	timestamp uint32
	sumAt     int64 // where its checksum is, and what it says; 0 where there is none
	sum       uint32
	end       int64 // behind headers, sections, symbols and certificates
	certs     [2]int64
	sections  []section
}

// section is one of them, in the file and in memory.
type section struct {
	name                    string
	off, size, memory, addr int64
}

// content is how many bytes of it are content: in the file it is padded.
func (s section) content() int64 { return min(s.size, s.memory) }

// readProgram reads the headers of an EFI program ("PE Format").
func readProgram(f file) (*program, error) {
	le := binary.LittleEndian
	dos, err := f.head(0, 0x40)
	if err != nil {
		return nil, err
	}
	if len(dos) < 0x40 || string(dos[:2]) != "MZ" {
		return nil, invalid("no program")
	}
	start := int64(le.Uint32(dos[0x3c:]))
	h, err := f.head(start, 24+240)
	if err != nil {
		return nil, err
	}
	if len(h) < 24+240 || string(h[:4]) != "PE\x00\x00" || le.Uint16(h[20:]) < 240 || le.Uint16(h[24:]) != 0x20b {
		return nil, invalid("no program of 64 bits")
	}
	const record = 40
	table, count := start+24+int64(le.Uint16(h[20:])), int(le.Uint16(h[6:]))
	b, err := f.head(table, record*min(count, maxSections))
	if err != nil {
		return nil, err
	}
	if count > maxSections || len(b) < record*count {
		return nil, invalid("%d sections", count)
	}
	p := &program{timestamp: le.Uint32(h[8:]), sumAt: start + 24 + 64, sum: le.Uint32(h[24+64:])}
	p.end = max(table+int64(len(b)), int64(le.Uint32(h[24+60:])))
	for ; len(b) > 0; b = b[record:] {
		name, _, _ := bytes.Cut(b[:8], []byte{0})
		s := section{
			name: string(name), memory: int64(le.Uint32(b[8:])), addr: int64(le.Uint32(b[12:])),
			size: int64(le.Uint32(b[16:])), off: int64(le.Uint32(b[20:])),
		}
		p.sections = append(p.sections, s)
		if s.size > 0 {
			p.end = max(p.end, s.off+s.size)
		}
	}
	if symbols := int64(le.Uint32(h[12:])); symbols != 0 {
		names := symbols + 18*int64(le.Uint32(h[16:])) // which begin with their size
		n, err := f.head(names, 4)
		if err != nil {
			return nil, err
		}
		p.end = max(p.end, names+int64(le.Uint32(append(n, 0, 0, 0, 0))))
	}
	if le.Uint32(h[24+108:]) > 4 { // the certificates are the fifth of the data directories
		p.certs = [2]int64{int64(le.Uint32(h[24+144:])), int64(le.Uint32(h[24+148:]))}
		p.end = max(p.end, p.certs[0]+p.certs[1])
	}
	return p, nil
}

// check checks that all of the program is there, that no section lies in another,
// and that nothing follows but zeros.
func (p *program) check(d *reader) error {
	if p.end > d.size {
		return located(0, "program", invalid("%w: a program of %d bytes has only %d", io.ErrUnexpectedEOF, p.end, d.size))
	}
	sorted := slices.SortedFunc(slices.Values(p.sections), func(a, b section) int { return cmp.Compare(a.off, b.off) })
	end, last := int64(0), ""
	for _, s := range sorted {
		if s.size == 0 {
			continue
		}
		if s.off < end {
			return located(s.off, s.name, invalid("it overlaps %s", last))
		}
		end, last = s.off+s.size, s.name
	}
	sorted = slices.SortedFunc(slices.Values(p.sections), func(a, b section) int { return cmp.Compare(a.addr, b.addr) })
	end = 0
	for _, s := range sorted {
		if s.addr < end {
			return located(s.off, s.name, invalid("in memory, at %#x, it overlaps %s", s.addr, last))
		}
		end, last = s.addr+s.memory, s.name
	}
	zeros, err := d.zerosFrom(p.end)
	if err == nil && zeros < d.size {
		err = located(zeros, "program", invalid("there is something behind its end"))
	}
	return err
}

// checkSum checks the checksum of the whole file, if there is one: the sum of its
// words of two bytes, what is carried over added again, and its size ("PE Format",
// "Optional Header Windows-Specific Fields").
func (p *program) checkSum(d *reader) error {
	if p.sum == 0 {
		return nil
	}
	total := uint64(0)
	for off := int64(0); off < d.size; off += bufSize {
		b := d.buffer()[:min(bufSize, d.size-off)]
		if n, err := d.ReadAt(b, off); n < len(b) {
			return atEnd(err)
		}
		for i := 0; i+1 < len(b); i += 2 {
			total += uint64(b[i]) | uint64(b[i+1])<<8
		}
		if len(b)%2 == 1 {
			total += uint64(b[len(b)-1])
		}
	}
	total -= uint64(p.sum&0xffff) + uint64(p.sum>>16) // it counts as zero
	for total>>16 != 0 {
		total = total&0xffff + total>>16
	}
	if have := uint32(total) + uint32(d.size); have != p.sum || p.sumAt%2 != 0 {
		return located(p.sumAt, "program", invalid("its checksum is %08x, not %08x as it says", have, p.sum))
	}
	return nil
}
