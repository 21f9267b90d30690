package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestReadAsKernel plants one fault at a time in an archive. Each must be found,
// and nothing else.
func TestReadAsKernel(t *testing.T) {
	good := func() []newcEntry {
		return []newcEntry{
			{name: "d", mode: 0o040755, nlink: 2, ino: 1},
			{name: "d/a", mode: 0o100644, nlink: 2, ino: 2, data: "text"},
			{name: "d/b", mode: 0o100644, nlink: 2, ino: 2},
			{name: "l", mode: 0o120777, nlink: 1, ino: 3, data: "d/a"},
			{name: newcTrailer, nlink: 1},
		}
	}
	for _, tc := range []struct {
		name   string
		change func(all []newcEntry) []newcEntry
		want   string // "" for no fault
	}{
		{"nothing", func(all []newcEntry) []newcEntry { return all }, ""},
		{"no directory", func(all []newcEntry) []newcEntry { return all[1:] }, "d/a: for the kernel: is dropped"},
		{"a parent behind", func(all []newcEntry) []newcEntry { all[0].name = "e"; return all }, "d/a: for the kernel: is dropped"},
		{"no trailer", func(all []newcEntry) []newcEntry { return all[:4] }, ": for the kernel: there is no TRAILER!!!"},
		{"trailer between", func(all []newcEntry) []newcEntry { return slices.Insert(all, 3, all[4]) }, ": for the kernel: something follows"},
		{"twice", func(all []newcEntry) []newcEntry { all[3].name = "d/b"; return all }, "d/b: for the kernel: is there twice"},
		{"a name too many", func(all []newcEntry) []newcEntry { all[1].nlink, all[2].nlink = 3, 3; return all }, "d/a: for the kernel: has 2 names and says 3"},
		{"one inode", func(all []newcEntry) []newcEntry { all[1].nlink, all[2].nlink = 1, 1; return all }, "d/b: for the kernel: has the inode of d/a"},
		{"content twice", func(all []newcEntry) []newcEntry { all[2].data = "text"; return all }, "d/b: for the kernel: brings 4 bytes"},
		{"other mode", func(all []newcEntry) []newcEntry { all[2].mode = 0o100600; return all }, "d/b: for the kernel: is a further name of d/a with another"},
		{"a leading slash", func(all []newcEntry) []newcEntry { all[3].name = "/l"; return all }, "/l: for the kernel: the path is not clean"},
		{"a long target", func(all []newcEntry) []newcEntry { all[3].data = strings.Repeat("x", 4096); return all }, "l: for the kernel: a target of 4096 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newc(tc.change(good()))
			_, faults, err := readAsKernel(bytes.NewReader(b), "none")
			if err != nil {
				t.Fatal(err)
			}
			var first string
			if len(faults) > 0 {
				first = faults[0].path + ": " + faults[0].what
			}
			if (tc.want == "") != (len(faults) == 0) || !strings.HasPrefix(first, tc.want) {
				t.Errorf("faults %q, want %q", faults, tc.want)
			}
		})
	}
	if _, _, err := readAsKernel(bytes.NewReader(newc([]newcEntry{{name: strings.Repeat("x", 4096), mode: 0o100644, nlink: 1}})), "none"); err == nil {
		t.Error("a name of 4096 bytes is no error")
	}
}

// newcEntry is an entry of an archive that a test makes.
type newcEntry struct {
	name       string
	mode       uint32
	nlink, ino uint32
	data       string
}

func newc(all []newcEntry) []byte {
	var b bytes.Buffer
	pad := func() { b.Write(make([]byte, -b.Len()&3)) }
	for _, e := range all {
		n := [newcNumbers]uint32{newcIno: e.ino, newcMode: e.mode, newcNlink: e.nlink, newcSize: uint32(len(e.data)), newcNameSize: uint32(len(e.name) + 1)}
		b.WriteString(newcMagic)
		for _, v := range n {
			fmt.Fprintf(&b, "%08X", v)
		}
		b.WriteString(e.name + "\x00")
		pad()
		b.WriteString(e.data)
		pad()
	}
	return b.Bytes()
}
