package store

import (
	"archive/tar"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLayerEntries(t *testing.T) {
	long := strings.Repeat("long/", 60) + "name"
	at := func(s, ns int64) time.Time { return time.Unix(s, ns) }
	tests := map[string]struct {
		items []item
		want  string
	}{
		"nothing": {nil, ""},
		"path order": {
			[]item{file("a.b", "2"), file("a/b", "1"), dir("a"), file("a0", "3")},
			`directory "a" 0755 0:0 @0
file "a/b" 0644 0:0 @0 "1"
file "a.b" 0644 0:0 @0 "2"
file "a0" 0644 0:0 @0 "3"
`,
		},
		"names are cleaned": {
			[]item{dir("./"), dir("./d/"), file("/d/abs", ""), file("./d/./x", "")},
			`directory "" 0755 0:0 @0
directory "d" 0755 0:0 @0
file "d/abs" 0644 0:0 @0 ""
file "d/x" 0644 0:0 @0 ""
`,
		},
		"dots that are names": {
			[]item{file("..a", ""), file(".hidden", ""), file("b..", "")},
			`file "..a" 0644 0:0 @0 ""
file ".hidden" 0644 0:0 @0 ""
file "b.." 0644 0:0 @0 ""
`,
		},
		"long names": {[]item{file(long, "x"), {name: long + "2", flag: tar.TypeSymlink, link: long}}, `file "` + long + `" 0644 0:0 @0 "x"
symbolic link "` + long + `2" 0000 0:0 @0 -> ` + long + "\n"},
		"types": {
			[]item{
				{name: "b", flag: tar.TypeBlock, major: 8, minor: 1, mode: 0o660},
				{name: "c", flag: tar.TypeChar, major: 4000, minor: 1 << 20, mode: 0o600},
				{name: "f", flag: tar.TypeFifo, mode: 0o600},
				{name: "r", flag: tar.TypeCont, body: "r", mode: 0o4755},
				symlink("s", "../../etc/x//"),
			},
			`block device "b" 0660 0:0 @0 8,1
character device "c" 0600 0:0 @0 4000,1048576
fifo "f" 0600 0:0 @0
file "r" 4755 0:0 @0 "r"
symbolic link "s" 0000 0:0 @0 -> ../../etc/x//
`,
		},
		"times are whole seconds from 1970 on": {
			[]item{
				{name: "a", time: at(5, 999999999), pax: map[string]string{"comment": "x"}},
				{name: "b", time: at(-5, 0)},
				{name: "c", time: at(-1, 5e8), pax: map[string]string{"comment": "x"}},
				{name: "d", time: at(1<<34, 0)},
			},
			`file "a" 0000 0:0 @5 ""
file "b" 0000 0:0 @0 ""
file "c" 0000 0:0 @0 ""
file "d" 0000 0:0 @17179869184 ""
`,
		},
		"large numbers": {[]item{{name: "a", uid: 1<<31 - 1}}, "file \"a\" 0000 2147483647:2147483647 @0 \"\"\n"},
		"attributes": {
			[]item{{name: "a", pax: map[string]string{
				"SCHILY.xattr.user.b": "2", "SCHILY.xattr.security.capability": "\x01\x00\xff", "SCHILY.xattr.trusted.overlay.opaque": "y",
				"SCHILY.xattr.security.selinux": "u:r:t", "LIBARCHIVE.creationtime": "1.5", "SCHILY.dev": "7",
			}}},
			"file \"a\" 0000 0:0 @0 \"\" security.capability=\"\\x01\\x00\\xff\" user.b=\"2\"\n",
		},
		"globals mean nothing": {
			[]item{{name: "g", flag: tar.TypeXGlobalHeader, pax: map[string]string{"mtime": "9"}}, file("a", "")},
			"file \"a\" 0644 0:0 @0 \"\"\n",
		},
		"the last of a name counts": {
			[]item{file("a", "old"), file("b", "b"), {name: "./a", body: "new", uid: 7}},
			"file \"a\" 0000 7:7 @0 \"new\"\nfile \"b\" 0644 0:0 @0 \"b\"\n",
		},
		"a directory again changes its attributes only": {
			[]item{dir("d"), file("d/x", "x"), {name: "d", flag: tar.TypeDir, mode: 0o700}},
			"directory \"d\" 0700 0:0 @0\nfile \"d/x\" 0644 0:0 @0 \"x\"\n",
		},
		"what takes the place of a directory empties it": {
			[]item{dir("d"), file("d/x", "x"), symlink("d", "e"), file("d/y", "y")},
			"symbolic link \"d\" 0000 0:0 @0 -> e\nfile \"d/y\" 0644 0:0 @0 \"y\"\n",
		},
		"and a directory that comes back is empty": {
			[]item{dir("d"), file("d/x", "x"), file("d", "f"), dir("d"), file("d/y", "y")},
			"whiteout \"d\"\ndirectory \"d\" 0755 0:0 @0\nfile \"d/y\" 0644 0:0 @0 \"y\"\n",
		},
		"and hides what lower layers have in it, once": {
			[]item{symlink("d", "e"), file(".wh.d", ""), file("d", "f"), dir("d")},
			"whiteout \"d\"\ndirectory \"d\" 0755 0:0 @0\n",
		},
		"a whiteout below what took the place of its directory hides nothing more": {
			[]item{file("d/.wh.x", ""), symlink("d", "e"), file("d", "f")},
			"file \"d\" 0644 0:0 @0 \"f\"\n",
		},
		"a file empties a directory that was not said": {
			[]item{file("d/x", "x"), file("d", "f")},
			"file \"d\" 0644 0:0 @0 \"f\"\n",
		},
		"a link keeps what was laid down through it": {
			[]item{file("lib/x", "x"), symlink("lib", "usr/lib")},
			"symbolic link \"lib\" 0000 0:0 @0 -> usr/lib\nfile \"lib/x\" 0644 0:0 @0 \"x\"\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			checkEntries(t, tt.want, tt.items...)
		})
	}
}

