package debian_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/debian/debtest"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
)

// scratch is an empty file.
func scratch(tb testing.TB) *os.File {
	tb.Helper()
	f, err := os.CreateTemp(tb.TempDir(), "data")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return f
}

// entries opens a package file and lists what is in it.
func entries(tb testing.TB, deb []byte) ([]*rootfs.Entry, error) {
	tb.Helper()
	d, err := debian.OpenDeb(bytes.NewReader(deb), int64(len(deb)))
	if err != nil {
		return nil, err
	}
	return d.Entries(&memory{})
}

// memory is a scratch that needs no file.
type memory struct{ bytes.Buffer }

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(m.Bytes()).ReadAt(p, at)
}

// tree is one of everything that a package may have.
func tree() []*rootfs.Entry {
	list := rootfstest.Parse(`
		dir  usr 0755
		dir  usr/bin 0755
		file usr/bin/tool uid=0 mtime=1700000000 content-of-it inode=1
		file usr/bin/empty ""
		file usr/bin/tool2 mtime=1700000000 content-of-it inode=1
		sym  usr/bin/t tool
		file usr/bin/last uid=33 bye
		dir  var 1777`)
	list[2].Mode, list[4].Mode = 0o4755, 0o4755
	list[2].Xattrs = []rootfs.Xattr{{Name: "security.capability", Value: "\x01\x00\x00\x02"}, {Name: "user.a", Value: ""}}
	list[4].Xattrs = list[2].Xattrs
	list[5].Mode = 0o777
	list[6].Path = "usr/bin/\xff" + strings.Repeat("l", 200)
	return list
}

func TestEntries(t *testing.T) {
	for _, compression := range []string{".xz", ".gz", ".zst", "none"} {
		t.Run(compression, func(t *testing.T) {
			want := tree()
			want[2].Xattrs, want[4].Xattrs = want[2].Xattrs[:1], want[4].Xattrs[:1] // archive/tar writes no empty value
			deb := debtest.Deb(t, debtest.Package{Name: "tool", Source: "tools (1.0)", Depends: "libc6", Files: want, Compression: compression})
			d, err := debian.OpenDeb(bytes.NewReader(deb), int64(len(deb)))
			if err != nil {
				t.Fatal(err)
			}
			if name, version := debian.SourceOf(d.Control); d.Control.Get("Package") != "tool" || name != "tools" || version != "1.0" {
				t.Errorf("control %v, source %s %s", d.Control, name, version)
			}
			got, err := d.Entries(scratch(t))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(rootfs.Entry{}, "Body")); diff != "" {
				t.Error(diff)
			}
			if a, b := rootfstest.Format(slices.Values(want)), rootfstest.Format(slices.Values(got)); a != b {
				t.Errorf("contents:\n%s\nwant\n%s", b, a)
			}
		})
	}
}

// data makes a package of a data.tar written header by header.
func data(tb testing.TB, headers ...tar.Header) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return debtest.Ar(debtest.Member{Name: "debian-binary", Content: []byte("2.0\n")}, controlOf(tb, "Package: a\nVersion: 1\nArchitecture: all\n"),
		debtest.Member{Name: "data.tar", Content: out.Bytes()})
}

// controlOf is control.tar with a control file of that text.
func controlOf(tb testing.TB, text string) debtest.Member {
	tb.Helper()
	return debtest.Member{Name: "control.tar", Content: debtest.Tar(tb, []*rootfs.Entry{
		{Path: "md5sums", Type: rootfs.File, Mode: 0o644},
		{Path: "control", Type: rootfs.File, Mode: 0o644, Size: int64(len(text)), Body: strings.NewReader(text)},
	})}
}

