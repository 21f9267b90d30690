package main

import (
	"archive/tar"
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// hardLink adds a further name of a file that is there, named as it lies or
// through a symbolic link.
func (m *imageMaker) hardLink(name string) {
	files := m.find(func(n *node) bool { return n.kind == tar.TypeReg })
	lies, _, ok := m.follow(name, false)
	if !ok || len(files) == 0 {
		return
	}
	first := files[m.IntN(len(files))]
	if lies == first || strings.HasPrefix(first, lies+"/") || m.below(lies, func(_ string, n *node) bool { return n.layer == m.layer }) {
		return
	}
	n := *m.state[first]
	e := made{Header: n.head}
	e.Typeflag, e.Name, e.Linkname = tar.TypeLink, name, m.through(first)
	if lies, ok = m.place(name); !ok {
		return
	}
	e.PAXRecords, e.Format = nil, tar.FormatUnknown
	e.ModTime = time.Unix(e.ModTime.Unix(), 0)
	m.remove(lies, func(*node) bool { return true })
	m.add(lies, name, &n)
	m.wrote[first] = cmp.Or(m.wrote[first], e.Linkname)
	if m.wrote[first] != e.Linkname {
		m.walked[first] = true
	}
	m.out = append(m.out, e)
}

// through returns a name for a path: itself, or one by way of a symbolic link.
func (m *imageMaker) through(lies string) string {
	for _, l := range m.find(func(n *node) bool { return n.kind == tar.TypeSymlink }) {
		to, links, ok := m.follow(l, true)
		if !ok || !strings.HasPrefix(lies, join(to, "")+"/") || m.IntN(2) > 0 {
			continue
		}
		if slices.ContainsFunc(links, m.mine) {
			continue // what a lower layer has by that name may be meant as well
		}
		for _, w := range append(links, lies) {
			m.walked[w] = true
		}
		return l + strings.TrimPrefix(lies, to)
	}
	return lies
}

func (m *imageMaker) find(is func(*node) bool) []string {
	var found []string
	for _, p := range slices.Sorted(maps.Keys(m.state)) {
		if is(m.state[p]) {
			found = append(found, p)
		}
	}
	return found
}

// whiteout hides what lower layers have at a path, which may be nothing.
func (m *imageMaker) whiteout(name string) {
	if m.IntN(3) > 0 {
		name = m.somePath()
	}
	lies, links, ok := m.follow(name, false)
	if !ok || lies == "" || m.state[lies] == nil || m.mine(lies) || m.walkedIn(lies) || slices.Contains(links, lies) {
		return
	}
	for up := parent(lies); up != ""; up = parent(up) {
		links = append(links, up)
	}
	for _, l := range links {
		m.walked[l] = true
	}
	m.remove(lies, func(*node) bool { return true })
	m.out = append(m.out, made{Header: tar.Header{Typeflag: tar.TypeReg, Name: join(parent(name), ".wh."+path.Base(name)), Mode: 0o600}})
}

// mine tells whether this layer has written to a path or below it.
func (m *imageMaker) mine(lies string) bool {
	if n := m.state[lies]; n != nil && n.layer == m.layer {
		return true
	}
	return m.below(lies, func(_ string, n *node) bool { return n.layer == m.layer })
}

func (m *imageMaker) walkedIn(lies string) bool {
	return m.walked[lies] || m.below(lies, func(p string, _ *node) bool { return m.walked[p] })
}

// opaque hides what lower layers have in a directory, which it names.
func (m *imageMaker) opaque(name string) {
	lies, links, ok := m.follow(name, false)
	if !ok || lies == "" || m.walkedIn(lies) || slices.ContainsFunc(links, func(l string) bool { return strings.HasPrefix(l, lies+"/") }) {
		return
	}
	kept := func(_ string, n *node) bool { return n.kind == tar.TypeDir && n.layer < m.layer }
	if m.below(lies, func(_ string, n *node) bool { return n.layer == m.layer }) && m.below(lies, kept) {
		return // a directory of a lower layer, with something of this one in it
	}
	if n := m.state[lies]; n != nil && n.kind != tar.TypeDir || !m.put(name, tar.TypeDir) {
		return
	}
	for p, n := range m.state {
		if strings.HasPrefix(p, lies+"/") && n.layer < m.layer {
			delete(m.state, p)
		}
	}
	m.out = append(m.out, made{Header: tar.Header{Typeflag: tar.TypeReg, Name: name + "/.wh..wh..opq", Mode: 0o600}})
}

// opaqueThrough hides what lower layers have in a directory, which it does not
// name, by way of a symbolic link if it can.
func (m *imageMaker) opaqueThrough() {
	names := m.find(func(n *node) bool { return n.kind == tar.TypeSymlink || n.kind == tar.TypeDir })
	name := names[m.IntN(len(names))]
	lies, links, ok := m.follow(name, true)
	if n := m.state[lies]; !ok || lies == "" || n == nil || n.kind != tar.TypeDir || m.mine(lies) || m.walkedIn(lies) {
		return
	}
	if slices.ContainsFunc(links, func(l string) bool { return strings.HasPrefix(l, lies+"/") || m.mine(l) }) {
		return
	}
	for up := lies; up != ""; up = parent(up) {
		links = append(links, up)
	}
	for _, l := range links {
		m.walked[l] = true
	}
	m.remove(lies, func(gone *node) bool { return gone != m.state[lies] })
	m.out = append(m.out, made{Header: tar.Header{Typeflag: tar.TypeReg, Name: name + "/.wh..wh..opq", Mode: 0o600}})
}
