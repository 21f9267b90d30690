package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// The limits of an archive: its members, so that a hostile one does not fill
// the memory with names, and the links that lead to one.
const (
	maxMembers = 1 << 20
	maxLinks   = 40
)

// tarball is the files in a tar. Its headers are read once; members are then
// read where they lie.
type tarball struct {
	path    string // where file lies; "" where it lies nowhere
	file    tarFile
	members map[string]member
	end     int64 // bytes before the end marker
}

// tarFile is what a tar is read from.
type tarFile interface {
	io.ReadSeeker
	io.ReaderAt
	io.Closer
}

// member is one member of a tar.
type member struct {
	start, offset, size int64  // bytes: headers from start, content from offset
	link                string // member that this one stands for; then size says nothing
}

// blockSize is what tars are made of, in bytes.
const blockSize = 512

// behind is where the headers begin that follow content.
func behind(offset, size int64) int64 { return (offset + size + blockSize - 1) / blockSize * blockSize }

// openTar reads the headers of a tar.
func openTar(name string) (*tarball, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	t, err := newTar(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	t.path = name
	return t, nil
}

// newTar reads the headers of the tar that f, at its beginning, holds.
func newTar(f tarFile) (*tarball, error) {
	t := &tarball{file: f, members: make(map[string]member)}
	return t, t.index()
}

func (t *tarball) index() error {
	end, err := t.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err = t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := t.checkPlain(); err != nil {
		return err
	}
	// The reader takes headers as whole blocks from the file itself, and skips
	// content by seeking: behind a header, the file stands at the content.
	for r := tar.NewReader(t.file); ; {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%w: not a whole tar: %w", ErrInvalid, err)
		case len(t.members) == maxMembers:
			return fmt.Errorf("%w: more than %d members", ErrInvalid, maxMembers)
		}
		offset, err := t.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if err := t.add(h, offset, end); err != nil {
			return fmt.Errorf("member %q: %w", h.Name, err)
		}
		t.end = behind(offset, contentOf(h))
	}
}

// contentOf is how many bytes of content follow the headers of a member (POSIX pax,
// "ustar Interchange Format": of some kinds none, whatever size says).
func contentOf(h *tar.Header) int64 {
	switch h.Typeflag {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		return 0
	}
	return h.Size
}

// checkPlain tells a compressed archive, which people do make, from a damaged one.
func (t *tarball) checkPlain() error {
	var head [4]byte
	n, err := t.file.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch compressionOf(head[:n]) {
	case gzipped:
		return fmt.Errorf("%w: a compressed archive; run \"gunzip\" on it first", ErrInvalid)
	case zstded:
		return fmt.Errorf("%w: a compressed archive; run \"unzstd\" on it first", ErrInvalid)
	}
	if n == 0 {
		return fmt.Errorf("%w: an empty file", ErrInvalid)
	}
	return nil
}

func (t *tarball) add(h *tar.Header, offset, end int64) error {
	var m member
	switch h.Typeflag {
	case tar.TypeReg:
		m = member{start: t.end, offset: offset, size: h.Size}
	case tar.TypeLink:
		m.link = h.Linkname
	case tar.TypeSymlink:
		m.link = path.Join(path.Dir(strings.TrimLeft(h.Name, "/")), h.Linkname)
	case tar.TypeGNUSparse:
		return fmt.Errorf("%w: sparse", ErrInvalid)
	default:
		return nil // folders; nothing else is ever asked for
	}
	name, err := memberName(h.Name)
	switch {
	case err != nil:
		return err
	case h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.map"] != "":
		return fmt.Errorf("%w: sparse", ErrInvalid)
	case m.size > end-offset:
		return fmt.Errorf("%w: not a whole tar: %w", ErrInvalid, io.ErrUnexpectedEOF)
	}
	if _, twice := t.members[name]; twice {
		return fmt.Errorf("%w: it is in the archive twice", ErrInvalid)
	}
	t.members[name] = m
	return nil
}

// memberName gives a member's name its one spelling: ./a is a.
func memberName(name string) (string, error) {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%w: it leads out of the archive", ErrInvalid)
	}
	return clean, nil
}

// find follows links to a member's content. Docker wrote a layer that an
// archive has twice as a link.
func (t *tarball) find(name string) (member, error) {
	at := name
	for range maxLinks {
		clean, err := memberName(at)
		if err != nil {
			return member{}, fmt.Errorf("%s: link to %q: %w", name, at, err)
		}
		m, ok := t.members[clean]
		switch {
		case !ok && at == name:
			return member{}, fmt.Errorf("%s: %w", name, ErrNotFound)
		case !ok:
			return member{}, fmt.Errorf("%s: link to %q: %w", name, at, ErrNotFound)
		case m.link == "":
			return m, nil
		}
		at = m.link
	}
	return member{}, fmt.Errorf("%s: %w: more than %d links", name, ErrInvalid, maxLinks)
}

func (t *tarball) open(name string) (io.ReadCloser, int64, error) {
	m, err := t.find(name)
	if err != nil {
		return nil, 0, err
	}
	return io.NopCloser(io.NewSectionReader(t.file, m.offset, m.size)), m.size, nil
}

// Close closes the archive. Members must not be read after it.
func (t *tarball) Close() error { return t.file.Close() }

// compression is how bytes are compressed.
type compression int

const (
	plain compression = iota
	gzipped
	zstded
)

// compressionOf tells compression by the first bytes (RFC 1952 2.3.1, RFC 8878 3.1.1).
func compressionOf(head []byte) compression {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzipped
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstded
	}
	return plain
}
