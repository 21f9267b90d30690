package pkg

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// files adds what the source's files section says; of the Debian packages it knows
// every file.
func (w *work) files(c contents, u *unpacked) error {
	var errs []error
	for i := range w.source.Package.Files {
		f := &w.source.Package.Files[i]
		entries, err := w.file(f, u)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: files: %s: %w", f.Pos, f.Path, err))
		}
		for _, e := range entries {
			c.put(e)
		}
	}
	return errors.Join(errs...)
}

// file returns the entries of one file of the section.
func (w *work) file(f *spec.PackageFile, u *unpacked) ([]*rootfs.Entry, error) {
	name := path.Clean(strings.TrimPrefix(f.Path, "/"))
	var made []*rootfs.Entry
	switch {
	case f.Contents != nil:
		made = []*rootfs.Entry{rootfs.MadeFile(name, readable, []byte(*f.Contents))}
	case f.Symlink != "":
		made = []*rootfs.Entry{rootfs.MadeSymlink(name, f.Symlink)}
	case f.Directory:
		made = []*rootfs.Entry{rootfs.MadeDir(name, executable)}
	case f.From != "":
		from, err := u.from(f.From)
		if err != nil {
			return nil, err
		}
		from.Path = name
		made = []*rootfs.Entry{from}
	default:
		var err error
		if made, err = w.copied(f.Source, name); err != nil {
			return nil, err
		}
	}
	for _, e := range made {
		e.UID, e.GID = f.UID, f.GID
		if f.Mode.Set && (e.Type == rootfs.File || f.Directory) {
			e.Mode = f.Mode.Bits
		}
	}
	return made, nil
}

// from returns a file of the packages, to be laid out elsewhere.
func (u *unpacked) from(name string) (*rootfs.Entry, error) {
	whose, files, path := "none of the packages has", u.all, name
	for _, b := range u.debs {
		if rest, ok := strings.CutPrefix(name, b.Name+":"); ok {
			whose, files, path = b.Name+" does not have", contents{}, rest
			for _, e := range b.entries {
				files.put(e)
			}
		}
	}
	at, err := rootfs.Follow(path, files.at)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	e := files[at]
	if e == nil || e.Type != rootfs.File {
		return nil, fmt.Errorf("from: %s a file %s", whose, path)
	}
	c := *e
	c.Inode, c.Mode, c.Origin = 0, plainMode(e.Mode), "" // it is the source's now
	return &c, nil
}

// plainMode is what of permissions is told of a source: whether it is a program.
func plainMode(mode uint32) uint32 {
	if mode&0o111 != 0 {
		return executable
	}
	return readable
}

// copied returns the file beside build.yml, or the folder with all in it, as name.
func (w *work) copied(source, name string) ([]*rootfs.Entry, error) {
	var made []*rootfs.Entry
	root := filepath.Join(w.source.Dir, filepath.FromSlash(source))
	err := walk(root, func(at string, info fs.FileInfo) error {
		e, err := w.copyOf(at, info)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		e.Path = path.Join(name, filepath.ToSlash(rel))
		made = append(made, e)
		return nil
	})
	return made, err
}

// walk calls f for a file, or for a folder and all in it, in the order of names. A
// symbolic link at the top is followed, none below it.
func walk(root string, f func(at string, info fs.FileInfo) error) error {
	info, err := os.Stat(root)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if !info.IsDir() {
		return f(root, info)
	}
	top := root + string(filepath.Separator) // the folder, not the link to it
	return filepath.WalkDir(top, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("source: %w", err)
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("source: %w", err)
		}
		return f(at, info)
	})
}

// copyOf returns what a file of the source becomes. Whose it is, when it was
// written, and what more may be done with it than to execute it are this
// machine's alone.
func (w *work) copyOf(at string, info fs.FileInfo) (*rootfs.Entry, error) {
	switch mode := info.Mode(); {
	case mode.IsDir():
		return rootfs.MadeDir("", executable), nil
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(at)
		if err != nil {
			return nil, fmt.Errorf("source: %w", err)
		}
		return rootfs.MadeSymlink("", target), nil
	case !mode.IsRegular():
		return nil, fmt.Errorf("source: %s is neither a file nor a folder", at)
	}
	e, err := w.opened(at)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	e.Mode = plainMode(uint32(info.Mode().Perm()))
	return e, nil
}

// opened returns a file that is read where it is; it is closed with the work.
func (w *work) opened(at string) (*rootfs.Entry, error) {
	f, err := os.Open(at)
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, f)
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return nil, err
	}
	e := &rootfs.Entry{Type: rootfs.File, Mode: readable, Size: size, Made: true, Body: f}
	h.Sum(e.Digest[:0])
	if size == 0 {
		e.Body = nil
	}
	return e, nil
}

// links adds the symbolic links of the links section.
func links(c contents, p *spec.Package) {
	for _, l := range p.Links {
		for _, name := range l.Names {
			c.put(rootfs.MadeSymlink(path.Join(strings.TrimPrefix(l.In, "/"), name), l.To))
		}
	}
}
