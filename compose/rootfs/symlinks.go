package rootfs

// throughSymlinks finds the entries of a sorted run whose parents are symbolic
// links. Links are few and such entries rare, so the run is walked once with a
// set of the links, and a directory is looked at once for all that lies in it.
type throughSymlinks struct {
	links map[string]bool // paths that are, or may be, symbolic links
	dir   string          // the directory looked at last
	hit   bool            // whether dir leads through a link
}

func (t *throughSymlinks) leads(path string) bool {
	dir := Parent(path)
	if dir == t.dir {
		return t.hit
	}
	t.dir, t.hit = dir, false
	for ; dir != ""; dir = Parent(dir) {
		if t.links[dir] {
			t.hit = true
			break
		}
	}
	return t.hit
}

// ResolveParents moves each entry of a sorted run whose parent is a symbolic
// link to where that link leads (lib/x to usr/lib/x where lib → usr/lib), and
// returns the run in path order again. links holds every path that may be such
// a link, at what is there when the run is laid down. Moved entries are copies.
func ResolveParents(run []*Entry, links map[string]bool, at At) ([]*Entry, error) {
	if len(links) == 0 {
		return run, nil
	}
	var moved []*Entry
	t := throughSymlinks{links: links}
	for i, e := range run {
		if !t.leads(e.Path) {
			if moved != nil {
				moved = append(moved, e)
			}
			continue
		}
		path, err := FollowDirs(e.Path, at)
		if err != nil {
			return nil, err
		}
		if path == e.Path {
			if moved != nil {
				moved = append(moved, e)
			}
			continue
		}
		if moved == nil {
			moved = append(make([]*Entry, 0, len(run)), run[:i]...)
		}
		c := *e
		c.Path = path
		moved = append(moved, &c)
	}
	if moved == nil {
		return run, nil
	}
	return Sort(moved), nil
}
