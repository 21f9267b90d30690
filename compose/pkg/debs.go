package pkg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// docs is where Debian packages keep what they have to say; the copyright file in a
// folder of it always stays.
const docs = "usr/share/doc"

// deb is one Debian package that has been opened.
type deb struct {
	spec.LockedDeb
	control debian.Paragraph
	entries []*rootfs.Entry
}

// unpacked is the Debian packages of an image.
type unpacked struct {
	debs []deb    // by name
	all  contents // every file of theirs
}

// unpack fetches the packages of the source and reads what is in them. What it
// opens is closed with the work.
func (w *work) unpack(ctx context.Context) (*unpacked, error) {
	pins, err := w.source.debs(w.arch)
	if err != nil {
		return nil, err
	}
	u := &unpacked{all: contents{}}
	inodes := uint32(0)
	for _, pin := range pins {
		d, err := w.open(ctx, pin)
		if err != nil {
			return nil, fmt.Errorf("%s: debs: %w", w.source.Package.Pos, err)
		}
		highest := uint32(0)
		for _, e := range d.entries {
			e.Origin = pin.Name
			if e.Inode != 0 {
				highest = max(highest, e.Inode)
				e.Inode += inodes
			}
			if u.all[e.Path] == nil {
				u.all.put(e)
			}
		}
		inodes += highest
		u.debs = append(u.debs, d)
	}
	return u, nil
}

// open fetches and reads one package. Its error names the package.
func (w *work) open(ctx context.Context, pin spec.LockedDeb) (deb, error) {
	blob, err := w.Archive.Fetch(ctx, pinOf(w.source.Set.Lock, pin))
	if err != nil {
		return deb{}, err
	}
	w.closers = append(w.closers, blob)
	d, err := w.read(blob, pin)
	if err != nil {
		return deb{}, fmt.Errorf("%s %s (%s): %w", pin.Name, pin.Version, pin.Arch, err)
	}
	return d, nil
}

// read reads the files of a package that has been fetched.
func (w *work) read(blob debian.Blob, pin spec.LockedDeb) (deb, error) {
	d, err := debian.OpenDeb(blob, blob.Size())
	if err != nil {
		return deb{}, err
	}
	if err := isPackage(d, pin); err != nil {
		return deb{}, err
	}
	scratch, err := w.temp("deb")
	if err != nil {
		return deb{}, err
	}
	entries, err := d.Entries(scratch)
	if err != nil {
		return deb{}, err
	}
	return deb{pin, d.Control, entries}, nil
}

// isPackage holds what a package says of itself against its pin.
func isPackage(d *debian.Deb, pin spec.LockedDeb) error {
	for _, field := range []struct{ name, want string }{{"Package", pin.Name}, {"Version", pin.Version}, {"Architecture", pin.Arch}} {
		if got := d.Control.Get(field.name); got != field.want {
			return fmt.Errorf("it says that its %s is %q, the lock says %q: %w", strings.ToLower(field.name), got, field.want, debian.ErrDamaged)
		}
	}
	return nil
}

// temp makes a file of the moment.
func (w *work) temp(what string) (*os.File, error) {
	f, err := os.CreateTemp(w.scratch, what+"-")
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, f)
	return f, nil
}

// wanted returns the files of the packages that the source includes, with the
// directories on the way to them and every copyright file.
func (u *unpacked) wanted(d spec.Debs) (contents, error) {
	include, exclude := parsePatterns(d.Include), parsePatterns(d.Exclude)
	chosen := contents{}
	var errs []error
	for _, b := range u.debs {
		var kept []*rootfs.Entry
		for _, e := range b.entries {
			if isCopyright(e) || (include == nil || include.match(e.Path)) && !exclude.match(e.Path) {
				kept = append(kept, e)
			}
		}
		errs = append(errs, chosen.join(kept))
	}
	for path := range chosen {
		for dir := rootfs.Parent(path); dir != "" && chosen[dir] == nil; dir = rootfs.Parent(dir) {
			if e := u.all[dir]; e != nil {
				chosen.put(e)
			}
		}
	}
	return chosen, errors.Join(append(errs, u.checkCopyright(chosen)...)...)
}

// isCopyright tells a copyright file, and a link in the place of the folder that it
// would be in.
func isCopyright(e *rootfs.Entry) bool {
	rest, below := strings.CutPrefix(e.Path, docs+"/")
	name, file, _ := strings.Cut(rest, "/")
	return below && name != "" && (file == "copyright" || file == "" && e.Type == rootfs.Symlink)
}

// checkCopyright sees that the copyright of every package is there: it is shipped
// with the files, or they must not be.
func (u *unpacked) checkCopyright(chosen contents) []error {
	var errs []error
	for _, b := range u.debs {
		path, err := rootfs.Follow(docs+"/"+b.Name+"/copyright", chosen.at)
		if err == nil && chosen[path] != nil {
			continue
		}
		if link := chosen[docs+"/"+b.Name]; link != nil && link.Type == rootfs.Symlink {
			err = fmt.Errorf("its copyright file is that of %s, which is not among packages: add it", link.Link)
		} else {
			err = errors.New("it has no copyright file")
		}
		errs = append(errs, fmt.Errorf("debs: %s: %w", b.Name, err))
	}
	return errs
}
