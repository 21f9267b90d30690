package debian

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	arMagic  = "!<arch>\n"
	arHeader = 60 // name 16, time 12, uid 6, gid 6, mode 8, size 10, "`\n"
)

// member is a member of an ar archive.
type member struct {
	name   string
	offset int64 // of its content
	size   int64
}

// content reads the member's bytes.
func (m member) content(r io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(r, m.offset, m.size)
}

// readMembers lists the members of an ar archive of size bytes, as deb(5) has it: no long
// names, each member's end padded with a newline to an even offset.
func readMembers(r io.ReaderAt, size int64) ([]member, error) {
	magic := make([]byte, len(arMagic))
	if _, err := r.ReadAt(magic, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(magic) != arMagic {
		return nil, errors.New("not an ar archive")
	}
	var members []member
	header := make([]byte, arHeader)
	for at := int64(len(arMagic)); at < size; {
		if size-at < arHeader {
			return nil, fmt.Errorf("offset %d: a header that is cut off", at)
		}
		if _, err := r.ReadAt(header, at); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		m, err := parseHeader(header)
		if err != nil {
			return nil, fmt.Errorf("offset %d: %w", at, err)
		}
		m.offset = at + arHeader
		at = m.offset + m.size
		if at > size {
			return nil, fmt.Errorf("member %s: %d bytes, but the file ends after %d of them", m.name, m.size, size-m.offset)
		}
		if at%2 == 1 {
			if _, err := r.ReadAt(header[:1], at); err != nil || header[0] != '\n' {
				return nil, fmt.Errorf("member %s: no padding after it", m.name)
			}
			at++
		}
		if members = append(members, m); len(members) > 16 {
			return nil, errors.New("more than 16 members")
		}
	}
	return members, nil
}

// parseHeader reads a member's name and size.
func parseHeader(header []byte) (member, error) {
	if !bytes.HasSuffix(header, []byte("`\n")) {
		return member{}, errors.New("no member header")
	}
	name := strings.TrimSuffix(strings.TrimRight(string(header[:16]), " "), "/")
	digits := strings.TrimRight(string(header[48:58]), " ")
	size, err := strconv.ParseUint(digits, 10, 40)
	if err != nil || name == "" {
		return member{}, fmt.Errorf("member %q: a size of %q bytes", name, digits)
	}
	return member{name: name, size: int64(size)}, nil
}
