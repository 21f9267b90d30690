package rootfs

// throughSymlinks finds the entries of a sorted run whose parents are symbolic
// links. Links are few and such entries rare, so the run is walked once with a
// set of the links, and a directory is looked at once for all that lies in it.
type throughSymlinks struct {
	links map[string]bool // paths that are, or may be, symbolic links
	at    At
	dir   string // the directory looked at last
	hit   bool   // whether dir leads through a link
	known bool   // whether to is where dir leads
	to    string
}

func (t *throughSymlinks) leads(path string) bool {
	dir := Parent(path)
	if dir == t.dir {
		return t.hit
	}
	t.dir, t.hit, t.known = dir, false, false
	for ; dir != ""; dir = Parent(dir) {
		if t.links[dir] {
			t.hit = true
			break
		}
	}
	return t.hit
}

// placeOf returns where an entry lies. An opaque whiteout is of the directory that
// it lies in, so a link at its own path leads it too, unless the run has something
// else there.
func (t *throughSymlinks) placeOf(e *Entry, again bool) (string, error) {
	if e.Type == Opaque && !again && e.Path != "" && t.leads(e.Path+"/x") {
		path, err := t.follow(e.Path + "/x")
		return Parent(path), err
	}
	if !t.leads(e.Path) {
		return e.Path, nil
	}
	return t.follow(e.Path)
}

// follow returns where the entry of a path lies whose directory leads through a link.
func (t *throughSymlinks) follow(path string) (string, error) {
	if t.known {
		return Join(t.to, path[len(t.dir)+1:]), nil
	}
	led, err := FollowDirs(path, t.at)
	if err == nil {
		t.known, t.to = true, Parent(led)
	}
	return led, err
}

// MaxRounds is how often ResolveParents is called for one run: more than any
// package needs, and few enough for one whose links chase each other.
const MaxRounds = 256

// ResolveParents moves each entry of a sorted run whose parent is a symbolic
// link to where that link leads (lib/x to usr/lib/x where lib → usr/lib), and
// returns the run in path order again. links holds every path that may be such
// a link, at what is there when the run is laid down. Moved entries are copies.
//
// What is moved can decide where more of the run lies. So it is done when a call
// moves nothing; at and links have to know the moved run the next time.
func ResolveParents(run []*Entry, links map[string]bool, at At) (moved []*Entry, done bool, err error) {
	if len(links) == 0 {
		return run, true, nil
	}
	t := throughSymlinks{links: links, at: at}
	wait := "" // what is below it lies where the next call says
	for i, e := range run {
		path := e.Path
		if wait == "" || !Below(path, wait) {
			again := i+1 < len(run) && run[i+1].Path == e.Path
			if path, err = t.placeOf(e, again); err != nil {
				return nil, false, err
			}
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
		if e.Type != Dir || isOther(at(path)) {
			wait = e.Path
		}
		c := *e
		c.Path = path
		moved = append(moved, &c)
	}
	if moved == nil {
		return run, true, nil
	}
	return Sort(moved), false, nil
}

// isOther tells whether something is there that is no directory.
func isOther(e *Entry) bool { return e != nil && e.Type != Dir }
