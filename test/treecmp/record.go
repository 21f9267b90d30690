package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// record is what is at one path, as it was seen in an archive or on a disk, or as
// it is expected.
type record struct {
	kind     string // file, directory, symlink, char, block or fifo
	mode     uint32 // 07777
	uid, gid uint32
	mtime    int64 // seconds
	nsec     int64 // and what is beyond them
	size     int64
	link     string
	device   string // "major:minor"
	xattrs   map[string]string
	sum      string // SHA-256 of the content, hexadecimal
	group    string // names of one file have one; "" has one name
	text     []byte // the content, where it is small and asked for
	anything bool   // content and size are not compared
	made     bool   // a directory that compose makes of itself
}

// tree is records by path. "" is the root.
type tree struct {
	entries map[string]*record
}

func newTree() *tree { return &tree{map[string]*record{}} }

// paths returns all paths in path order: '/' before every other byte.
func (t *tree) paths() []string {
	return slices.SortedFunc(maps.Keys(t.entries), func(a, b string) int { return strings.Compare(pathKey(a), pathKey(b)) })
}

func pathKey(path string) string { return strings.ReplaceAll(path, "/", "\x00") }

// firsts returns, for every further name of a file, its first in path order.
func (t *tree) firsts() map[string]string {
	first, of := map[string]string{}, map[string]string{}
	for _, p := range t.paths() {
		g := t.entries[p].group
		if g == "" {
			continue
		}
		if f, ok := first[g]; ok {
			of[p] = f
		} else {
			first[g] = p
		}
	}
	return of
}

// at returns what a path leads to, through symbolic links, and its path; nil
// where that is nothing.
func (t *tree) at(path string) (*record, string) {
	done, todo := "", strings.Split(path, "/")
	for hops := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			done = parent(done)
			continue
		}
		here := join(done, name)
		r := t.entries[here]
		if r != nil && r.kind != "symlink" && r.kind != "directory" && len(todo) > 0 {
			return nil, path
		}
		if r == nil || r.kind != "symlink" {
			done = here
			continue
		}
		if hops++; hops > 40 {
			return nil, path
		}
		if strings.HasPrefix(r.link, "/") {
			done = ""
		}
		todo = append(strings.Split(r.link, "/"), todo...)
	}
	return t.entries[done], done
}

func parent(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }

func join(dir, path string) string {
	if dir == "" || path == "" {
		return dir + path
	}
	return dir + "/" + path
}

// fault is something that is not as it must be.
type fault struct{ path, what string }

// compare returns every difference of two trees.
func compare(want, got *tree) []fault {
	all := &tree{maps.Clone(want.entries)}
	maps.Copy(all.entries, got.entries)
	wantFirst, gotFirst := want.firsts(), got.firsts()
	var faults []fault
	for _, p := range all.paths() {
		w, g := want.entries[p], got.entries[p]
		switch {
		case p == "" && (w == nil || g == nil): // an archive need not name the root
		case w == nil:
			faults = append(faults, fault{p, "a " + g.kind + " that nobody expects"})
		case g == nil:
			faults = append(faults, fault{p, "is missing: a " + w.kind})
		default:
			for _, d := range differences(w, g) {
				faults = append(faults, fault{p, d})
			}
			if wantFirst[p] != gotFirst[p] {
				faults = append(faults, fault{p, fmt.Sprintf("hard link to %q, want %q", gotFirst[p], wantFirst[p])})
			}
		}
	}
	return faults
}

// differences compares what is at one path.
func differences(want, got *record) []string {
	var d []string
	add := func(differs bool, format string, args ...any) {
		if differs {
			d = append(d, fmt.Sprintf(format, args...))
		}
	}
	if want.kind != got.kind {
		return []string{fmt.Sprintf("is a %s, want a %s", got.kind, want.kind)}
	}
	add(want.mode != got.mode && want.kind != "symlink", "mode %04o, want %04o", got.mode, want.mode)
	add(want.uid != got.uid || want.gid != got.gid, "owner %d:%d, want %d:%d", got.uid, got.gid, want.uid, want.gid)
	add(want.mtime != got.mtime || want.nsec != got.nsec, "mtime %d.%09d, want %d.%09d", got.mtime, got.nsec, want.mtime, want.nsec)
	add(want.link != got.link, "leads to %q, want %q", got.link, want.link)
	add(want.device != got.device, "device %s, want %s", got.device, want.device)
	add(!maps.Equal(want.xattrs, got.xattrs), "xattrs %q, want %q", got.xattrs, want.xattrs)
	if want.anything {
		return d
	}
	add(want.size != got.size, "%d bytes, want %d", got.size, want.size)
	add(want.sum != got.sum, "content %.16s…, want %.16s…", got.sum, want.sum)
	return d
}
