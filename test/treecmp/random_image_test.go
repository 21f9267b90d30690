package main

import (
	"archive/tar"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"time"
)

// imageMaker makes up the layers of an image. It plays each entry on a model of
// what has been unpacked so far, so that it makes no history in which two readings
// of image-spec layer.md differ. What it leaves out:
//
//   - an entry below a path that is a file at that moment, and symbolic links in
//     the way of a path that run in circles (everybody refuses them);
//   - changing or hiding, within one layer, a symbolic link that an entry of this
//     layer has gone through, and two names of one layer for one path (lib/x and
//     usr/lib/x): no tool that makes layers from a tree does it;
//   - hiding what is in a directory by way of a link that the layer itself makes;
//   - hiding a path after the layer itself has written to it or below it. The
//     specification says that a whiteout hides lower layers alone; umoci follows it,
//     Docker and containerd remove what the layer itself wrote;
//   - leaving a directory unnamed in a layer that makes it anew after an earlier
//     layer has named it: umoci keeps or drops the earlier mode by the order of the
//     entries;
//   - hard links to what is no file: umoci links symbolic links, compose makes two.
type imageMaker struct {
	*rand.Rand
	paths func(m *imageMaker) string // a name that an entry may have
	state map[string]*node
	named map[string]bool // directories that have been named, ever

	layer  int
	walked map[string]bool   // symbolic links that this layer has gone through
	wrote  map[string]string // paths that this layer has written, by the name that it used
	out    []made
}

// node is what is at one path of the model.
type node struct {
	kind  byte // a tar.Type
	link  string
	layer int // the last one that wrote it
	head  tar.Header
}

// made is an entry of a layer.
type made struct {
	tar.Header
	data string
}

const randomTime = 1704164645 // 2024-01-02T03:04:05Z

// makeImage returns the entries of the layers, lowest first, and the directories
// among what they leave that they name, with their times.
func makeImage(r *rand.Rand, layers int, paths func(m *imageMaker) string) (all [][]made, dirs map[string]int64) {
	m := &imageMaker{Rand: r, paths: paths, state: map[string]*node{"": {kind: tar.TypeDir}}, named: map[string]bool{}}
	for m.layer = range layers {
		m.walked, m.wrote, m.out = map[string]bool{}, map[string]string{}, nil
		for range 3 + m.IntN(25) {
			m.step()
		}
		all = append(all, m.out)
	}
	dirs = map[string]int64{}
	for p, n := range m.state {
		if n.kind == tar.TypeDir && n.head.Name != "" {
			dirs[p] = n.head.ModTime.Unix()
		}
	}
	return all, dirs
}

// step adds an entry, or several, or none if what it tries cannot be.
func (m *imageMaker) step() {
	name := m.paths(m)
	switch n := m.IntN(20); {
	case n < 5:
		m.put(name, tar.TypeDir)
	case n < 9:
		m.put(name, tar.TypeReg)
	case n < 12:
		m.put(name, tar.TypeSymlink)
	case n < 15:
		m.hardLink(name)
	case n < 17:
		m.whiteout(name)
	case n < 18 && m.IntN(3) == 0:
		m.opaqueThrough()
	case n < 18:
		m.opaque(name)
	case n < 19:
		m.put(name, [...]byte{tar.TypeChar, tar.TypeBlock, tar.TypeFifo}[m.IntN(3)])
	default:
		m.put(m.somePath(), tar.TypeReg)
	}
}

// somePath is one of those that are there.
func (m *imageMaker) somePath() string {
	all := slices.Sorted(maps.Keys(m.state))
	return all[m.IntN(len(all))]
}

// follow leads a name's directories through symbolic links. It returns the links
// that it went through, with the directories behind them, and false where it
// cannot go.
func (m *imageMaker) follow(name string, last bool) (lies string, links []string, ok bool) {
	done, todo, hops := "", strings.Split(name, "/"), 0
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			done = parent(done)
			continue
		}
		here := join(done, part)
		n := m.state[here]
		switch {
		case n != nil && n.kind == tar.TypeSymlink && (last || len(todo) > 0):
			links = append(links, here)
			if used, mine := m.wrote[here]; mine && used != here {
				return "", nil, false
			}
			if hops++; hops > 10 {
				return "", nil, false
			}
			if strings.HasPrefix(n.link, "/") {
				done = ""
			}
			todo = append(strings.Split(n.link, "/"), todo...)
		case n != nil && n.kind != tar.TypeDir && len(todo) > 0:
			return "", nil, false
		default:
			if done = here; hops > 0 && len(todo) > 0 {
				links = append(links, here)
			}
		}
	}
	return done, links, true
}

