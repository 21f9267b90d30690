package contents

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/composeos/compose/compose/rootfs"
)

// reader reads one file.
type reader struct {
	file
	img     *Image
	entries int   // so far
	text    int   // bytes of their names, so far
	plain   int64 // bytes uncompressed, so far
	docs    int64 // bytes of documents, so far
	buf     []byte
	in      *bufio.Reader
	layers  map[*member]int // those that have been read
}

func newReader(ctx context.Context, r io.ReaderAt, size int64) *reader {
	return &reader{file: file{stopping{r, ctx.Err}, size}, img: &Image{Size: size}}
}

// buffer is for steps, and belongs to whoever asked last.
func (d *reader) buffer() []byte {
	if d.buf == nil {
		d.buf = make([]byte, bufSize)
	}
	return d.buf
}

// digest returns the SHA-256 of n bytes from off on.
func (d *reader) digest(off, n int64) (rootfs.Digest, error) {
	h := sha256.New()
	got, err := io.CopyBuffer(h, d.section(off, n), d.buffer())
	if err == nil && got < n {
		err = io.ErrUnexpectedEOF
	}
	return rootfs.Digest(h.Sum(nil)), err
}

// whole returns the digest of the file, once it has been read: mostly it is that
// of a part.
func (d *reader) whole() (rootfs.Digest, error) {
	for _, p := range d.img.Parts {
		if p.Size == d.size {
			return p.Digest, nil
		}
	}
	return d.digest(0, d.size)
}

// buffered is a section through the one buffer there is for that.
func (d *reader) buffered(off, n int64) *bufio.Reader {
	if d.in == nil {
		d.in = bufio.NewReaderSize(nil, bufSize)
	}
	d.in.Reset(d.section(off, n))
	return d.in
}

// HeadSize is how many bytes of a file [Known] looks at.
const HeadSize = isoMagicAt + len(isoMagic)

// Known tells by the first [HeadSize] bytes of a file, or all of a shorter one,
// whether it is of a kind that [Read] reads. Text never is.
func Known(head []byte) bool {
	return kernelKind(head) != "" || archiveKind(head) != "" || mediumKind(head) != "" || compressionOf(head) != plainKind
}

// mediumKind tells what a machine boots from by its first bytes; "" if it is none.
func mediumKind(head []byte) string {
	switch {
	case isISO(head):
		return ISO
	case isGPT(head):
		return Disk
	}
	return ""
}

// archiveKind tells an archive by its first bytes; "" if it is none.
func archiveKind(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("070701")), bytes.HasPrefix(head, []byte("070702")):
		return cpioKind
	case len(head) > 262 && bytes.Equal(head[257:262], []byte("ustar")):
		return Tar
	}
	return ""
}

// read reads the file.
func (d *reader) read() error {
	head, err := d.head(0, HeadSize)
	if err != nil {
		return err
	}
	kind, inner := compressionOf(head), head
	if kind != plainKind {
		if inner, err = d.peek(kind); err != nil {
			return err
		}
	}
	switch {
	case archiveKind(inner) == cpioKind:
		d.img.Format = Initrd
		return d.readInitrd(0, d.size)
	case archiveKind(inner) == Tar && kind == plainKind:
		return d.readArchive()
	case archiveKind(inner) == Tar:
		return d.readPackedTar(kind)
	case mediumKind(inner) != "" && kind == plainKind:
		return d.readMedium(mediumKind(inner), inner)
	case mediumKind(inner) != "":
		return invalid("an image of kind %s that is compressed: uncompress it first", mediumKind(inner))
	case kernelKind(inner) != "":
		return d.readKernelFile(kind, inner)
	}
	return ErrUnknown
}

// peek returns the first bytes of what is compressed.
func (d *reader) peek(kind string) ([]byte, error) {
	u, err := d.unpack(d.file, kind, 0, d.size)
	if err != nil {
		return nil, located(0, kind, err)
	}
	defer u.close()
	head := make([]byte, HeadSize)
	n, err := io.ReadFull(u, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrInvalid) {
		return nil, located(0, kind, err)
	}
	return head[:n], nil
}

// readArchive reads a tar archive that is not compressed: of what, the names in it
// say.
func (d *reader) readArchive() error {
	list, err := d.list()
	if err != nil {
		return err
	}
	switch {
	case list == nil:
		return d.readRootTar()
	case list.boots():
		return d.readBootArchive(list)
	}
	return d.readContainers(list)
}

// readRootTar reads a root filesystem.
func (d *reader) readRootTar() error {
	in := &meter{r: d.buffered(0, d.size), sum: sha256.New()}
	p := Part{Name: "root filesystem", Kind: Tar, Size: d.size}
	entries, err := d.readTar(in, p.Name, false)
	p.Digest, p.Entries = in.digest(), len(entries)
	d.img.Format, d.img.Entries, d.img.Parts = Tar, entries, []Part{p}
	return err
}

// readPackedTar reads a root filesystem that is compressed.
func (d *reader) readPackedTar(kind string) error {
	p := Part{Name: "root filesystem", Kind: kind, Size: d.size}
	_, entries, err := d.unpackTar(&p, p.Name, false)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Path == dockerManifest || e.Path == layoutFile {
			return invalid("a container image in an archive that is compressed as a whole: uncompress the file first")
		}
	}
	p.Digest, err = d.digest(0, d.size)
	d.img.Format, d.img.Entries, d.img.Parts = Tar, entries, []Part{p}
	return err
}

// unpackTar reads a tar archive that is compressed, and fills the part that it is.
func (d *reader) unpackTar(p *Part, origin string, layer bool) (diffID rootfs.Digest, entries []*rootfs.Entry, err error) {
	limit := p.Offset + p.Size
	u, err := d.unpack(d.file, p.Kind, p.Offset, limit)
	if err != nil {
		return diffID, nil, err
	}
	defer u.close()
	in := &meter{r: u, sum: sha256.New()}
	if entries, err = d.readTar(in, origin, layer); err != nil {
		return diffID, nil, fmt.Errorf("uncompressed: %w", err)
	}
	if u.end < limit {
		return diffID, nil, located(u.end, p.Kind, invalid("there is something behind the end of the compressed archive"))
	}
	p.Members, p.Plain, p.Entries = u.members, in.n, len(entries)
	return in.digest(), entries, nil
}
