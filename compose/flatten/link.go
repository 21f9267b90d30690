package flatten

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/composeos/compose/compose/rootfs"
)

// maxHops is how many hard links of one layer may stand between a name and its
// file: as many as symbolic links may.
const maxHops = 40

// linker makes of each hard link of a layer one more name of the file that it
// names. That is one of a lower layer, which is linked before whiteouts hide it,
// so that a file that a layer moved is still that file; or one of the layer
// itself, where a symbolic link stands between the two names.
type linker struct {
	*applier
	written []*rootfs.Entry // the layer as it was written, before entries moved
}

func (l *linker) linkAll() error {
	l.lower, l.upper = slices.Clone(l.lower), slices.Clone(l.upper)
	for i := range l.upper {
		if err := l.link(i, 0); err != nil {
			return err
		}
	}
	return nil
}

// link makes entry i of the layer, if it is a hard link, what that names. hops
// counts the links that led to it.
func (l *linker) link(i, hops int) error {
	e := l.upper[i]
	if e.Type != rootfs.HardLink {
		return nil
	}
	if hops > maxHops {
		return fmt.Errorf("%s: hard link to %s: %w", e.Path, e.Link, rootfs.ErrLoop)
	}
	if j := l.own(e); j >= 0 {
		if err := l.link(j, hops+1); err != nil {
			return err
		}
		l.name(i, l.upper, j)
		return nil
	}
	j, err := l.below(e)
	if err != nil {
		return fmt.Errorf("%s: hard link to %s: %w", e.Path, e.Link, err)
	}
	if j < 0 {
		return fmt.Errorf("%s: hard link to %s, which is not a file of a lower layer", e.Path, e.Link)
	}
	l.name(i, l.lower, j)
	return nil
}

// own returns the place in the layer itself of what a hard link names by way of
// a symbolic link, -1 for none. What the layer has at that very name it has after
// the link, or the link would be a file already: the store reads layers in order.
func (l *linker) own(link *rootfs.Entry) int {
	path, err := rootfs.FollowDirs(link.Link, l.at)
	if _, later := search(l.written, link.Link); later || err != nil || path == link.Path {
		return -1
	}
	i, _ := search(l.upper, path)
	i += len(l.marks(path)) - 1
	if i < 0 || l.upper[i].Path != path || !isLinkable(l.upper[i]) {
		return -1
	}
	return i
}

// below returns the place in the lower layers of what a hard link names, -1 for
// none. The symbolic link in its way may be one of the layer's.
func (l *linker) below(link *rootfs.Entry) (int, error) {
	var first error
	for _, at := range []rootfs.At{func(p string) *rootfs.Entry { return rootfs.Find(l.lower, p) }, l.at} {
		path, err := rootfs.FollowDirs(link.Link, at)
		if i, found := search(l.lower, path); err == nil && found && isLinkable(l.lower[i]) {
			return i, nil
		}
		first = cmp.Or(first, err)
	}
	return -1, first
}

// name makes entry i of the layer a name of what is at place j of a run, which
// gets an inode number that its names can share.
func (l *linker) name(i int, run []*rootfs.Entry, j int) {
	c := *run[j]
	if c.Type == rootfs.File && c.Inode == 0 {
		l.inodes++
		c.Inode = l.inodes
		first := c
		run[j] = &first
	}
	c.Path = l.upper[i].Path
	l.upper[i] = &c
}

func isLinkable(e *rootfs.Entry) bool { return !hides(e) && e.Type != rootfs.Dir }