func TestEntriesRefuses(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	tests := map[string]struct {
		headers []tar.Header
		want    string
	}{
		"an absolute path":        {[]tar.Header{file("/etc/x")}, `"/etc/x": the path is absolute`},
		"a path that leaves":      {[]tar.Header{file("./../x")}, `"./../x": the path has ".." in it`},
		"a path that comes back":  {[]tar.Header{file("./a/../x")}, `the path has ".." in it`},
		"a path twice":            {[]tar.Header{file("./x"), file("x")}, `"x": it is in the archive twice`},
		"a path below a link":     {[]tar.Header{{Typeflag: tar.TypeSymlink, Name: "./a", Linkname: "/etc"}, file("./a/x")}, `"./a/x": a above it is a symbolic link`},
		"a path far below a file": {[]tar.Header{file("./a"), file("./a/b/c")}, "a above it is a file"},
		"a device":                {[]tar.Header{{Typeflag: tar.TypeChar, Name: "./dev/null"}}, "a device or fifo"},
		"a block device":          {[]tar.Header{{Typeflag: tar.TypeBlock, Name: "./dev/sda"}}, "a device or fifo"},
		"a fifo":                  {[]tar.Header{{Typeflag: tar.TypeFifo, Name: "./p"}}, "a device or fifo"},
		"a link to nothing":       {[]tar.Header{{Typeflag: tar.TypeSymlink, Name: "./a"}}, "a symbolic link to nothing"},
		"a hard link forwards":    {[]tar.Header{{Typeflag: tar.TypeLink, Name: "./a", Linkname: "./b"}, file("./b")}, `hard link to "./b", which is no file before it`},
		"a hard link to a folder": {[]tar.Header{{Typeflag: tar.TypeDir, Name: "./b/"}, {Typeflag: tar.TypeLink, Name: "./a", Linkname: "./b"}}, "which is no file before it"},
		"a hard link that leaves": {[]tar.Header{{Typeflag: tar.TypeLink, Name: "./a", Linkname: "../b"}}, `hard link to "../b": the path has ".." in it`},
		"an owner too high":       {[]tar.Header{{Typeflag: tar.TypeReg, Name: "./a", Uid: 1 << 32}}, "owner 4294967296:0"},
		"another type":            {[]tar.Header{{Typeflag: 'Z', Name: "./a"}}, `a file of the type 'Z'`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			list, err := entries(t, data(t, test.headers...))
			if !errors.Is(err, debian.ErrDamaged) || !strings.Contains(err.Error(), test.want) || list != nil {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// The root directory is no entry, and a path with an odd way of writing is a plain one.
func TestEntriesNames(t *testing.T) {
	got, err := entries(t, data(t, tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o700}, tar.Header{Typeflag: tar.TypeReg, Name: ".//a/./b"},
		tar.Header{Typeflag: tar.TypeReg, Name: `./c\d..e`}))
	if err != nil {
		t.Fatal(err)
	}
	if text := rootfstest.Format(slices.Values(got)); text != "file a/b \nfile c\\d..e \n" && text != "file a/b \"\"\nfile c\\d..e \"\"\n" {
		t.Errorf("%q", text)
	}
}

func TestSparseIsRefused(t *testing.T) {
	block := make([]byte, 512)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "./s", Size: 512, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(block); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	raw := out.Bytes()
	raw[156] = 'S'
	copy(raw[386:], "00000001000\x0000000001000\x00") // a hole of 512 bytes, and then 512 bytes
	copy(raw[483:], "00000002000\x00")
	copy(raw[148:], "        ")
	sum := 0
	for _, c := range raw[:512] {
		sum += int(c)
	}
	copy(raw[148:], []byte{byte('0' + sum>>15&7), byte('0' + sum>>12&7), byte('0' + sum>>9&7), byte('0' + sum>>6&7), byte('0' + sum>>3&7), byte('0' + sum&7), 0, ' '})
	deb := debtest.Ar(debtest.Member{Name: "debian-binary", Content: []byte("2.0\n")}, controlOf(t, "Package: a\nVersion: 1\nArchitecture: all\n"),
		debtest.Member{Name: "data.tar", Content: raw})
	if _, err := entries(t, deb); !errors.Is(err, debian.ErrDamaged) {
		t.Errorf("%v", err)
	}
}

func TestOpenDebRefuses(t *testing.T) {
	format := debtest.Member{Name: "debian-binary", Content: []byte("2.0\n")}
	control := controlOf(t, "Package: a\nVersion: 1\nArchitecture: all\n")
	files := debtest.Member{Name: "data.tar", Content: debtest.Tar(t, nil)}
	whole := debtest.Ar(format, control, files)
	changed := func(at int, b byte) []byte { c := bytes.Clone(whole); c[at] = b; return c }
	tests := map[string]struct {
		deb  []byte
		want string
	}{
		"nothing":            {nil, "not an ar archive"},
		"another format":     {[]byte("PK\x03\x04 and so on"), "not an ar archive"},
		"no members":         {whole[:8], `its first member is not "debian-binary"`},
		"header cut off":     {whole[:30], "offset 8: a header that is cut off"},
		"member cut off":     {whole[:len(whole)-1], "member data.tar: 1024 bytes, but the file ends after 1023 of them"},
		"no header":          {changed(8+58, 'x'), "offset 8: no member header"},
		"no size":            {changed(8+48, '-'), `member "debian-binary": a size of`},
		"size and letters":   {changed(8+50, 'x'), `member "debian-binary": a size of`},
		"no padding":         {append(debtest.Ar(debtest.Member{Name: "debian-binary", Content: []byte("2.0")})[:8+60+3], 'x'), "no padding after it"},
		"format 3":           {debtest.Ar(debtest.Member{Name: "debian-binary", Content: []byte("3.0\n")}, control, files), `its format is "3.0\n"`},
		"control first":      {debtest.Ar(control, format, files), `its first member is not "debian-binary"`},
		"data first":         {debtest.Ar(format, files, control), `a member "data.tar" where control.tar belongs`},
		"no data":            {debtest.Ar(format, control), "no member data.tar"},
		"no control":         {debtest.Ar(format), "no member control.tar"},
		"a strange member":   {debtest.Ar(format, debtest.Member{Name: "x"}, control, files), `a member "x" where control.tar belongs`},
		"compressed as lzma": {debtest.Ar(format, debtest.Member{Name: "control.tar.lzma"}, files), `compressed as ".lzma"`},
		"two endings":        {debtest.Ar(format, debtest.Member{Name: "control.tar.a.xz"}, files), `a member "control.tar.a.xz"`},
		"broken compression": {debtest.Ar(format, debtest.Member{Name: "control.tar.gz", Content: []byte("x")}, files), "control.tar.gz: "},
		"no control file":    {debtest.Ar(format, debtest.Member{Name: "control.tar", Content: debtest.Tar(t, nil)}, files), "no file control in it"},
		"no version":         {debtest.Ar(format, controlOf(t, "Package: a\n"), files), "control: no field Version"},
		"two paragraphs":     {debtest.Ar(format, controlOf(t, "Package: a\n\nPackage: b\n"), files), "more than one paragraph"},
		"a broken paragraph": {debtest.Ar(format, controlOf(t, "Package\n"), files), `line 1: "Package" is no field`},
		"many members":       {debtest.Ar(slices.Repeat([]debtest.Member{format}, 17)...), "more than 16 members"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := debian.OpenDeb(bytes.NewReader(test.deb), int64(len(test.deb)))
			if !errors.Is(err, debian.ErrDamaged) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
	for name, deb := range map[string][]byte{
		"underscored members": debtest.Ar(format, debtest.Member{Name: "_a", Content: []byte("x")}, control, debtest.Member{Name: "_b"}, files),
		"members at the end":  debtest.Ar(format, control, files, debtest.Member{Name: "x"}),
		"names with slashes":  debtest.Ar(debtest.Member{Name: "debian-binary/", Content: []byte("2.1\n")}, control, files),
	} {
		if _, err := debian.OpenDeb(bytes.NewReader(deb), int64(len(deb))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A byte changed anywhere in compressed data is found, as each format has a checksum.
func TestDamagedData(t *testing.T) {
	for _, compression := range []string{".xz", ".gz", ".zst"} {
		deb := debtest.Deb(t, debtest.Package{Name: "tool", Files: tree(), Compression: compression})
		at := bytes.LastIndex(deb, []byte("`\n")) + 2
		for _, place := range []int{at + 30, (at + len(deb)) / 2, len(deb) - 12} {
			bad := bytes.Clone(deb)
			bad[place] ^= 0x55
			if list, err := entries(t, bad); !errors.Is(err, debian.ErrDamaged) {
				t.Errorf("%s, byte %d of %d: %d entries, %v", compression, place, len(bad), len(list), err)
			}
		}
	}
}

// full is a scratch without room.
type full struct{ io.ReaderAt }

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// That there is no room is not the package's fault.
func TestScratchFails(t *testing.T) {
	deb := debtest.Deb(t, debtest.Package{Name: "tool", Files: tree()})
	d, err := debian.OpenDeb(bytes.NewReader(deb), int64(len(deb)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Entries(full{}); !errors.Is(err, io.ErrShortWrite) || errors.Is(err, debian.ErrDamaged) {
		t.Errorf("%v", err)
	}
}

func TestDir(t *testing.T) {
	dir := debian.Dir(filepath.Join(t.TempDir(), "a", "b"))
	if has, err := dir.Has("x"); has || err != nil {
		t.Errorf("has x: %v, %v", has, err)
	}
	if err := dir.Put("x", io.MultiReader(strings.NewReader("ab"), failing{})); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(string(dir)); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if err := dir.Put("x", strings.NewReader("ab")); err != nil {
		t.Fatal(err)
	}
	if has, err := dir.Has("x"); !has || err != nil {
		t.Errorf("has x: %v, %v", has, err)
	}
	if err := os.Mkdir(filepath.Join(string(dir), "y"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Get("y"); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("%v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Whatever is read of a package, its entries are ones that can be laid out.
func FuzzOpenDeb(f *testing.F) {
	for _, compression := range []string{".xz", ".gz", ".zst", "none"} {
		f.Add(debtest.Deb(f, debtest.Package{Name: "tool", Files: tree(), Compression: compression}))
	}
	f.Add(data(f, tar.Header{Typeflag: tar.TypeReg, Name: "./a"}, tar.Header{Typeflag: tar.TypeLink, Name: "./b", Linkname: "a"}))
	f.Add([]byte("!<arch>\n"))
	f.Fuzz(func(t *testing.T, deb []byte) {
		list, err := entries(t, deb)
		if err != nil {
			if !errors.Is(err, debian.ErrDamaged) {
				t.Errorf("%v", err)
			}
			return
		}
		seen := map[string]bool{}
		for _, e := range list {
			if e.Path == "" || e.Path != strings.TrimPrefix(filepath.Clean("/"+e.Path), "/") || seen[e.Path] {
				t.Errorf("path %q", e.Path)
			}
			seen[e.Path] = true
			if e.Body != nil {
				if n, err := io.Copy(io.Discard, io.NewSectionReader(e.Body, 0, e.Size)); n != e.Size || err != nil {
					t.Errorf("%q: %d of %d bytes, %v", e.Path, n, e.Size, err)
				}
			}
		}
	})
}
