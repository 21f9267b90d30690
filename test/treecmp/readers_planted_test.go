package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestReadersFind gives all readers a tree that differs from what they read, in one
// thing at each of some paths. Each reader must find those that it can show, and
// nothing else.
func TestReadersFind(t *testing.T) {
	c := newComposer(t)
	example := c.example(t, "zstd")
	links := c.compose(t, linkedSystem(t, filepath.Join(c.dir, "links")), "gzip")
	for made, plants := range map[*composed][]treePlant{example: plantedInExample(), links: plantedInLinks()} {
		made.load(t)
		shown := map[string]sight{}
		for _, p := range plants {
			r := made.tree.entries[p.path]
			if r == nil {
				t.Fatalf("there is no %s to change", p.path)
			}
			other := *r
			other.xattrs = maps.Clone(r.xattrs)
			p.change(&other)
			made.tree.entries[p.path], shown[p.path] = &other, p.shows
		}
		made.rename(t, shown)
		for _, r := range made.readings() {
			t.Run(made.name+"/"+r.name, func(t *testing.T) {
				t.Parallel()
				wantPaths(t, r, shown)
			})
		}
	}
}

// treePlant is a change of what is at a path, and who can see it.
type treePlant struct {
	path   string
	shows  sight
	change func(r *record)
}

// plantedInExample are changes of the example that leave every entry where it is.
func plantedInExample() []treePlant {
	return []treePlant{
		{"boot/kernel", boot, func(r *record) { r.sum = emptySum }},
		{hello + "etc/hello.conf", fields, func(r *record) { r.sum = emptySum }},
		{hello + "bin/su", fields, func(r *record) { r.mode = 0o755 }},
		{hello + "srv/data", fields, func(r *record) { r.mode = 0o755 }},
		{hello + "srv/big-owner", fields, func(r *record) { r.gid++ }},
		{"etc/message", fields, func(r *record) { r.link = "motd2" }},
		{hello + "dev/null", fields, func(r *record) { r.device = "1:5" }},
		{hello + "srv/data/b-again", fields, func(r *record) { r.group = "" }},
		{hello + "run/pipe", fields, func(r *record) { r.kind = "file" }},
		{hello + "srv/fractional", fileTimes, func(r *record) { r.mtime++ }},
		{hello + "srv", times, func(r *record) { r.mtime++ }},
		{hello + "bin/hello", attrs, func(r *record) { r.xattrs["user.more"] = "more" }},
	}
}

// plantedInLinks are such changes of linkedSystem.
func plantedInLinks() []treePlant {
	return []treePlant{
		{"boot/cmdline", boot, func(r *record) { r.sum = emptySum }},
		{"d05/many-005", fields, func(r *record) { r.group = "" }},
		{"d06/many-006", fields, func(r *record) { r.group = ""; r.size++; r.sum = emptySum }},
		{"d07/empty-007", fields, func(r *record) { r.uid++ }},
		{"d00/large-000", fields, func(r *record) { r.sum = emptySum }},
		{"d09/many-009", fileTimes, func(r *record) { r.mtime-- }},
		{"d10", times, func(r *record) { r.mtime-- }},
		{"d01/strange-001", attrs, func(r *record) { r.xattrs["user.group"] = "other" }},
	}
}

// rename has one file of the tree lie beside where it is.
func (c *composed) rename(t *testing.T, shown map[string]sight) {
	t.Helper()
	for _, p := range c.tree.paths() {
		r := c.tree.entries[p]
		if other := p + ".other"; r.kind == "file" && r.group == "" && !strings.HasPrefix(p, "boot/") && shown[p] == 0 && c.tree.entries[other] == nil {
			delete(c.tree.entries, p)
			c.tree.entries[other] = r
			shown[p], shown[other] = names, names
			return
		}
	}
	t.Fatal("there is no file to rename")
}

// wantPaths holds that a reader finds what is planted.
func wantPaths(t *testing.T, r reading, shown map[string]sight) {
	t.Helper()
	found := map[string]bool{}
	for _, f := range r.read(t) {
		p, _, _ := strings.Cut(f.path, " ") // behind it a listing has where a link leads
		if p != "" {                        // if not, it is the order
			found[p] = true
		}
	}
	var want []string
	for p, s := range shown {
		if s&r.shows != 0 {
			want = append(want, p)
		}
	}
	if d := listed(t, want, slices.Collect(maps.Keys(found))); len(d) > 0 || len(want) == 0 {
		t.Errorf("finds %q", d)
	}
}
