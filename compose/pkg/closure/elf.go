package closure

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/composeos/compose/compose/rootfs"
)

const elfMagic = "\x7fELF"

// What is read of one file at most. Real ones stay far below: a header table of
// some 15 entries, 60 libraries, names of 100 bytes.
const (
	maxSegments = 1024
	maxDynamic  = 1 << 14 // entries of the dynamic section
	maxNeeded   = 4096    // libraries
	maxName     = 4096    // bytes
)

// object is what the dynamic linker reads of an ELF file (gABI, chapter 5).
type object struct {
	class   elf.Class
	machine elf.Machine
	interp  string   // PT_INTERP
	needed  []string // DT_NEEDED, in their order
	rpath   string   // DT_RPATH, without effect beside a DT_RUNPATH
	runpath string   // DT_RUNPATH
}

var errDamaged = errors.New("damaged ELF file")

// object reads an ELF executable or shared object, once. What is another kind of
// file is nil.
func (c *check) object(e *rootfs.Entry) (*object, error) {
	if o, seen := c.objects[e]; seen {
		return o, nil
	}
	o, err := readObject(e)
	c.objects[e] = o
	if o == nil || err != nil {
		return nil, err
	}
	c.note(e, o)
	return o, nil
}

// readFull reads len(b) bytes at an offset; behind the file's end are zeros.
func readFull(e *rootfs.Entry, b []byte, at int64) error {
	if at < 0 || at >= e.Size {
		return fmt.Errorf("%w: byte %d is outside", errDamaged, at)
	}
	b = b[:min(int64(len(b)), e.Size-at)]
	n, err := e.Body.ReadAt(b, at)
	if n == len(b) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// reader reads the parts of one ELF file.
type reader struct {
	e        *rootfs.Entry
	order    binary.ByteOrder
	wide     bool // ELFCLASS64
	segments []elf.Prog64
}

// word reads a field that has 4 or 8 bytes.
func (r *reader) word(b []byte) uint64 {
	if r.wide {
		return r.order.Uint64(b)
	}
	return uint64(r.order.Uint32(b))
}

// readObject reads what of an ELF file the dynamic linker does.
func readObject(e *rootfs.Entry) (*object, error) {
	var head [64]byte
	if e.Body == nil || e.Size < 4 {
		return nil, nil
	}
	if err := readFull(e, head[:], 0); err != nil || string(head[:4]) != elfMagic {
		return nil, err
	}
	r := &reader{e: e, order: binary.LittleEndian}
	o := &object{class: elf.Class(head[elf.EI_CLASS])}
	switch {
	case o.class != elf.ELFCLASS32 && o.class != elf.ELFCLASS64:
		return nil, fmt.Errorf("%w: class %d", errDamaged, head[elf.EI_CLASS])
	case elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB:
		r.order = binary.BigEndian
	case elf.Data(head[elf.EI_DATA]) != elf.ELFDATA2LSB:
		return nil, fmt.Errorf("%w: byte order %d", errDamaged, head[elf.EI_DATA])
	}
	r.wide = o.class == elf.ELFCLASS64
	o.machine = elf.Machine(r.order.Uint16(head[18:]))
	if t := elf.Type(r.order.Uint16(head[16:])); t != elf.ET_EXEC && t != elf.ET_DYN {
		return nil, nil
	}
	if err := r.readSegments(head[:]); err != nil {
		return nil, err
	}
	return o, r.readLinks(o)
}

// readSegments reads the program header table.
func (r *reader) readSegments(head []byte) error {
	offset, size, count := r.word(head[28:]), r.order.Uint16(head[42:]), r.order.Uint16(head[44:])
	want := uint16(32)
	if r.wide {
		offset, size, count, want = r.word(head[32:]), r.order.Uint16(head[54:]), r.order.Uint16(head[56:]), 56
	}
	if count == 0 {
		return nil
	}
	if size != want || count > maxSegments || offset > uint64(r.e.Size) {
		return fmt.Errorf("%w: %d program headers of %d bytes at %d", errDamaged, count, size, offset)
	}
	table := make([]byte, int(size)*int(count))
	if err := readFull(r.e, table, int64(offset)); err != nil {
		return err
	}
	for b := range bytesOf(table, int(size)) {
		p := elf.Prog64{Type: r.order.Uint32(b)}
		if r.wide {
			p.Off, p.Vaddr, p.Filesz = r.word(b[8:]), r.word(b[16:]), r.word(b[32:])
		} else {
			p.Off, p.Vaddr, p.Filesz = r.word(b[4:]), r.word(b[8:]), r.word(b[16:])
		}
		r.segments = append(r.segments, p)
	}
	return nil
}

// bytesOf cuts b into pieces of n bytes.
func bytesOf(b []byte, n int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for ; len(b) >= n; b = b[n:] {
			if !yield(b[:n]) {
				return
			}
		}
	}
}

