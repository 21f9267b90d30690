package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// maxText is the size up to which the contents of what compose writes are kept.
const maxText = 1 << 20

// keeps tells whether p may be something that compose writes itself.
func keeps(p string) bool {
	return !strings.Contains(p, "/lower/") && !strings.Contains(p, "/rootfs/") && !strings.HasPrefix(p, "usr/") && !strings.HasPrefix(p, "lib/modules/")
}

// readArchiveFile reads an archive, and returns what is wrong with it as an
// archive.
func readArchiveFile(name string) (*tree, []fault, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	t, faults, err := readArchive(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, faults, nil
}

// archive is one that is being read.
type archive struct {
	tree   *tree
	last   string // path of the entry before
	faults []fault
}

func readArchive(r io.Reader) (*tree, []fault, error) {
	a := archive{tree: newTree()}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("after %q: %w", a.last, err)
		}
		if err := a.entry(h, tr); err != nil {
			return nil, nil, fmt.Errorf("%q: %w", h.Name, err)
		}
	}
	if n, err := nonZero(r); n > 0 || err != nil {
		a.fault("", "%d bytes after its end that are not zero: %v", n, err)
	}
	return a.tree, a.faults, nil
}

func (a *archive) fault(path, format string, args ...any) {
	a.faults = append(a.faults, fault{path, "archive: " + fmt.Sprintf(format, args...)})
}

// kindOf returns "" for what must not be in the archive.
func kindOf(typeflag byte) string {
	switch typeflag {
	case tar.TypeReg, tar.TypeLink:
		return "file"
	case tar.TypeDir:
		return "directory"
	case tar.TypeSymlink:
		return "symlink"
	case tar.TypeChar:
		return "char"
	case tar.TypeBlock:
		return "block"
	case tar.TypeFifo:
		return "fifo"
	}
	return ""
}

func (a *archive) entry(h *tar.Header, content io.Reader) error {
	p := strings.TrimSuffix(h.Name, "/")
	if p == "." {
		p = ""
	}
	a.header(p, h)
	r := &record{
		kind: kindOf(h.Typeflag), mode: uint32(h.Mode), uid: uint32(h.Uid), gid: uint32(h.Gid),
		mtime: h.ModTime.Unix(), nsec: int64(h.ModTime.Nanosecond()), size: h.Size,
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		r.link = h.Linkname
	case tar.TypeChar, tar.TypeBlock:
		r.device = fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor)
	case tar.TypeLink:
		a.hardLink(p, h, r)
		a.tree.entries[p] = r
		return nil
	}
	for k, v := range h.PAXRecords {
		if name, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
			if r.xattrs == nil {
				r.xattrs = map[string]string{}
			}
			r.xattrs[name] = v
		}
	}
	a.tree.entries[p] = r
	if r.kind != "file" {
		return nil
	}
	return r.read(content, keeps(p))
}

// read takes in the content of a file.
func (r *record) read(content io.Reader, keep bool) error {
	h := sha256.New()
	var text bytes.Buffer
	w := io.Writer(h)
	if keep && r.size <= maxText {
		w = io.MultiWriter(h, &text)
	}
	if _, err := io.CopyBuffer(w, struct{ io.Reader }{content}, make([]byte, 128<<10)); err != nil {
		return err
	}
	r.sum = hex.EncodeToString(h.Sum(nil))
	r.text = text.Bytes()
	return nil
}

// header checks what a header says beside its entry, and where it stands.
func (a *archive) header(p string, h *tar.Header) {
	if p != "" && (path.Clean("/"+p) != "/"+p || strings.ContainsRune(p, 0)) {
		a.fault(p, "the path is not clean")
	}
	if kindOf(h.Typeflag) == "" {
		a.fault(p, "type %q", h.Typeflag)
	}
	if h.Uname != "" || h.Gname != "" || !h.AccessTime.IsZero() || !h.ChangeTime.IsZero() {
		a.fault(p, "it has names of owners, or more times than one")
	}
	if _, ok := a.tree.entries[p]; ok {
		a.fault(p, "is there twice")
	}
	if up := a.tree.entries[parent(p)]; parent(p) != "" && (up == nil || up.kind != "directory") {
		a.fault(p, "stands before its directory")
	}
	if len(a.tree.entries) > 0 && pathKey(p) <= pathKey(a.last) {
		a.fault(p, "stands after %s, out of order", a.last)
	}
	a.last = p
}

// hardLink makes r a further name of what h names.
func (a *archive) hardLink(p string, h *tar.Header, r *record) {
	first := a.tree.entries[h.Linkname]
	if first == nil || first.kind != "file" {
		a.fault(p, "links to %q, which is not a file before it", h.Linkname)
		return
	}
	if first.group == "" {
		first.group = h.Linkname
	}
	if first.group != h.Linkname {
		a.fault(p, "links to %q, which is itself a link", h.Linkname)
	}
	if r.mode != first.mode || r.uid != first.uid || r.gid != first.gid || r.mtime != first.mtime {
		a.fault(p, "is a link with another mode, owner or time than its file")
	}
	r.group, r.size, r.sum, r.xattrs, r.text = first.group, first.size, first.sum, first.xattrs, first.text
}

// nonZero counts what is left of r but zeros.
func nonZero(r io.Reader) (int, error) {
	buf := make([]byte, 128<<10)
	bad := 0
	for {
		n, err := r.Read(buf)
		for _, c := range buf[:n] {
			if c != 0 {
				bad++
			}
		}
		if errors.Is(err, io.EOF) {
			return bad, nil
		}
		if err != nil {
			return bad, err
		}
	}
}
