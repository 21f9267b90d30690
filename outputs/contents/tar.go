package contents

import (
	"archive/tar"
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// tarBlock is what everything in a tar archive is a multiple of, bytes.
const tarBlock = 512

// tarReader reads a tar archive of files.
type tarReader struct {
	*reader
	in     *meter
	tar    *tar.Reader
	origin string
	layer  bool // links may lead to files of lower layers

	end     int64                    // where the content of the last entry ends
	files   map[string]*rootfs.Entry // by path, for links
	entries []*rootfs.Entry
}

// readTar reads a whole archive, with its end and all that follows.
func (d *reader) readTar(in *meter, origin string, layer bool) ([]*rootfs.Entry, error) {
	t := &tarReader{reader: d, in: in, tar: tar.NewReader(in), origin: origin, layer: layer, files: map[string]*rootfs.Entry{}}
	for {
		h, err := t.tar.Next()
		if errors.Is(err, io.EOF) {
			return t.entries, located(in.n, "tar", t.ended())
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, located(in.n, "tar", t.broken(err))
		}
		if err := t.take(h); err != nil {
			return nil, located(in.n, "tar", err)
		}
	}
}

// broken is the error of the bytes where the reader has none.
func (t *tarReader) broken(err error) error {
	if t.in.err != nil {
		return t.in.err
	}
	return invalid("%w", err)
}

// ended checks the end of the archive: two blocks of zeros, and perhaps more.
// Package tar does without them. So do some writers of layers, for which a digest
// vouches.
func (t *tarReader) ended() error {
	if t.in.err != nil {
		return t.in.err
	}
	end := t.end + -t.end&(tarBlock-1)
	zeros, err := t.in.onlyZeros(end, t.buffer())
	switch {
	case err != nil:
		return t.broken(err)
	case !zeros:
		return invalid("there is something behind the end of the archive, or the archive is cut")
	case t.layer:
		return nil
	}
	return checkEnd(end, t.in.n)
}

// checkEnd checks the end of an archive of size bytes, of which those from end on
// are zeros.
func checkEnd(end, size int64) error {
	switch {
	case size < end+2*tarBlock:
		return invalid("%w: the archive has no end", io.ErrUnexpectedEOF)
	case size%tarBlock != 0:
		return invalid("%w: the last block is cut", io.ErrUnexpectedEOF)
	}
	return nil
}

// take reads one entry.
func (t *tarReader) take(h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return t.global(h)
	}
	e, err := t.entry(h)
	if err != nil {
		return err
	}
	if err := t.spend(e); err != nil {
		return err
	}
	if e.Type == rootfs.File && e.First == "" {
		if err := t.content(e); err != nil {
			return err
		}
	}
	if e.Type == rootfs.File || e.Type == rootfs.Symlink {
		t.files[e.Path] = e
	}
	t.end = t.in.n
	t.entries = append(t.entries, e)
	return nil
}

// global checks a header that holds for all entries that follow, which nobody
// but git writes, with a comment.
func (t *tarReader) global(h *tar.Header) error {
	for key := range h.PAXRecords {
		if key != "comment" {
			return invalid("a global header with %q", key)
		}
	}
	t.end = t.in.n
	return nil
}

// entry makes an entry of a header.
func (t *tarReader) entry(h *tar.Header) (*rootfs.Entry, error) {
	path, err := clean(h.Name)
	if err != nil {
		return nil, err
	}
	e := &rootfs.Entry{Path: path, Mode: uint32(h.Mode & 0o7777), ModTime: h.ModTime.Unix(), Origin: t.origin, Xattrs: xattrsOf(h)}
	if isSparse(h) {
		return nil, invalid("%q is a sparse file, which is not read", path)
	}
	if h.Uid < 0 || int64(h.Uid) > math.MaxUint32 || h.Gid < 0 || int64(h.Gid) > math.MaxUint32 {
		return nil, invalid("%q has the owner %d:%d", path, h.Uid, h.Gid)
	}
	e.UID, e.GID = uint32(h.Uid), uint32(h.Gid)
	switch h.Typeflag {
	case tar.TypeReg, '\x00', tar.TypeCont:
		e.Type, e.Size = rootfs.File, h.Size
	case tar.TypeDir:
		e.Type = rootfs.Dir
	case tar.TypeFifo:
		e.Type = rootfs.Fifo
	case tar.TypeSymlink:
		e.Type, e.Link = rootfs.Symlink, strings.Clone(h.Linkname)
	case tar.TypeChar, tar.TypeBlock:
		return device(e, h)
	case tar.TypeLink:
		return t.link(e, h)
	default:
		return nil, invalid("%q has the unknown type %q", path, h.Typeflag)
	}
	return e, nil
}

