package contents

import (
	"archive/tar"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// member is a file of an archive that holds images.
type member struct {
	Part
	link string // the member that it stands for; then there is no content
	used bool
}

// list is the files of such an archive.
type list struct {
	all   []*member // in the order of the archive
	by    map[string]*member
	text  int   // bytes of names and targets
	fault error // the first, if it is such an archive
}

// list returns the files of a tar archive that holds images, or nil if it is one
// of a root filesystem. It reads headers alone.
//
// What it is, names say: those of image archives lie at the top, in "blobs" or in
// folders that are called by a digest. A root filesystem has others.
func (d *reader) list() (*list, error) {
	l := &list{by: map[string]*member{}}
	in := &seeker{SectionReader: d.section(0, d.size)}
	end := int64(0)
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		now, _ := in.Seek(0, io.SeekCurrent) // a section can always say it
		if now > d.size {                    // the content of the last file is not all there
			return nil, located(d.size, "tar", invalid("%w", io.ErrUnexpectedEOF))
		}
		if errors.Is(err, io.EOF) {
			if !l.holdsImages() {
				return nil, nil
			}
			return l, located(now, "tar", cmp.Or(l.fault, d.ended(end)))
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, located(now, "tar", cmp.Or(in.err, invalid("%w", err)))
		}
		if len(l.all) == maxMembers || !maybeImages(h) {
			return nil, nil
		}
		if err := l.add(h, now, d.size); err != nil && l.fault == nil {
			l.fault = err
		}
		end = now + h.Size
	}
}

// seeker keeps the error of a section that is not its end.
type seeker struct {
	*io.SectionReader
	err error
}

// Read implements [io.Reader].
func (s *seeker) Read(p []byte) (int, error) {
	n, err := s.SectionReader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// ended checks the end of the archive, as [tarReader.ended] does.
func (d *reader) ended(end int64) error {
	end += -end & (tarBlock - 1)
	zeros, err := d.zerosFrom(end)
	switch {
	case err != nil:
		return err
	case zeros < d.size:
		return invalid("there is something behind the end of the archive, or the archive is cut, at byte %d", zeros)
	}
	return checkEnd(end, d.size)
}

// maybeImages tells whether an archive with that entry may hold images.
func maybeImages(h *tar.Header) bool {
	name := strings.TrimPrefix(h.Name, "./")
	top, _, below := strings.Cut(name, "/")
	return !below && h.Typeflag != tar.TypeDir || name == "" || top == "blobs" || isHex(top)
}

// isHex tells whether s is 64 hexadecimal digits.
func isHex(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// holdsImages tells whether the archive is of a kind that holds images.
func (l *list) holdsImages() bool {
	return l.by[dockerManifest] != nil || l.by[layoutFile] != nil || l.boots()
}

// add adds an entry, whose content is at off.
func (l *list) add(h *tar.Header, off, size int64) error {
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	m := &member{Part: Part{Name: name, Offset: off, Size: h.Size, Kind: "file"}}
	switch h.Typeflag {
	case tar.TypeReg, '\x00':
	case tar.TypeDir:
		return nil
	case tar.TypeLink:
		m.link = strings.Clone(path.Clean(h.Linkname))
	case tar.TypeSymlink:
		m.link = path.Join(path.Dir(name), h.Linkname)
	default:
		return invalid("%q has the unknown type %q", name, h.Typeflag)
	}
	l.text += len(name) + len(m.link)
	switch {
	case l.text > maxText:
		return invalid("names of more than %d bytes", maxText)
	case isSparse(h):
		return invalid("%q is a sparse file, which is not read", name)
	case l.by[name] != nil:
		return invalid("%q is in the archive twice", name)
	case h.Size > size-off:
		return invalid("%q: %w", name, io.ErrUnexpectedEOF)
	}
	l.all, l.by[name] = append(l.all, m), m
	return nil
}

// maxLinks is how many links may lead to a file.
const maxLinks = 40

// find returns the member of that name, behind links, and notes that it is used.
func (l *list) find(name string) (*member, error) {
	for range maxLinks {
		m := l.by[name]
		if m == nil {
			return nil, invalid("%q is not in the archive", name)
		}
		m.used = true
		if m.link == "" {
			return m, nil
		}
		name = m.link
	}
	return nil, invalid("%q: more than %d links", name, maxLinks)
}

// document reads a JSON document into v, strictly, and remembers its digest.
func (d *reader) document(m *member, v any) error {
	m.Kind = jsonKind
	text, err := d.textOf(m)
	if err == nil {
		err = d.sum(m)
	}
	if err != nil {
		return err
	}
	if err := spec.CheckJSON(text); err != nil {
		return invalid("%s: %w", m.Name, err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return invalid("%s: %w", m.Name, err)
	}
	return nil
}

// textOf returns the bytes of a document. What it does costs time each time, and a
// document may be named as often as a hostile file likes.
func (d *reader) textOf(m *member) ([]byte, error) {
	if m.Size > maxDocument {
		return nil, invalid("%s has %d bytes; at most %d are read", m.Name, m.Size, maxDocument)
	}
	if d.docs += m.Size; d.docs > maxDocuments {
		return nil, invalid("%s: documents of more than %d bytes, each as often as it is named", m.Name, maxDocuments)
	}
	return d.head(m.Offset, int(m.Size))
}

// sum works out the digest of a member, if nobody has before.
func (d *reader) sum(m *member) (err error) {
	if m.Digest == (rootfs.Digest{}) {
		m.Digest, err = d.digest(m.Offset, m.Size)
	}
	return err
}
