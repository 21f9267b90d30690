package rootfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ReadCpio calls entry for each entry of the cpio archives in r, in their order.
//
// It reads what the kernel takes for an initramfs once it is uncompressed (kernel
// documentation, "initramfs Buffer Format"): archives of the magic 070701 or
// 070702, one after the other, each with or without its trailer, with zeros up to
// a multiple of 4 bytes between any two entries. Nothing at all is no archive.
//
// A path comes without the "./" or "/" before it, the root as ""; one that is not
// clean then is an error. Nlink of a file is what the archive says, at least 1.
// content is what the file holds, for all else it is empty; it is to be read before
// entry returns, and what is left of it is skipped. Body and Digest are not set. An
// error of entry ends the reading and is returned as it is; every other says at
// which byte of r the header began.
//
// Files whose Nlink is over 1 and whose inode and device numbers are equal are one
// file. Its first name is the one that comes first, each further one has First set.
// One name at most has content and a Size, whichever it is: [Cpio] writes it with the
// first, GNU cpio with the last. A trailer ends this: a name after it is of another
// file.
//
// No name and no target takes more than 4096 bytes. What is kept between entries is
// the first names of hard-linked files. Archives that end too early are
// [io.ErrUnexpectedEOF].
func ReadCpio(r io.Reader, entry func(e *Entry, content io.Reader) error) error {
	c := cpioReader{in: bufio.NewReaderSize(r, 64<<10), entry: entry}
	for {
		more, err := c.skipZeros()
		if err != nil || !more {
			return err
		}
		if _, err := c.next(); err != nil {
			return err
		}
	}
}

// ReadCpioArchive is [ReadCpio] of one archive. It reads up to the end of the
// trailer and not a byte further, and returns how many bytes that are. An archive
// without a trailer is [io.ErrUnexpectedEOF].
func ReadCpioArchive(in *bufio.Reader, entry func(e *Entry, content io.Reader) error) (int64, error) {
	c := cpioReader{in: in, entry: entry}
	for {
		more, err := c.skipZeros()
		if err == nil && !more {
			err = fmt.Errorf("cpio at byte %d: %w: the archive has no trailer", c.at, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return c.at, err
		}
		if trailer, err := c.next(); err != nil || trailer {
			return c.at, err
		}
	}
}

type cpioReader struct {
	in     *bufio.Reader
	at     int64 // bytes read
	entry  func(e *Entry, content io.Reader) error
	linked map[cpioID]*cpioFile // since the last trailer
	buf    [cpioHeader + maxCpioPath + 4]byte
}

// cpioID says which file a name belongs to.
type cpioID struct{ ino, major, minor uint32 }

// cpioFile is a file that has several names.
type cpioFile struct {
	first   string
	content bool // has come
}

// skipZeros goes to the next header. There is none at the end of the input.
func (c *cpioReader) skipZeros() (more bool, err error) {
	for {
		b, err := c.in.ReadByte()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("cpio at byte %d: %w", c.at, err)
		}
		if b == 0 {
			c.at++
			continue
		}
		if c.at%4 != 0 {
			return false, fmt.Errorf("cpio at byte %d: %#02x where only a multiple of 4 begins an entry", c.at, b)
		}
		return true, c.in.UnreadByte()
	}
}

// next reads one entry and what follows up to a multiple of 4 bytes, or a trailer.
func (c *cpioReader) next() (trailer bool, err error) {
	h := cpioRaw{start: c.at}
	if err := c.header(&h); err != nil {
		return false, h.fault(err)
	}
	if h.name != cpioTrailer {
		return false, c.one(&h)
	}
	c.linked = nil
	if size := h.numbers[cpioSize]; size > 0 {
		return true, h.fault(fmt.Errorf("a trailer with %d bytes of content", size))
	}
	return true, nil
}

// one reads the entry behind a header.
func (c *cpioReader) one(h *cpioRaw) error {
	size := int64(h.numbers[cpioSize])
	e, err := h.entry()
	if err != nil {
		return h.fault(err)
	}
	switch {
	case e.Type == Symlink:
		if e.Link, err = c.target(size); err != nil {
			return h.fault(err)
		}
	case e.Type != File && size > 0:
		return h.fault(fmt.Errorf("a %s with %d bytes of content", e.Type, size))
	case e.Type == File && e.Nlink > 1:
		if err := c.link(e, h); err != nil {
			return h.fault(err)
		}
	}
	return c.deliver(e, h)
}

