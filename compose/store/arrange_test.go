package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
)

// unpack does what arrange does in the plainest way: entry after entry, into a
// map. ok is false where the history is one that is refused.
func unpack(records []record) (lines []string, ok bool) {
	now, last := map[string]*record{}, map[string]rootfs.Type{}
	var inodes uint32
	for i := range records {
		r := records[i]
		typ, before := r.typ, last[r.path]
		last[r.path] = typ
		if target := now[r.link]; typ == rootfs.HardLink && target != nil {
			if target.typ == rootfs.Dir {
				return nil, false
			}
			if target.typ == rootfs.File && target.inode == 0 {
				inodes++
				target.inode = inodes
			}
			r = *target
			r.path = records[i].path
		}
		if typ != rootfs.Dir && before == rootfs.Dir || typ == rootfs.File && before == 0 {
			for path := range now {
				if rootfs.Below(path, r.path) {
					delete(now, path)
				}
			}
		}
		now[r.path] = &r
	}
	for path, r := range now {
		for dir := rootfs.Parent(path); dir != ""; dir = rootfs.Parent(dir) {
			if d := now[dir]; d != nil && d.typ == rootfs.File {
				return nil, false
			}
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %d %d", path, r.typ, r.link, r.inode, r.modTime))
	}
	slices.Sort(lines)
	return lines, true
}

// history makes records of few names, so that they meet often.
func history(r *rand.Rand, n int) []record {
	name := func() string {
		parts := make([]string, 1+r.IntN(3))
		for i := range parts {
			parts[i] = string(rune('a' + r.IntN(2)))
		}
		return strings.Join(parts, "/")
	}
	var records []record
	for i := range n {
		rec := record{path: name(), modTime: int64(i), typ: rootfs.Dir}
		switch r.IntN(6) {
		case 0, 1:
			rec.typ = rootfs.File
		case 2:
			rec.typ, rec.link = rootfs.Symlink, "x"
		case 3:
			rec.typ, rec.link = rootfs.HardLink, name()
		}
		records = append(records, rec)
	}
	return records
}

func TestArrangeIsUnpacking(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	compared, refused := 0, 0
	for range 30000 {
		records := history(r, 1+r.IntN(9))
		want, ok := unpack(slices.Clone(records))
		given := fmt.Sprint(records)
		order, err := arrange(records, false)
		if (err == nil) != ok {
			t.Fatalf("%v: arrange says %v, unpacking %v", given, err, ok)
		}
		if !ok {
			refused++
			continue
		}
		compared++
		var got []string
		for _, i := range order {
			x := &records[i]
			if x.typ == rootfs.Whiteout {
				continue // of a directory that was something else before, for lower layers
			}
			got = append(got, fmt.Sprintf("%s %s %s %d %d", x.path, x.typ, x.link, x.inode, x.modTime))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%v:\n%s", given, diff)
		}
	}
	if compared < 5000 || refused < 500 {
		t.Errorf("only %d histories were compared and %d refused", compared, refused)
	}
}