// The largest number is -1 where int has 32 bits.
func TestLargestID(t *testing.T) {
	binary := func(at []byte) { copy(at, "\x80\x00\x00\x00\xff\xff\xff\xff") }
	ball := raw(rawHeader("a", '0', 0, func(h []byte) {
		binary(h[108:])
		binary(h[116:])
		copy(h[257:], "ustar  \x00")
	}))
	e := mustLayer(t, newLease(t, openStore(t, t.TempDir())), layerOf(ball, ball)).Entries()[0]
	if e.UID != 1<<32-1 || e.GID != 1<<32-1 {
		t.Errorf("%d:%d", e.UID, e.GID)
	}
}

// checkEntries takes a layer in and compares its entries, as they are then and
// as they are when the cache has it.
func checkEntries(t *testing.T, want string, items ...item) {
	t.Helper()
	ball := makeTar(t, items...)
	s := openStore(t, t.TempDir())
	src := layerOf(ball, gzipped(t, ball))
	for _, when := range []string{"cold", "warm"} {
		layer := mustLayer(t, newLease(t, s), src)
		if diff := cmp.Diff(want, show(t, layer.Entries())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
		if layer.Size != int64(len(ball)) || layer.DiffID != src.DiffID {
			t.Errorf("%s: size %d, diffID %s", when, layer.Size, layer.DiffID)
		}
	}
	if n := src.opened.Load(); n != 1 {
		t.Errorf("opened %d times", n)
	}
}

func TestHardLinks(t *testing.T) {
	tests := map[string]struct {
		items []item
		want  string
	}{
		"to a file of this layer": {
			[]item{
				{name: "b", body: "x", mode: 0o600, uid: 3, time: time.Unix(7, 0), pax: map[string]string{"SCHILY.xattr.user.a": "1"}},
				hardlink("a", "./b"), file("c", "x"),
			},
			`file "a" 0600 3:3 @7 "x" inode 1 user.a="1"
file "b" 0600 3:3 @7 "x" inode 1 user.a="1"
file "c" 0644 0:0 @0 "x"
`,
		},
		"to a link, and to another file": {
			[]item{file("a", "1"), file("x", ""), hardlink("b", "a"), hardlink("y", "/x"), hardlink("c", "b")},
			`file "a" 0644 0:0 @0 "1" inode 1
file "b" 0644 0:0 @0 "1" inode 1
file "c" 0644 0:0 @0 "1" inode 1
file "x" 0644 0:0 @0 "" inode 2
file "y" 0644 0:0 @0 "" inode 2
`,
		},
		"to a file of a lower layer": {
			[]item{hardlink("a", "./usr/b"), hardlink("c", "a")},
			"hard link \"a\" -> usr/b\nhard link \"c\" -> usr/b\n",
		},
		"before its target, which is then of a lower layer": {
			[]item{hardlink("a", "b"), file("b", "new")},
			"hard link \"a\" -> b\nfile \"b\" 0644 0:0 @0 \"new\"\n",
		},
		"to a file that was replaced later": {
			[]item{file("a", "old"), hardlink("b", "a"), file("a", "new"), hardlink("c", "a")},
			`file "a" 0644 0:0 @0 "new" inode 2
file "b" 0644 0:0 @0 "old" inode 1
file "c" 0644 0:0 @0 "new" inode 2
`,
		},
		"to a file whose directory is gone": {
			[]item{dir("d"), file("d/x", "x"), hardlink("a", "d/x"), file("d", ""), hardlink("b", "d/x")},
			"file \"a\" 0644 0:0 @0 \"x\" inode 1\nhard link \"b\" -> d/x\nfile \"d\" 0644 0:0 @0 \"\"\n",
		},
		"to a symbolic link": {
			[]item{symlink("a", "t"), hardlink("b", "a")},
			"symbolic link \"a\" 0000 0:0 @0 -> t\nsymbolic link \"b\" 0000 0:0 @0 -> t\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			checkEntries(t, tt.want, tt.items...)
		})
	}
}

