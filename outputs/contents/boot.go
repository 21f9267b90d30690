package contents

import (
	"context"
	"io"
	"slices"
	"strings"
)

// The files of a tar-kernel-initrd.
const (
	kernelMember  = "kernel"
	initrdMember  = "initrd.img"
	cmdlineMember = "cmdline"
	ucodeMember   = "ucode.cpio"
)

// boots tells whether the files are those of a tar-kernel-initrd, and no other.
func (l *list) boots() bool {
	known := []string{kernelMember, initrdMember, cmdlineMember, ucodeMember}
	other := func(m *member) bool { return m.link != "" || !slices.Contains(known, m.Name) }
	return l.by[kernelMember] != nil && l.by[initrdMember] != nil && !slices.ContainsFunc(l.all, other)
}

// maxCmdline is more than any kernel takes, bytes.
const maxCmdline = 1 << 16

// readBootArchive reads kernel, initramfs, command line and microcode.
func (d *reader) readBootArchive(l *list) error {
	d.img.Format = TarKernelInitrd
	for _, m := range l.all {
		if err := d.sum(m); err != nil {
			return err
		}
		d.img.Parts = append(d.img.Parts, m.Part)
		own := len(d.img.Parts) - 1
		kind, err := d.readBootFile(m)
		if err != nil {
			return located(m.Offset, m.Name, err)
		}
		d.img.Parts[own].Kind = kind
	}
	return nil
}

// readCmdline reads a command line of n bytes at off.
func (d *reader) readCmdline(off, n int64) error {
	text, err := d.shortText(off, n)
	d.img.Cmdline = strings.TrimSuffix(text, "\n")
	return err
}

// shortText returns a text of n bytes at off, of as many as a command line may have.
func (d *reader) shortText(off, n int64) (string, error) {
	text, err := d.head(off, int(min(n, maxCmdline+1)))
	if err != nil {
		return "", err
	}
	if len(text) > maxCmdline {
		return "", invalid("more than %d bytes", maxCmdline)
	}
	return string(text), nil
}

// ReadCmdline reads the file of size bytes that r holds as a kernel's command line:
// text, which Read could not tell from any other. Its errors are Read's.
func ReadCmdline(ctx context.Context, r io.ReaderAt, size int64) (*Image, error) {
	d := newReader(ctx, r, size)
	return d.one(Cmdline, textKind, d.readCmdline(0, size))
}

// ReadKernel reads the file of size bytes that r holds as a kernel, of which it
// need not know the kind. Its errors are Read's.
func ReadKernel(ctx context.Context, r io.ReaderAt, size int64) (*Image, error) {
	d := newReader(ctx, r, size)
	return d.one(KernelFile, unknown, d.readKernel(0, size))
}

// one returns the image of a file that is one part, and was read with err.
func (d *reader) one(format, kind string, err error) (*Image, error) {
	if err == nil {
		d.img.Digest, err = d.whole()
	}
	if err != nil {
		return nil, err
	}
	d.img.Format = format
	d.img.Parts = []Part{{Name: format, Kind: kind, Size: d.size, Digest: d.img.Digest}}
	return d.img, nil
}

// readBootFile reads one of them, and returns of what kind it is.
func (d *reader) readBootFile(m *member) (kind string, err error) {
	switch m.Name {
	case kernelMember:
		if err := d.readKernel(m.Offset, m.Size); err != nil {
			return "", err
		}
		return d.img.Kernel.Kind, nil
	case cmdlineMember:
		return textKind, d.readCmdline(m.Offset, m.Size)
	case ucodeMember:
		head, err := d.head(m.Offset, int(min(m.Size, 6)))
		if err != nil || archiveKind(head) != cpioKind {
			return unknown, err // the kernel looks into nothing else
		}
	}
	return "initramfs", d.readInitrd(m.Offset, m.Offset+m.Size)
}
