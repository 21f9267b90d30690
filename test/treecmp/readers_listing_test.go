package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// list compares libarchive's listings: as mtree, with times and digests, and as
// "bsdtar -tv", which tells of links.
func (c *composed) list(t *testing.T, image string) []fault {
	want := c.inInitramfs()
	text := reader{dir: c.work, args: []string{
		"bsdtar", "-cf", "-", "--format=mtree", "--options=!all,type,mode,uid,gid,time,size,link,device,sha256", "@" + image,
	}}.run(t)
	got := newTree()
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if line == "#mtree" {
			continue
		}
		words := strings.Split(line, " ")
		r, err := readMtree(words[1:])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got.entries[strings.TrimPrefix(unescaped(t, words[0]), "./")] = r
	}
	firsts := want.firsts()
	shown := changed(want, func(p string, r *record) {
		r.xattrs, r.group = nil, ""
		if firsts[p] != "" { // only the first has the content
			r.size, r.sum = 0, emptySum
		}
	})
	for p, r := range got.entries {
		r.link = unescaped(t, r.link)
		if w := want.entries[p]; w != nil && w.kind != "file" {
			r.size, r.sum = w.size, w.sum
		}
	}
	return append(c.withOwn(t, shown, got), c.listLinks(t, want, image)...)
}

// emptySum is the SHA-256 of nothing.
const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// readMtree reads the keywords of an mtree entry (mtree(5)).
func readMtree(words []string) (*record, error) {
	r := &record{}
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		var n int64
		var err error
		switch key {
		case "type":
			r.kind = map[string]string{"file": "file", "dir": "directory", "link": "symlink", "char": "char", "block": "block", "fifo": "fifo"}[value]
		case "link":
			r.link = value
		case "sha256digest":
			r.sum = value
		case "device":
			r.device = strings.Replace(strings.TrimPrefix(value, "native,"), ",", ":", 1)
		case "mode":
			n, err = strconv.ParseInt(value, 8, 32)
			r.mode = uint32(n)
		case "uid":
			n, err = strconv.ParseInt(value, 10, 64)
			r.uid = uint32(n)
		case "gid":
			n, err = strconv.ParseInt(value, 10, 64)
			r.gid = uint32(n)
		case "size":
			r.size, err = strconv.ParseInt(value, 10, 64)
		case "time":
			r.mtime, err = strconv.ParseInt(strings.TrimSuffix(value, ".0"), 10, 64)
		default:
			err = fmt.Errorf("keyword %q", key)
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

// unescaped undoes how bsdtar writes bytes that are not printed: as C does.
func unescaped(t *testing.T, s string) string {
	t.Helper()
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return text
}

// listLinks compares the names and the hard links of "bsdtar -tv".
func (c *composed) listLinks(t *testing.T, want *tree, image string) []fault {
	text := reader{dir: c.work, args: []string{"bsdtar", "-tvf", image}}.run(t)
	firsts := want.firsts()
	var expected []string
	for _, p := range slices.Concat(want.paths(), ownPaths(want), []string{completePath}) {
		switch r := want.entries[p]; {
		case firsts[p] != "":
			p += " link to " + firsts[p]
		case r != nil && r.kind == "symlink":
			p += " -> " + r.link
		}
		expected = append(expected, p)
	}
	var got []string
	for _, line := range lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 9 {
			t.Fatalf("listed as %q", line)
		}
		rest := line // behind mode, links, owner, group, size and the three words of the date
		for range 8 {
			rest = strings.TrimLeft(rest, " ")
			rest = rest[strings.IndexByte(rest, ' '):]
		}
		got = append(got, unescaped(t, rest[1:]))
	}
	return listed(t, expected, got)
}