// place finds where an entry called name lies, and tells whether it may be made.
func (m *imageMaker) place(name string) (lies string, ok bool) {
	lies, links, ok := m.follow(name, false)
	if !ok || lies == "" || len(lies) > 200 {
		return "", false
	}
	if used, twice := m.wrote[lies]; twice && used != name {
		return "", false
	}
	if slices.Contains(links, lies) || m.walked[lies] || m.below(lies, func(p string, _ *node) bool { return m.walked[p] }) {
		return "", false
	}
	for up := parent(lies); up != ""; up = parent(up) {
		if used, mine := m.wrote[up]; mine && used != up && !strings.HasPrefix(name, used+"/") {
			return "", false
		}
		if m.state[up] == nil && m.named[up] {
			if !m.put(up, tar.TypeDir) {
				return "", false
			}
		}
	}
	for _, l := range links {
		m.walked[l] = true
	}
	return lies, true
}

// below tells whether is holds for anything in a directory.
func (m *imageMaker) below(dir string, is func(string, *node) bool) bool {
	for p, n := range m.state {
		if strings.HasPrefix(p, dir+"/") && is(p, n) {
			return true
		}
	}
	return false
}

// put adds an entry of that type.
func (m *imageMaker) put(name string, kind byte) bool {
	lies, ok := m.place(name)
	if !ok {
		return false
	}
	if kind != tar.TypeDir && kind != tar.TypeReg && strings.Contains(lies, "\n") {
		return false // devices are excluded by a list of lines when GNU tar is tried as nobody
	}
	old := m.state[lies]
	mine := m.below(lies, func(_ string, n *node) bool { return n.layer == m.layer })
	if kind != tar.TypeDir && mine {
		return false // it would be hidden in the layer that brought it
	}
	e := made{Header: tar.Header{Typeflag: kind, Name: name}}
	m.attributes(&e)
	switch kind {
	case tar.TypeSymlink:
		e.Linkname = m.target()
	case tar.TypeReg:
		e.data = strings.Repeat(fmt.Sprintf("%s in %d\n", name, m.layer), m.IntN(60))
	case tar.TypeChar, tar.TypeBlock:
		e.Devmajor, e.Devminor = int64(m.IntN(300)), int64(m.IntN(70000))
	}
	if old != nil && (old.kind != tar.TypeDir || kind != tar.TypeDir) {
		m.remove(lies, func(*node) bool { return true })
	}
	m.add(lies, name, &node{kind: kind, link: e.Linkname, head: e.Header})
	m.out = append(m.out, e)
	return true
}

// add writes to the model, with the directories on the way.
func (m *imageMaker) add(lies, name string, n *node) {
	for up := parent(lies); up != ""; up = parent(up) {
		if m.state[up] == nil {
			m.state[up] = &node{kind: tar.TypeDir, layer: m.layer}
		}
	}
	n.layer = m.layer
	m.state[lies], m.wrote[lies] = n, name
	if n.kind == tar.TypeDir {
		m.named[lies] = true
	}
}

func (m *imageMaker) remove(path string, which func(*node) bool) {
	for p, n := range m.state {
		if (p == path || strings.HasPrefix(p, path+"/")) && which(n) {
			delete(m.state, p)
		}
	}
}

// attributes makes up mode, owner, time and extended attributes.
func (m *imageMaker) attributes(e *made) {
	e.Mode = int64([...]int{0o644, 0o755, 0o600, 0o4755, 0o2750, 0o1777, 0o555, 0o777}[m.IntN(8)])
	if e.Typeflag == tar.TypeSymlink {
		e.Mode = 0o777
	}
	if e.Typeflag == tar.TypeDir {
		e.Mode |= 0o700 // nobody has to get into it, when GNU tar is tried as nobody
	}
	e.Uid, e.Gid = m.IntN(3)*1000, m.IntN(4)*1500000
	e.ModTime = time.Unix(randomTime+int64(m.IntN(1000000)), 0)
	regular := e.Typeflag == tar.TypeReg || e.Typeflag == tar.TypeDir
	if regular && m.IntN(5) == 0 {
		e.PAXRecords = map[string]string{"SCHILY.xattr.user.some": fmt.Sprint("value ", m.IntN(3))}
	}
	if e.Typeflag == tar.TypeReg && m.IntN(6) == 0 {
		e.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00" + strings.Repeat("\x00", 12)}
	}
	if m.IntN(8) == 0 {
		e.ModTime = time.Unix(randomTime, int64(m.IntN(1e9)))
		e.Format = tar.FormatPAX
	}
}

// target is where a symbolic link leads: something that is there or not, spelled
// in one of the ways in which links are.
func (m *imageMaker) target() string {
	to := m.somePath()
	switch m.IntN(8) {
	case 0:
		return "/" + to
	case 1:
		return "../" + to
	case 2:
		return "/../" + to + "/."
	case 3:
		return path.Base(to)
	case 4:
		return "nowhere/at/all"
	case 5:
		return "./" + path.Join(to, "..", path.Base(to))
	case 6:
		return to + "/.."
	}
	return strings.TrimPrefix(to+"/", "/") + "x"
}
