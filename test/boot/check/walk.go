package main

import (
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// node is what is at a path.
type node struct {
	unix.Stat_t
	link string // target of a symbolic link
}

// walk returns all that is below root, on its filesystem alone, by the path from
// there.
func walk(root string) (map[string]*node, error) {
	w := walker{root: root, found: map[string]*node{}}
	var top unix.Stat_t
	if err := unix.Lstat(root, &top); err != nil {
		return nil, &os.PathError{Op: "lstat", Path: root, Err: err}
	}
	w.device = top.Dev
	return w.found, w.below("")
}

type walker struct {
	root   string
	device uint64
	found  map[string]*node
}

func (w *walker) below(dir string) error {
	children, err := os.ReadDir(path.Join(w.root, dir))
	if err != nil {
		return err
	}
	for _, c := range children {
		if err := w.add(path.Join(dir, c.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) add(name string) (err error) {
	full := path.Join(w.root, name)
	n := &node{}
	if err := unix.Lstat(full, &n.Stat_t); err != nil {
		return &os.PathError{Op: "lstat", Path: full, Err: err}
	}
	w.found[name] = n
	switch n.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		n.link, err = os.Readlink(full)
	case unix.S_IFDIR:
		if n.Dev == w.device {
			err = w.below(name)
		}
	}
	return err
}