// header reads the numbers and the name.
func (c *cpioReader) header(h *cpioRaw) error {
	b := c.buf[:cpioHeader]
	if err := c.fill(b); err != nil {
		return err
	}
	if err := h.parse(b); err != nil {
		return err
	}
	return c.name(h)
}

// name reads the name, and zeros up to a multiple of 4 bytes. Some writers make a
// name longer by zeros, to bring the content to a block.
func (c *cpioReader) name(h *cpioRaw) error {
	n := int(min(h.numbers[cpioNameSize], maxCpioPath+2))
	if n > maxCpioPath+1 {
		return fmt.Errorf("a name of %d bytes is over %d", h.numbers[cpioNameSize], maxCpioPath+1)
	}
	b := c.buf[:n+(-(cpioHeader+n)&3)]
	if err := c.fill(b); err != nil {
		return err
	}
	name, zeros, found := strings.Cut(string(b[:n]), "\x00")
	switch {
	case !found:
		return fmt.Errorf("the name %.100q does not end with a NUL byte", name)
	case strings.Trim(zeros, "\x00") != "":
		return fmt.Errorf("a NUL byte in the name %.100q", b[:n])
	case name == "":
		return errors.New("no name")
	}
	h.name = name
	return nil
}

// target reads what a symbolic link leads to.
func (c *cpioReader) target(size int64) (string, error) {
	if size == 0 {
		return "", errors.New("a symbolic link without a target")
	}
	if size > maxCpioPath {
		return "", fmt.Errorf("a link target of %d bytes is over %d", size, maxCpioPath)
	}
	b := c.buf[:size+(-size&3)]
	if err := c.fill(b); err != nil {
		return "", err
	}
	target := string(b[:size])
	if strings.IndexByte(target, 0) >= 0 {
		return "", fmt.Errorf("a NUL byte in the link target %q", target)
	}
	return target, nil
}

// link finds the first name of e's file, if e is not it.
func (c *cpioReader) link(e *Entry, h *cpioRaw) error {
	id := cpioID{h.numbers[cpioIno], h.numbers[cpioDevMajor], h.numbers[cpioDevMinor]}
	f := c.linked[id]
	if f == nil {
		if c.linked == nil {
			c.linked = map[cpioID]*cpioFile{}
		}
		c.linked[id] = &cpioFile{e.Path, e.Size > 0}
		return nil
	}
	if f.content && e.Size > 0 {
		return fmt.Errorf("content again for the file of %q", f.first)
	}
	e.First, f.content = f.first, f.content || e.Size > 0
	return nil
}

// deliver hands e out, with its content.
func (c *cpioReader) deliver(e *Entry, h *cpioRaw) error {
	body := cpioContent{c: c, h: h, left: e.Size}
	if err := c.entry(e, &body); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, &body); err != nil {
		return err
	}
	if want := h.numbers[cpioCheck]; h.sums && e.Size > 0 && body.sum != want {
		return h.fault(fmt.Errorf("the content adds up to %08X, not to %08X", body.sum, want))
	}
	if err := c.fill(c.buf[:-e.Size&3]); err != nil {
		return h.fault(err)
	}
	return nil
}

// fill reads all of b.
func (c *cpioReader) fill(b []byte) error {
	n, err := io.ReadFull(c.in, b)
	c.at += int64(n)
	return early(err)
}

// early says that an end is too early.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// cpioContent is the content of one file.
type cpioContent struct {
	c    *cpioReader
	h    *cpioRaw
	left int64
	sum  uint32 // if the header has one
}

// Read implements [io.Reader].
func (b *cpioContent) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.c.in.Read(p[:min(int64(len(p)), b.left)])
	if b.h.sums {
		for _, x := range p[:n] {
			b.sum += uint32(x)
		}
	}
	b.left -= int64(n)
	b.c.at += int64(n)
	if err != nil {
		return n, b.h.fault(early(err))
	}
	return n, nil
}
