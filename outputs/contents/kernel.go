package contents

import (
	"bytes"
	"encoding/binary"
	"io"
)

// The kinds of kernels.
const (
	bzImage    = "bzImage"     // Linux for x86 ("The Linux/x86 Boot Protocol")
	arm64Image = "arm64 Image" // Linux for arm64 ("Booting AArch64 Linux")
	efiZboot   = "EFI zboot"   // Linux in an EFI program that unpacks it
	efiProgram = "EFI program"
)

// Where the fields of a bzImage's header are ("The Real-Mode Kernel Header").
const (
	setupSectsAt = 0x1f1 // sectors of the real-mode code, the first not counted; 0 means 4
	sysSizeAt    = 0x1f4 // of the protected-mode code, in units of 16 bytes
	bootFlagAt   = 0x1fe
	hdrSAt       = 0x202
	versionAt    = 0x20e // where the version string is, less 0x200; 0 where there is none
)

// kernelKind tells a kernel by its first bytes; "" if it is none.
func kernelKind(head []byte) string {
	has := func(off int, magic string) bool {
		return len(head) >= off+len(magic) && string(head[off:off+len(magic)]) == magic
	}
	switch {
	case has(hdrSAt, "HdrS") && has(bootFlagAt, "\x55\xaa"):
		return bzImage
	case has(0x38, "ARM\x64"):
		return arm64Image
	case has(0, "MZ") && has(4, "zimg"):
		return efiZboot
	case has(0, "MZ") && len(head) > 0x40 && bytes.IndexByte(head, 0) > 0: // no text has a NUL
		return efiProgram
	}
	return ""
}

// readKernelFile reads a kernel that is a file of its own, perhaps compressed.
// Its first bytes are given.
func (d *reader) readKernelFile(kind string, head []byte) error {
	p := Part{Name: "kernel", Kind: kind, Size: d.size}
	d.img.Format = KernelFile
	var err error
	if kind == plainKind {
		uki, err := d.isUKI()
		if err != nil {
			return err
		}
		if uki != nil {
			return d.readUKI(uki)
		}
		if err = d.readKernel(0, d.size); err != nil {
			return located(0, "kernel", err)
		}
		p.Kind = d.img.Kernel.Kind
	} else {
		d.img.Kernel = &Kernel{Kind: kernelKind(head)}
		if p, err = d.unpackKernel(p); err != nil {
			return located(0, kind, err)
		}
	}
	p.Digest, err = d.digest(0, d.size)
	d.img.Parts = []Part{p}
	return err
}

// unpackKernel reads a compressed kernel to its end.
func (d *reader) unpackKernel(p Part) (Part, error) {
	u, err := d.unpack(d.file, p.Kind, 0, d.size)
	if err != nil {
		return p, err
	}
	defer u.close()
	p.Plain, err = io.CopyBuffer(io.Discard, u, d.buffer())
	if err == nil && u.end < d.size {
		err = invalid("there is something behind the end, at byte %d", u.end)
	}
	p.Members = u.members
	return p, err
}

// readKernel reads what a kernel of n bytes at off says of itself.
func (d *reader) readKernel(off, n int64) error {
	f := file{d.section(off, n), n}
	head, err := f.head(0, HeadSize)
	if err != nil {
		return err
	}
	k := &Kernel{Kind: kernelKind(head)}
	d.img.Kernel = k
	switch k.Kind {
	case "":
		k.Kind = unknown
		return nil
	case bzImage:
		k.Version, err = bzVersion(f, head)
		return err
	}
	return checkPE(f, head)
}

// bzVersion returns the version string of a bzImage that is whole.
func bzVersion(f file, head []byte) (string, error) {
	le := binary.LittleEndian
	setup := int64(head[setupSectsAt])
	if setup == 0 {
		setup = 4
	}
	if need := (setup+1)*512 + int64(le.Uint32(head[sysSizeAt:]))*16; f.size < need {
		return "", invalid("%w: a bzImage of %d bytes has only %d", io.ErrUnexpectedEOF, need, f.size)
	}
	if len(head) < versionAt+2 || le.Uint16(head[versionAt:]) == 0 {
		return "", nil
	}
	text, err := f.head(int64(le.Uint16(head[versionAt:]))+0x200, 256)
	if err != nil {
		return "", err
	}
	version, _, ended := bytes.Cut(text, []byte{0})
	if !ended {
		return "", invalid("the version of the bzImage has no end")
	}
	return string(version), nil
}

// checkPE checks that all sections of an EFI program are in the file ("PE
// Format", "Section Table").
func checkPE(f file, head []byte) error {
	le := binary.LittleEndian
	if len(head) < 0x40 {
		return invalid("%w", io.ErrUnexpectedEOF)
	}
	start := int64(le.Uint32(head[0x3c:]))
	pe, err := f.head(start, 24)
	if err != nil {
		return err
	}
	if len(pe) < 24 {
		return invalid("%w: no PE header at byte %d", io.ErrUnexpectedEOF, start)
	}
	if string(pe[:4]) != "PE\x00\x00" {
		return nil // an arm64 kernel without EFI, which has something else there
	}
	const record = 40
	table, err := f.head(start+24+int64(le.Uint16(pe[20:])), record*int(le.Uint16(pe[6:])))
	if err != nil {
		return err
	}
	if len(table) < record*int(le.Uint16(pe[6:])) {
		return invalid("%w: the section table is cut", io.ErrUnexpectedEOF)
	}
	for ; len(table) > 0; table = table[record:] {
		if end := int64(le.Uint32(table[16:])) + int64(le.Uint32(table[20:])); end > f.size {
			return invalid("%w: a section of the program ends at byte %d, the file at %d", io.ErrUnexpectedEOF, end, f.size)
		}
	}
	return nil
}
