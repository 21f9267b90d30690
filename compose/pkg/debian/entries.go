package debian

import (
	"archive/tar"
	"bufio"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// Scratch holds an unpacked data.tar, up to some hundred MB: an empty file serves.
type Scratch interface {
	io.Writer
	io.ReaderAt
}

// Entries unpacks the package's files into scratch, which must be empty, and returns what
// they are, in the order of the archive and without the root directory itself. Bodies read
// from scratch, so it is kept open as long as they are needed. Digests are set.
//
// The names of a hard-linked file are entries of type File with one Inode, numbered from 1
// in each package: who joins packages numbers them anew. ModTime and owners are those of
// the archive. Devices, fifos, sockets, a path twice and a path below what is no directory
// are refused. Errors wrap ErrDamaged, but for those of scratch.
func (d *Deb) Entries(scratch Scratch) ([]*rootfs.Entry, error) {
	u := &unpacker{scratch: scratch, out: bufio.NewWriterSize(scratch, 1<<20), known: map[string]*rootfs.Entry{}}
	err := unpack(d.data, d.data.Size(), d.ending, func(plain io.Reader) error {
		u.in = plain
		u.files = tar.NewReader(u)
		return u.run()
	})
	if u.fault == nil {
		u.fault = u.out.Flush()
	}
	if u.fault != nil {
		return nil, u.fault
	}
	if err != nil {
		return nil, fmt.Errorf("%w: data.tar: %w", ErrDamaged, err)
	}
	return u.entries, nil
}

// unpacker copies a tar archive into scratch while it is read, and knows so where in
// scratch each body is.
type unpacker struct {
	in      io.Reader
	scratch Scratch
	out     *bufio.Writer // to scratch; bodies are read when all has been written
	fault   error         // of scratch
	at      int64         // bytes copied
	files   *tar.Reader
	entries []*rootfs.Entry
	known   map[string]*rootfs.Entry
	inodes  uint32
}

// Read implements io.Reader: it reads from in and writes the same to scratch. It hides
// from archive/tar all else that in can do, so that nothing is skipped.
func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	if _, bad := u.out.Write(p[:n]); bad != nil {
		u.fault = bad
		return 0, bad
	}
	u.at += int64(n)
	return n, err
}

func (u *unpacker) run() error {
	for {
		header, err := u.files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		name, err := entryPath(header.Name)
		if err == nil && name != "" {
			err = u.add(name, header)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", clip(header.Name), err)
		}
	}
}

// entryPath cleans "./usr/bin/" to "usr/bin". What leads out of the root, or is written so
// that it could be read as something else, is refused.
func entryPath(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return "", errors.New("the path is absolute")
	}
	if strings.ContainsRune(name, 0) {
		return "", errors.New("the path has a zero byte")
	}
	if slices.Contains(strings.Split(name, "/"), "..") {
		return "", errors.New(`the path has ".." in it`)
	}
	clean := path.Clean(name)
	if clean == "." {
		clean = ""
	}
	return clean, nil
}

// add takes one file of the archive as an entry.
func (u *unpacker) add(name string, header *tar.Header) error {
	if u.known[name] != nil {
		return errors.New("it is in the archive twice")
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if e := u.known[dir]; e != nil && e.Type != rootfs.Dir {
			return fmt.Errorf("%s above it is a %s", dir, e.Type)
		}
	}
	e, err := u.entry(name, header)
	if err != nil {
		return err
	}
	u.entries = append(u.entries, e)
	u.known[name] = e
	return nil
}

func (u *unpacker) entry(name string, header *tar.Header) (*rootfs.Entry, error) {
	if header.Typeflag == tar.TypeLink {
		return u.link(name, header.Linkname)
	}
	const maxID = 1<<32 - 2 // -1 means no owner to chown(2)
	if header.Uid < 0 || header.Gid < 0 || int64(header.Uid) > maxID || int64(header.Gid) > maxID {
		return nil, fmt.Errorf("owner %d:%d", header.Uid, header.Gid)
	}
	e := &rootfs.Entry{
		Path: name, Mode: uint32(header.Mode & 0o7777), UID: uint32(header.Uid), GID: uint32(header.Gid),
		ModTime: header.ModTime.Unix(), Xattrs: xattrs(header.PAXRecords),
	}
	switch header.Typeflag {
	case tar.TypeDir:
		e.Type = rootfs.Dir
	case tar.TypeSymlink:
		e.Type, e.Link, e.Mode = rootfs.Symlink, header.Linkname, 0o777
		if e.Link == "" || strings.ContainsRune(e.Link, 0) {
			return nil, errors.New("a symbolic link to nothing")
		}
	case tar.TypeReg:
		e.Type = rootfs.File
		return e, u.body(e, header)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return nil, errors.New("a device or fifo: packages may not bring them, the system makes them")
	default:
		return nil, fmt.Errorf("a file of the type %q", header.Typeflag)
	}
	return e, nil
}

// body reads a file's content, so that it is in scratch.
func (u *unpacker) body(e *rootfs.Entry, header *tar.Header) error {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return errors.New("a sparse file")
		}
	}
	offset := u.at
	hash := sha256.New()
	n, err := io.Copy(hash, u.files)
	if err != nil {
		return err
	}
	if n != header.Size || u.at-offset != n {
		return errors.New("a sparse file")
	}
	e.Size = n
	hash.Sum(e.Digest[:0])
	if n > 0 {
		e.Body = io.NewSectionReader(u.scratch, offset, n)
	}
	return nil
}

// link is a further name of a file that stands before it in the archive.
func (u *unpacker) link(name, target string) (*rootfs.Entry, error) {
	to, err := entryPath(target)
	if err != nil {
		return nil, fmt.Errorf("hard link to %q: %w", clip(target), err)
	}
	first := u.known[to]
	if first == nil || first.Type != rootfs.File {
		return nil, fmt.Errorf("hard link to %q, which is no file before it in the archive", clip(target))
	}
	if first.Inode == 0 {
		u.inodes++
		first.Inode = u.inodes
	}
	e := *first
	e.Path = name
	return &e, nil
}

// xattrs returns the extended attributes of a file's PAX records, sorted.
func xattrs(records map[string]string) []rootfs.Xattr {
	var list []rootfs.Xattr
	for key, value := range records {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			list = append(list, rootfs.Xattr{Name: name, Value: value})
		}
	}
	slices.SortFunc(list, func(a, b rootfs.Xattr) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
