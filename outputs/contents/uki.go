package contents

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// The sections of a unified kernel image that are looked into (UAPI group
// specification, "Unified Kernel Image").
const (
	linuxSection   = ".linux"
	initrdSection  = ".initrd"
	ucodeSection   = ".ucode"
	cmdlineSection = ".cmdline"
	osrelSection   = ".osrel"
	unameSection   = ".uname"
	sbatSection    = ".sbat"
)

// isUKI tells by its sections whether a program is a unified kernel image; nil if it
// is none, or no program.
func (d *reader) isUKI() (*program, error) {
	p, err := readProgram(d.file)
	if errors.Is(err, ErrInvalid) { // [checkPE] says of what it is more
		return nil, nil
	}
	if err != nil || !slices.ContainsFunc(p.sections, func(s section) bool { return s.name == linuxSection }) {
		return nil, err
	}
	return p, nil
}

// readUKI reads a unified kernel image.
func (d *reader) readUKI(p *program) error {
	d.img.Format = UKI
	d.img.Program = &Program{Timestamp: int64(p.timestamp), Signed: p.certs[1] > 0}
	if err := p.check(d); err != nil {
		return err
	}
	sum, err := d.digest(0, d.size)
	if err != nil {
		return err
	}
	d.img.Parts = []Part{{Name: "program", Kind: efiProgram, Size: d.size, Digest: sum}}
	seen := map[string]bool{}
	for _, s := range p.sections {
		part := Part{Name: s.name, Kind: "section", Offset: s.off, Size: s.content()}
		if part.Size == 0 { // it is in memory alone
			part.Offset = 0
		}
		if part.Digest, err = d.digest(part.Offset, part.Size); err != nil {
			return err
		}
		d.img.Parts = append(d.img.Parts, part)
		own := len(d.img.Parts) - 1
		kind, err := d.readSection(part)
		if err == nil && kind != "" && seen[s.name] {
			err = invalid("there are two of it")
		}
		if err != nil {
			return located(s.off, s.name, err)
		}
		seen[s.name] = true
		d.img.Parts[own].Kind = cmp.Or(kind, part.Kind)
	}
	if n := p.certs[1]; n > 0 {
		part := Part{Name: "certificates", Kind: "PKCS #7", Offset: p.certs[0], Size: n}
		if part.Digest, err = d.digest(part.Offset, n); err != nil {
			return err
		}
		d.img.Parts = append(d.img.Parts, part)
	}
	return p.checkSum(d)
}

// readSection looks into a section, and returns of what kind its content is; "" if
// it is of no use here.
func (d *reader) readSection(p Part) (kind string, err error) {
	about := d.img.Program
	switch p.Name {
	case linuxSection:
		if err := d.readKernel(p.Offset, p.Size); err != nil {
			return "", err
		}
		return d.img.Kernel.Kind, nil
	case initrdSection, ucodeSection:
		p.Name = map[string]string{initrdSection: initrdMember, ucodeSection: ucodeMember}[p.Name]
		return d.readBootFile(&member{Part: p})
	case cmdlineSection:
		d.img.Cmdline, err = d.sectionText(p)
	case osrelSection:
		about.OSRelease, err = d.sectionText(p)
	case unameSection:
		about.Uname, err = d.sectionText(p)
	case sbatSection:
		about.SBAT, err = d.sectionText(p)
	default:
		return "", nil
	}
	return textKind, err
}

// sectionText returns the text of a section, without what may be at its end.
func (d *reader) sectionText(p Part) (string, error) {
	text, err := d.shortText(p.Offset, p.Size)
	return strings.TrimRight(text, "\x00\n"), err
}
