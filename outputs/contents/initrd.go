package contents

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// microcodeDir is where the kernel looks for microcode, in a plain archive in
// front (Documentation/arch/x86/microcode.rst, "Early load microcode").
const microcodeDir = "kernel/x86/microcode"

// readInitrd reads an initramfs from off to end: archives, plain or compressed,
// with zeros between them ("initramfs buffer format"). Compressed runs of one
// kind that follow each other are one part, as they are one stream to the kernel.
func (d *reader) readInitrd(off, end int64) error {
	if d.img.Initramfs == nil {
		d.img.Initramfs = &Initramfs{}
	}
	f := file{d.section(0, end), end}
	for at := off; ; {
		next, err := f.zerosFrom(at)
		if err != nil || next == end {
			return err
		}
		if len(d.img.Parts) == maxParts {
			return invalid("more than %d parts", maxParts)
		}
		head, err := f.head(next, 6)
		if err != nil {
			return err
		}
		p := Part{Name: "initramfs", Kind: compressionOf(head), Offset: next}
		switch {
		case archiveKind(head) == cpioKind && (next-off)%4 == 0:
			p.Kind = cpioKind
			err = d.readPlainCpio(f, &p)
		case p.Kind != plainKind:
			err = d.readPackedCpio(f, &p)
		default:
			return located(next, "initramfs", invalid("%q begins no archive that is read here", head))
		}
		if err == nil {
			p.Digest, err = d.digest(p.Offset, p.Size)
		}
		if err != nil {
			return located(p.Offset, p.Kind, err)
		}
		d.img.Parts = append(d.img.Parts, p)
		at = p.Offset + p.Size
	}
}

// readPlainCpio reads one archive that is not compressed.
func (d *reader) readPlainCpio(f file, p *Part) error {
	in := &meter{r: f.section(p.Offset, f.size-p.Offset)}
	c, n, err := d.readCpio(bufio.NewReaderSize(in, bufSize), func() error { return in.err })
	if err != nil {
		return err
	}
	p.Size = n
	d.keepEntries(p, c.entries)
	return nil
}

// readPackedCpio reads compressed members, and the archives in them.
func (d *reader) readPackedCpio(f file, p *Part) error {
	u, err := d.unpack(f, p.Kind, p.Offset, f.size)
	if err != nil {
		return err
	}
	defer u.close()
	in := &meter{r: u}
	b := bufio.NewReaderSize(in, bufSize)
	for {
		more, err := skipZeros(b)
		if err != nil {
			return err
		}
		if !more && p.Entries > 0 {
			p.Size, p.Members, p.Plain = u.end-p.Offset, u.members, in.n
			return nil
		}
		if pos := in.n - int64(b.Buffered()); pos%4 != 0 {
			return invalid("an archive that begins at byte %d, uncompressed, which is no multiple of 4", pos)
		}
		c, _, err := d.readCpio(b, func() error { return in.err })
		if err != nil {
			return err
		}
		d.keepEntries(p, c.entries)
	}
}

// skipZeros reads zeros, and reports whether anything follows.
func skipZeros(in *bufio.Reader) (more bool, err error) {
	for {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if b != 0 {
			return true, in.UnreadByte()
		}
	}
}

// keepEntries adds what was read in a part.
func (d *reader) keepEntries(p *Part, entries []*rootfs.Entry) {
	for _, e := range entries {
		if strings.HasPrefix(e.Path, microcodeDir) {
			p.Name = "microcode"
		}
	}
	for _, e := range entries {
		e.Origin = p.Name
	}
	p.Entries += len(entries)
	d.img.Entries = append(d.img.Entries, entries...)
}
