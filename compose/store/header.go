package store

import (
	"archive/tar"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// The PAX records that count beside those that package tar reads itself. All
// others (times of access and of change, names of users, what vendors add) say
// nothing about the file.
const (
	paxXattr  = "SCHILY.xattr."
	paxSparse = "GNU.sparse."
)

// droppedXattrs are attributes that tell of the machine an image was made on.
var droppedXattrs = [...]string{"trusted.overlay.", "security.selinux"}

// typeOf reads a type flag. '\x00' and '7' are files as well (POSIX pax, "ustar
// Interchange Format").
func typeOf(flag byte) (rootfs.Type, bool) {
	switch flag {
	case tar.TypeReg, '\x00', tar.TypeCont:
		return rootfs.File, true
	case tar.TypeDir:
		return rootfs.Dir, true
	case tar.TypeSymlink:
		return rootfs.Symlink, true
	case tar.TypeChar:
		return rootfs.Char, true
	case tar.TypeBlock:
		return rootfs.Block, true
	case tar.TypeFifo:
		return rootfs.Fifo, true
	case tar.TypeLink:
		return rootfs.HardLink, true
	}
	return 0, false
}

// newRecord reads a header. Errors wrap [ErrInvalid].
func newRecord(h *tar.Header) (record, error) {
	path, err := clean(h.Name)
	if err != nil {
		return record{}, err
	}
	t, ok := typeOf(h.Typeflag)
	if h.Typeflag == tar.TypeGNUSparse || ok && sparse(h) {
		return record{}, fmt.Errorf("%w: %q is a sparse file: make the archive without --sparse", ErrInvalid, path)
	}
	if !ok {
		return record{}, fmt.Errorf("%w: %q has the unknown type flag %q", ErrInvalid, path, h.Typeflag)
	}
	r := record{path: path, typ: t, mode: uint32(h.Mode & 0o7777)}
	if path == "" && t != rootfs.Dir {
		return record{}, fmt.Errorf("%w: the root is a %s", ErrInvalid, t)
	}
	if r.uid, err = id("uid", h.Uid, h.PAXRecords); err == nil {
		r.gid, err = id("gid", h.Gid, h.PAXRecords)
	}
	if err == nil {
		err = r.setTarget(h)
	}
	if err != nil {
		return record{}, fmt.Errorf("%w: %q: %w", ErrInvalid, path, err)
	}
	// Whole seconds, rounded down, and nothing before 1970, which cpio cannot say.
	r.modTime = max(h.ModTime.Unix(), 0)
	r.xattrs = xattrs(h.PAXRecords)
	return r, nil
}

// setTarget fills in what only some types have.
func (r *record) setTarget(h *tar.Header) error {
	switch r.typ {
	case rootfs.File:
		r.size = h.Size
	case rootfs.Symlink:
		if h.Linkname == "" || len(h.Linkname) > maxName || strings.IndexByte(h.Linkname, 0) >= 0 {
			return fmt.Errorf("bad target %.80q of a symbolic link", h.Linkname)
		}
		r.link = h.Linkname
	case rootfs.HardLink:
		link, err := clean(h.Linkname)
		if err == nil && link == "" {
			err = fmt.Errorf("the root has no other names")
		}
		if err != nil {
			return fmt.Errorf("hard link: %w", err)
		}
		r.link = link
	case rootfs.Char, rootfs.Block:
		if h.Devmajor < 0 || h.Devmajor > math.MaxUint32 || h.Devminor < 0 || h.Devminor > math.MaxUint32 {
			return fmt.Errorf("bad device number %d:%d", h.Devmajor, h.Devminor)
		}
		r.major, r.minor = uint32(h.Devmajor), uint32(h.Devminor)
	}
	return nil
}

// id checks a user or group number. Where int has 32 bits package tar has cut
// the number; then the PAX record counts, and what looks negative without one is
// a number from 2³¹ on.
func id(what string, n int, pax map[string]string) (uint32, error) {
	number := int64(n)
	if text, ok := pax[what]; ok {
		var err error
		if number, err = strconv.ParseInt(text, 10, 64); err != nil {
			return 0, fmt.Errorf("bad %s %.20q", what, text)
		}
	} else if strconv.IntSize == 32 {
		number = int64(uint32(n))
	}
	if number < 0 || number > math.MaxUint32 {
		return 0, fmt.Errorf("bad %s %d", what, number)
	}
	return uint32(number), nil
}

// sparse tells whether the file has holes by the PAX formats of GNU tar.
func sparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, paxSparse) {
			return true
		}
	}
	return false
}

// xattrs returns the attributes among PAX records, sorted by name.
func xattrs(records map[string]string) []rootfs.Xattr {
	var found []rootfs.Xattr
	for k, v := range records {
		name, ok := strings.CutPrefix(k, paxXattr)
		if !ok || name == "" || dropped(name) {
			continue
		}
		found = append(found, rootfs.Xattr{Name: name, Value: v})
	}
	slices.SortFunc(found, func(a, b rootfs.Xattr) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

func dropped(name string) bool {
	for _, p := range droppedXattrs {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