// isSparse tells whether a file has holes, by either of GNU tar's formats.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// device fills in a device's numbers.
func device(e *rootfs.Entry, h *tar.Header) (*rootfs.Entry, error) {
	if h.Devmajor < 0 || h.Devmajor > math.MaxUint32 || h.Devminor < 0 || h.Devminor > math.MaxUint32 {
		return nil, invalid("%q is the device %d:%d", e.Path, h.Devmajor, h.Devminor)
	}
	e.Type, e.Major, e.Minor = rootfs.Char, uint32(h.Devmajor), uint32(h.Devminor)
	if h.Typeflag == tar.TypeBlock {
		e.Type = rootfs.Block
	}
	return e, nil
}

// link makes a further name of what it leads to, if that is in the archive.
func (t *tarReader) link(e *rootfs.Entry, h *tar.Header) (*rootfs.Entry, error) {
	target, err := clean(h.Linkname)
	if err != nil {
		return nil, err
	}
	first := t.files[target]
	switch {
	case first == nil && !t.layer:
		return nil, invalid("%q is a hard link to %q, which does not come before it", e.Path, target)
	case first == nil:
		e.Type, e.Link = rootfs.HardLink, target
		return e, nil
	}
	e.Type, e.Size, e.Digest, e.Link, e.Xattrs = first.Type, first.Size, first.Digest, first.Link, first.Xattrs
	e.First = cmp.Or(first.First, first.Path)
	return e, nil
}

// content reads and hashes what is in a file.
func (t *tarReader) content(e *rootfs.Entry) error {
	h := sha256.New()
	n, err := io.CopyBuffer(h, t.tar, t.buffer())
	switch {
	case err != nil:
		return t.broken(err)
	case n != e.Size:
		return invalid("%q: %w", e.Path, io.ErrUnexpectedEOF)
	}
	h.Sum(e.Digest[:0])
	return nil
}

// xattrsOf returns the extended attributes in PAX records, sorted by name.
func xattrsOf(h *tar.Header) []rootfs.Xattr {
	var found []rootfs.Xattr
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok && name != "" {
			found = append(found, rootfs.Xattr{Name: strings.Clone(name), Value: strings.Clone(value)})
		}
	}
	slices.SortFunc(found, func(a, b rootfs.Xattr) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

// clean returns a name of an archive as a path: relative, without "." and without
// a slash at the end. "" is the root. It is a copy: what package tar returns may
// be a piece of a header of a megabyte.
func clean(name string) (string, error) {
	if name == "" || len(name) > maxName || strings.IndexByte(name, 0) >= 0 {
		return "", invalid("the name %.80q of %d bytes", name, len(name))
	}
	parts := strings.Split(name, "/")
	kept := parts[:0]
	for _, part := range parts {
		switch part {
		case "", ".":
		case "..":
			return "", invalid("the name %.80q leads out of the archive", name)
		default:
			kept = append(kept, part)
		}
	}
	return strings.Clone(strings.Join(kept, "/")), nil
}

// spend takes an entry from what the file may have.
func (d *reader) spend(e *rootfs.Entry) error {
	n := len(e.Path) + len(e.Link)
	if e.First == "" {
		for _, x := range e.Xattrs {
			n += len(x.Name) + len(x.Value) + xattrCost
		}
	}
	d.entries, d.text = d.entries+1, d.text+n
	switch {
	case len(e.Link) > maxName:
		return invalid("%q: a target of %d bytes", e.Path, len(e.Link))
	case d.entries > maxEntries:
		return invalid("more than %d entries", maxEntries)
	case d.text > maxText:
		return invalid("names and attributes of more than %d bytes", maxText)
	}
	return nil
}
