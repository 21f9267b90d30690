package rootfs_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// torture returns entries that readers of tar have been known to trip over, each
// after its parent. Sizes are small; see zeros for the others.
func torture() []*rootfs.Entry {
	entries := []*rootfs.Entry{{Type: rootfs.Dir, Mode: 0o755}}
	add := func(e rootfs.Entry) {
		e.ModTime = cmp.Or(e.ModTime, rootfs.DefaultModTime)
		if e.Type == rootfs.File && e.First == "" {
			content := []byte("content of " + e.Path)
			e.Size, e.Body, e.Digest = int64(len(content)), bytes.NewReader(content), sha256.Sum256(content)
		}
		entries = append(entries, &e)
	}
	for _, n := range []int{1, 99, 100, 101, 155, 156, 255} {
		add(rootfs.Entry{Path: fmt.Sprintf("%0*d", n, n), Type: rootfs.File, Mode: 0o644})
		add(rootfs.Entry{Path: "d" + fmt.Sprintf("%0*d", n-1, n), Type: rootfs.Dir, Mode: 0o755})
	}
	for _, n := range []int{256, 257, 300, 4095} {
		path := deep(n)
		for i := range path {
			if path[i] == '/' && !slices.ContainsFunc(entries, func(e *rootfs.Entry) bool { return e.Path == path[:i] }) {
				add(rootfs.Entry{Path: path[:i], Type: rootfs.Dir, Mode: 0o755})
			}
		}
		add(rootfs.Entry{Path: path, Type: rootfs.File, Mode: 0o600})
	}
	for _, name := range []string{
		"Grüße", "with space", " lead", "trail ", "new\nline", "tab\t", "back\\slash", "-rf", "star*", "日本語", "a=b", "%41",
		strings.Repeat("é", 75), "latin\xe9", strings.Repeat("\xe9", 120), "\x01\x7f",
	} {
		add(rootfs.Entry{Path: name, Type: rootfs.File, Mode: 0o640})
	}
	tortureKinds(add)
	return entries
}

// tortureKinds adds what is not about names.
func tortureKinds(add func(rootfs.Entry)) {
	long := strings.Repeat("t", 250)
	add(rootfs.Entry{Path: "link", Type: rootfs.Symlink, Mode: 0o777, Link: "target"})
	add(rootfs.Entry{Path: "link100", Type: rootfs.Symlink, Mode: 0o777, Link: long[:100]})
	add(rootfs.Entry{Path: "link101", Type: rootfs.Symlink, Mode: 0o777, Link: long[:101]})
	add(rootfs.Entry{Path: "linkabs", Type: rootfs.Symlink, Mode: 0o777, Link: "/é/" + long})
	add(rootfs.Entry{Path: "hard", Type: rootfs.File, First: "1"})
	add(rootfs.Entry{Path: "hard101", Type: rootfs.File, First: fmt.Sprintf("%0101d", 101)})
	add(rootfs.Entry{Path: "hard300", Type: rootfs.File, First: deep(300)})
	add(rootfs.Entry{Path: "null", Type: rootfs.Char, Mode: 0o666, Major: 1, Minor: 3})
	add(rootfs.Entry{Path: "disk", Type: rootfs.Block, Mode: 0o660, Major: 4095, Minor: 1<<20 - 1})
	add(rootfs.Entry{Path: "fifo", Type: rootfs.Fifo, Mode: 0o600})
	add(rootfs.Entry{Path: "setuid", Type: rootfs.File, Mode: 0o4755})
	add(rootfs.Entry{Path: "setgid", Type: rootfs.Dir, Mode: 0o2755, GID: 42})
	add(rootfs.Entry{Path: "sticky", Type: rootfs.Dir, Mode: 0o1777})
	add(rootfs.Entry{Path: "none", Type: rootfs.File})
	add(rootfs.Entry{Path: "ids", Type: rootfs.File, Mode: 0o644, UID: 0o7777777, GID: 0o7777777})
	add(rootfs.Entry{Path: "bigids", Type: rootfs.File, Mode: 0o644, UID: 0o10000000, GID: 1<<32 - 2})
	add(rootfs.Entry{Path: "old", Type: rootfs.File, Mode: 0o644, ModTime: -86400})
	add(rootfs.Entry{Path: "late", Type: rootfs.File, Mode: 0o644, ModTime: 8 << 30})
	add(rootfs.Entry{Path: "xattrs", Type: rootfs.File, Mode: 0o755, Xattrs: []rootfs.Xattr{
		{Name: "security.capability", Value: "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
		{Name: "user.binary", Value: "\x00\xff\n9 a=b\n"},
		{Name: "user.empty", Value: ""},
		{Name: "user.utf8", Value: "Grüße"},
	}})
	add(rootfs.Entry{Path: "xattrdir", Type: rootfs.Dir, Mode: 0o755, Xattrs: []rootfs.Xattr{{Name: "user.a", Value: "b"}}})
}

// deep returns a path of n bytes in parts of 50.
func deep(n int) string {
	path := strings.Repeat(strings.Repeat("p", 49)+"/", n/50+1)[:n-1]
	return strings.TrimSuffix(path, "/") + strings.Repeat("f", 1+len(path)-len(strings.TrimSuffix(path, "/")))
}

// zeros is content of any size.
type zeros int64

func (z zeros) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(p)), int64(z)-off)))
	clear(p[:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// randomEntries returns n entries with no order among them.
func randomEntries(r *rand.Rand, n int) []*rootfs.Entry {
	entries := make([]*rootfs.Entry, n)
	for i := range entries {
		e := &rootfs.Entry{
			Path: fmt.Sprintf("%s/%d", randomName(r), i), Type: rootfs.Type(r.IntN(6) + 1), Mode: r.Uint32N(0o10000),
			UID: r.Uint32() >> r.IntN(32), GID: r.Uint32() >> r.IntN(32), ModTime: r.Int64N(1<<34) - 1<<20,
		}
		switch e.Type {
		case rootfs.File:
			if i > 0 && r.IntN(4) == 0 {
				e.First = randomName(r)
				break
			}
			content := make([]byte, r.IntN(1500))
			for i := range content {
				content[i] = byte(r.Uint32())
			}
			e.Size, e.Body, e.Digest = int64(len(content)), bytes.NewReader(content), sha256.Sum256(content)
		case rootfs.Symlink:
			e.Link = randomName(r)
		case rootfs.Char, rootfs.Block:
			e.Major, e.Minor = r.Uint32N(4096), r.Uint32N(1<<20)
		}
		for k := range r.IntN(3) {
			value := []byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
			e.Xattrs = append(e.Xattrs, rootfs.Xattr{Name: fmt.Sprintf("user.%d", k), Value: string(value[:r.IntN(4)])})
		}
		entries[i] = e
	}
	return entries
}

func randomName(r *rand.Rand) string {
	letters := []string{"a", "é", " ", "日", "\n", "\xff", "z"}
	parts := make([]string, r.IntN(12)+1)
	for i := range parts {
		parts[i] = strings.Repeat(letters[r.IntN(len(letters))], r.IntN(40)+1)
	}
	return strings.Join(parts, "/")
}

func sortXattrs(x []rootfs.Xattr) {
	slices.SortFunc(x, func(a, b rootfs.Xattr) int { return strings.Compare(a.Name, b.Name) })
}
