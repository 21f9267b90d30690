package debian

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Deb is a package file (deb(5)). It reads from what it was opened with.
type Deb struct {
	// Control is the paragraph of the file control.
	Control Paragraph

	data   *io.SectionReader // data.tar as it stands there
	ending string            // its compression
}

// OpenDeb opens a package file of size bytes and reads its control paragraph. Errors wrap
// ErrDamaged.
func OpenDeb(r io.ReaderAt, size int64) (*Deb, error) {
	d, err := openDeb(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w: no package file: %w", ErrDamaged, err)
	}
	return d, nil
}

func openDeb(r io.ReaderAt, size int64) (*Deb, error) {
	members, err := readMembers(r, size)
	if err != nil {
		return nil, err
	}
	if err := checkFormat(r, members); err != nil {
		return nil, err
	}
	rest := members[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0].name, "_") {
		rest = rest[1:] // deb(5): a reader ignores these
	}
	control, rest, err := take(rest, "control.tar")
	if err != nil {
		return nil, err
	}
	for len(rest) > 0 && strings.HasPrefix(rest[0].name, "_") {
		rest = rest[1:]
	}
	data, _, err := take(rest, "data.tar")
	if err != nil {
		return nil, err
	}
	d := &Deb{data: data.content(r), ending: path.Ext(strings.TrimPrefix(data.name, "data.tar"))}
	c := control.content(r)
	d.Control, err = readControl(c, path.Ext(strings.TrimPrefix(control.name, "control.tar")))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", control.name, err)
	}
	return d, nil
}

// checkFormat reads the first member, which has the format's version.
func checkFormat(r io.ReaderAt, members []member) error {
	if len(members) == 0 || members[0].name != "debian-binary" || members[0].size > 64 {
		return errors.New(`its first member is not "debian-binary"`)
	}
	text, err := io.ReadAll(members[0].content(r))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(text), "2.") || !strings.HasSuffix(string(text), "\n") {
		return fmt.Errorf("its format is %q, only 2.x is known", text)
	}
	return nil
}

// take returns the first member, which must have that name and an ending.
func take(members []member, name string) (member, []member, error) {
	if len(members) == 0 {
		return member{}, nil, fmt.Errorf("no member %s", name)
	}
	first := members[0]
	if ending, ok := strings.CutPrefix(first.name, name); !ok || (ending != "" && path.Ext(ending) != ending) {
		return member{}, nil, fmt.Errorf("a member %q where %s belongs", first.name, name)
	}
	return first, members[1:], nil
}

// readControl finds the file control in control.tar and reads its one paragraph.
func readControl(r *io.SectionReader, ending string) (control Paragraph, err error) {
	err = unpack(r, r.Size(), ending, func(plain io.Reader) error {
		files := tar.NewReader(io.LimitReader(plain, 256<<20))
		for {
			header, err := files.Next()
			if errors.Is(err, io.EOF) {
				return errors.New("no file control in it")
			}
			if err != nil {
				return err
			}
			if path.Clean(header.Name) == "control" && header.Typeflag == tar.TypeReg {
				break
			}
		}
		return ReadParagraphs(files, func(p Paragraph) error {
			if control != nil {
				return errors.New("control: more than one paragraph")
			}
			control = append(control, p...)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Package", "Version", "Architecture"} {
		if control.Get(name) == "" {
			return nil, fmt.Errorf("control: no field %s", name)
		}
	}
	return control, nil
}
