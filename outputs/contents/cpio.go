package contents

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"io"

	"github.com/composeos/compose/compose/rootfs"
)

// cpioReader gathers the entries of one cpio archive.
type cpioReader struct {
	*reader
	own     ownFiles
	entries []*rootfs.Entry
	linked  map[string]*linked // by the first name
}

// linked is the names of one file, and what it holds.
type linked struct {
	names  []*rootfs.Entry
	size   int64
	digest rootfs.Digest
}

// readCpio reads one archive out of in, of which failed tells how reading it
// failed, if it did.
func (d *reader) readCpio(in *bufio.Reader, failed func() error) (*cpioReader, int64, error) {
	if d.entries++; d.entries > maxEntries { // an archive without entries takes time too
		return nil, 0, invalid("more than %d entries", maxEntries)
	}
	c := &cpioReader{reader: d, linked: map[string]*linked{}, own: ownFiles{text: &d.text}}
	n, err := rootfs.ReadCpioArchive(in, c.take)
	switch {
	case failed() != nil:
		return nil, 0, failed()
	case errors.Is(err, ErrInvalid):
		return nil, 0, err
	case err != nil:
		return nil, 0, invalid("%w", err)
	}
	for _, l := range c.linked {
		for _, e := range l.names {
			e.Size, e.Digest = l.size, l.digest
		}
	}
	return c, n, c.apply()
}

// take reads one entry.
func (c *cpioReader) take(e *rootfs.Entry, content io.Reader) error {
	if err := c.spend(e); err != nil {
		return err
	}
	c.entries = append(c.entries, e)
	if e.Type != rootfs.File {
		e.Nlink = 0
		return nil
	}
	h := sha256.New()
	in := io.TeeReader(content, h)
	if err := c.own.take(len(c.entries)-1, e, in); err != nil {
		return err
	}
	if _, err := io.CopyBuffer(io.Discard, in, c.buffer()); err != nil {
		return err
	}
	h.Sum(e.Digest[:0])
	if e.Nlink > 1 {
		c.link(e)
	}
	e.Nlink = 0
	return nil
}

// link notes one name of a file that has several. One of them has the content.
func (c *cpioReader) link(e *rootfs.Entry) {
	first := e.First
	if first == "" {
		first = e.Path
		c.linked[first] = &linked{digest: e.Digest}
	}
	l := c.linked[first]
	l.names = append(l.names, e)
	if e.Size > 0 {
		l.size, l.digest = e.Size, e.Digest
	}
}