// readLinks reads the interpreter and the dynamic section.
func (r *reader) readLinks(o *object) error {
	for _, p := range r.segments {
		var err error
		switch elf.ProgType(p.Type) {
		case elf.PT_INTERP:
			o.interp, err = r.text(p.Off)
		case elf.PT_DYNAMIC:
			err = r.readDynamic(o, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readDynamic reads the dynamic section: entries of a tag and a value, up to
// DT_NULL.
func (r *reader) readDynamic(o *object, p elf.Prog64) error {
	half := 4
	if r.wide {
		half = 8
	}
	section := make([]byte, min(p.Filesz, uint64(2*half*maxDynamic), uint64(r.e.Size)))
	if len(section) == 0 {
		return nil // a debug file, stripped of its content
	}
	if p.Off > uint64(r.e.Size) {
		return fmt.Errorf("%w: the dynamic section begins at %d", errDamaged, p.Off)
	}
	if err := readFull(r.e, section, int64(p.Off)); err != nil {
		return err
	}
	var names []uint64
	values := map[elf.DynTag]uint64{}
	for b := range bytesOf(section, 2*half) {
		tag, value := elf.DynTag(int64(r.word(b))), r.word(b[half:])
		if tag == elf.DT_NULL {
			break
		}
		if tag == elf.DT_NEEDED {
			if names = append(names, value); len(names) > maxNeeded {
				return fmt.Errorf("%w: more than %d libraries", errDamaged, maxNeeded)
			}
			continue
		}
		values[tag] = value
	}
	return r.readNames(o, names, values)
}

// readNames reads the strings that the dynamic section points to.
func (r *reader) readNames(o *object, needed []uint64, values map[elf.DynTag]uint64) error {
	rpath, hasRpath := values[elf.DT_RPATH]
	runpath, hasRunpath := values[elf.DT_RUNPATH]
	if len(needed) == 0 && !hasRpath && !hasRunpath {
		return nil
	}
	table, ok := r.fileOffset(values[elf.DT_STRTAB])
	if !ok {
		return fmt.Errorf("%w: the string table is in no segment", errDamaged)
	}
	for _, at := range needed {
		name, err := r.text(table + at)
		if err != nil {
			return err
		}
		o.needed = append(o.needed, name)
	}
	var err error
	if hasRpath {
		o.rpath, err = r.text(table + rpath)
	}
	if hasRunpath && err == nil {
		o.runpath, err = r.text(table + runpath)
	}
	return err
}

// fileOffset tells where in the file an address is.
func (r *reader) fileOffset(address uint64) (offset uint64, ok bool) {
	for _, p := range r.segments {
		if elf.ProgType(p.Type) == elf.PT_LOAD && address >= p.Vaddr && address-p.Vaddr < p.Filesz {
			return p.Off + address - p.Vaddr, true
		}
	}
	return 0, false
}

// text reads a string up to its NUL.
func (r *reader) text(offset uint64) (string, error) {
	if offset >= uint64(r.e.Size) {
		return "", fmt.Errorf("%w: a name at byte %d", errDamaged, offset)
	}
	for size := 128; ; size *= 8 {
		b := make([]byte, min(size, maxName))
		if err := readFull(r.e, b, int64(offset)); err != nil {
			return "", err
		}
		if name, _, ok := bytes.Cut(b, []byte{0}); ok {
			return string(name), nil
		}
		if size >= maxName {
			return "", fmt.Errorf("%w: a name of more than %d bytes", errDamaged, maxName)
		}
	}
}