func TestWhiteouts(t *testing.T) {
	tests := map[string]struct {
		items []item
		want  string
	}{
		"whiteout": {[]item{file("d/.wh.x", ""), file(".wh.y", "")}, "whiteout \"d/x\"\nwhiteout \"y\"\n"},
		"opaque":   {[]item{file("d/.wh..wh..opq", ""), file(".wh..wh..opq", "")}, "opaque whiteout \"\"\nopaque whiteout \"d\"\n"},
		"beside what is there": {
			[]item{dir("d"), file("d/x", "x"), file(".wh.d", ""), file("d/.wh..wh..opq", ""), file("d/.wh.x", "")},
			`opaque whiteout "d"
whiteout "d"
directory "d" 0755 0:0 @0
whiteout "d/x"
file "d/x" 0644 0:0 @0 "x"
`,
		},
		"twice":            {[]item{file(".wh.x", ""), file(".wh.x", "")}, "whiteout \"x\"\n"},
		"of a dotted name": {[]item{file(".wh...x", "")}, "whiteout \"..x\"\n"},
		"no prefix":        {[]item{file("a.wh.b", ""), file(".wh", "")}, "file \".wh\" 0644 0:0 @0 \"\"\nfile \"a.wh.b\" 0644 0:0 @0 \"\"\n"},
		"aufs": {
			[]item{
				dir(".wh..wh.plnk"), file(".wh..wh.plnk/1.2", "x"), file(".wh..wh.aufs", ""), hardlink("a", ".wh..wh.plnk/1.2"),
				hardlink(".wh.b", ".wh..wh.aufs"),
			},
			"file \"a\" 0644 0:0 @0 \"x\" inode 1\nwhiteout \"b\"\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			checkEntries(t, tt.want, tt.items...)
		})
	}
}
