package rootfs_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/compose/rootfs/rootfstest"
)

// readCpio returns the entries of archives, with Digest and Body.
func readCpio(r io.Reader) ([]*rootfs.Entry, error) {
	var entries []*rootfs.Entry
	err := rootfs.ReadCpio(r, func(e *rootfs.Entry, content io.Reader) error {
		b, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		if int64(len(b)) != e.Size {
			return fmt.Errorf("%q: %d bytes of content, not %d", e.Path, len(b), e.Size)
		}
		if e.Type == rootfs.File && (e.First == "" || e.Size > 0) {
			e.Digest = sha256.Sum256(b)
		}
		if e.Size > 0 {
			e.Body = bytes.NewReader(b)
		}
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

// inCpio returns what an archive says of an entry of a tree.
func inCpio(e *rootfs.Entry) *rootfs.Entry {
	w := *e
	w.Body, w.Xattrs, w.Inode, w.Made, w.Origin = nil, nil, 0, false, ""
	w.ModTime = min(max(e.ModTime, 0), 1<<32-1)
	w.Nlink = max(w.Nlink, 1)
	if w.First != "" {
		w.Size, w.Digest = 0, rootfs.Digest{}
	}
	if w.Type == rootfs.File && w.First == "" && w.Size == 0 {
		w.Digest = sha256.Sum256(nil)
	}
	return &w
}

// compareCpio holds what was read against what was written.
func compareCpio(t testing.TB, wrote, read []*rootfs.Entry) {
	t.Helper()
	for i := range min(len(wrote), len(read)) {
		got := *read[i]
		got.Body = nil
		if d := cmp.Diff(inCpio(wrote[i]), &got); d != "" {
			t.Fatalf("entry %d, %.200q (-written +read):\n%s", i, wrote[i].Path, d)
		}
	}
	if len(wrote) != len(read) {
		t.Fatalf("%d entries were written, %d read", len(wrote), len(read))
	}
}

func TestCpioRoundTrip(t *testing.T) {
	sets := map[string][]*rootfs.Entry{"torture": cpioTorture(t), "nothing": nil}
	for seed := range uint64(25) {
		sets[fmt.Sprintf("random %d", seed)] = randomTree(t, rand.New(rand.NewPCG(seed, 1)), 40)
	}
	for name, entries := range sets {
		t.Run(name, func(t *testing.T) {
			archive := cpioArchive(t, entries...)
			for _, r := range []io.Reader{bytes.NewReader(archive), iotest.OneByteReader(bytes.NewReader(archive)), iotest.DataErrReader(bytes.NewReader(archive))} {
				got, err := readCpio(r)
				if err != nil {
					t.Fatal(err)
				}
				compareCpio(t, entries, got)
			}
		})
	}
}

// raw is an archive entry by another hand than the codec's: numbers are those
// of a file with one name unless they are given by position.
func raw(name, content string, numbers map[int]uint32) string {
	n := [13]uint32{0: 1, 1: 0o100644, 4: 1, 6: uint32(len(content)), 11: uint32(len(name) + 1)}
	for i, v := range numbers {
		n[i] = v
	}
	s := "070701"
	for _, v := range n {
		s += fmt.Sprintf("%08x", v)
	}
	s += name + "\x00"
	s += strings.Repeat("\x00", -len(s)&3) + content
	return s + strings.Repeat("\x00", -len(s)&3)
}

func linked(ino uint32) map[int]uint32 { return map[int]uint32{0: ino, 4: 3} }

func TestReadCpio(t *testing.T) {
	dir, sym := map[int]uint32{1: 0o040755}, map[int]uint32{1: 0o120777}
	trailer := raw("TRAILER!!!", "", nil)
	tests := []struct{ name, archive, want string }{
		{"nothing", "", ""},
		{"zeros", "\x00\x00\x00\x00\x00", ""},
		{"no trailer", raw("a", "x", nil), "file a x"},
		{"trailer alone", trailer, ""},
		{"archives in a row", raw("a", "x", nil) + trailer + raw("b", "y", nil) + trailer, "file a x\nfile b y"},
		{"zeros everywhere", strings.Repeat("\x00", 512) + raw("a", "x", nil) + "\x00\x00\x00\x00" + raw("b", "y", nil) + trailer + strings.Repeat("\x00", 516) + raw("c", "z", nil), "file a x\nfile b y\nfile c z"},
		{"dots and slashes", raw(".", "", dir) + raw("./a", "x", nil) + raw("/b", "y", nil) + raw("/./d/", "", dir) + raw("./", "", dir) + raw("..c", "z", nil), "dir  0755\nfile a x\nfile b y\ndir d 0755\ndir  0755\nfile ..c z"},
		{"target", raw("s", "../x", sym), "sym s ../x"},
		{"name with zeros after it", raw("ab\x00\x00\x00\x00", "x", nil), "file ab x"},
		{"padding of no zeros", raw("TRAILER!!", "x", nil)[:110+10] + "x\xff\xff\xff" + trailer, "file TRAILER!! x"},
		{"links, content first", raw("a", "x", linked(5)) + raw("b", "", linked(5)) + raw("c", "", linked(5)), "file a x\nfile b = a\nfile c = a"},
		{"links, content last", raw("a", "", linked(5)) + raw("b", "", linked(5)) + raw("c", "x", linked(5)), "file a \"\"\nfile b = a\nfile c = a x"},
		{"links, no content", raw("a", "", linked(5)) + raw("b", "", linked(5)), "file a \"\"\nfile b = a"},
		{"links beside each other", raw("a", "x", linked(5)) + raw("b", "y", linked(6)) + raw("c", "", linked(5)) + raw("d", "", linked(6)), "file a x\nfile b y\nfile c = a\nfile d = b"},
		{"one inode on two devices", raw("a", "x", linked(5)) + raw("b", "y", map[int]uint32{0: 5, 4: 2, 8: 1}) + raw("c", "z", map[int]uint32{0: 5, 4: 2, 7: 1}), "file a x\nfile b y\nfile c z"},
		{"one inode, one name", raw("a", "x", nil) + raw("b", "y", nil), "file a x\nfile b y"},
		{"a trailer ends links", raw("a", "x", linked(5)) + trailer + raw("b", "", linked(5)), "file a x\nfile b \"\""},
		{"no trailer does not", raw("a", "x", linked(5)) + "\x00\x00\x00\x00" + raw("b", "", linked(5)), "file a x\nfile b = a"},
		{"checksum", "070702" + raw("a", "x\xff", map[int]uint32{12: 'x' + 0xff})[6:], "file a x\xff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entries, err := readCpio(strings.NewReader(tt.archive))
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, e := range entries {
				line := rootfstest.Format(func(yield func(*rootfs.Entry) bool) { yield(e) })
				if e.First != "" && e.Body != nil {
					content, _ := io.ReadAll(io.NewSectionReader(e.Body, 0, e.Size))
					line = strings.TrimSuffix(line, "\n") + " " + string(content) + "\n"
				}
				got.WriteString(line)
			}
			if d := cmp.Diff(tt.want, strings.TrimSuffix(got.String(), "\n")); d != "" {
				t.Fatalf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestReadCpioRefuses(t *testing.T) {
	const at = "cpio entry at byte 116"
	head, huge := raw("a", "", nil)+"\x00\x00\x00\x00", uint32(1<<32-1)
	sym := func(size uint32) map[int]uint32 { return map[int]uint32{1: 0o120777, 6: size} }
	tests := []struct {
		name, archive, want string
	}{
		{"old portable", "070707" + strings.Repeat("0", 120), `: "070707" is not the magic of a newc archive`},
		{"compressed", "\x1f\x8b" + strings.Repeat("0", 120), `: "\x1f\x8b0000" is not the magic of a newc archive`},
		{"no number", "07070100000x01" + raw("b", "", nil)[14:], `: "00000x01" is not a hexadecimal number`},
		{"sign", "070701+0000001" + raw("b", "", nil)[14:], `: "+0000001" is not a hexadecimal number`},
		{"short header", raw("b", "", nil)[:109], `: unexpected EOF`},
		{"short name", raw("b", "", nil)[:111], `: unexpected EOF`},
		{"short content", raw("b", "12345", nil)[:116], `, "b": unexpected EOF`},
		{"short padding", raw("b", "12345", nil)[:119], `, "b": unexpected EOF`},
		{"huge file", raw("b", "", map[int]uint32{6: huge}), `, "b": unexpected EOF`},
		{"huge name", raw("b", "", map[int]uint32{11: huge}), `: a name of 4294967295 bytes is over 4096`},
		{"long name", raw(strings.Repeat("n", 4096), "", nil), `: a name of 4097 bytes is over 4096`},
		{"no name", raw("", "", nil), `: no name`},
		{"name of no bytes", raw("b", "", map[int]uint32{11: 0}), `: the name "" does not end with a NUL byte`},
		{"name without NUL", raw("abc", "", map[int]uint32{11: 3}), `: the name "abc" does not end with a NUL byte`},
		{"NUL in name", raw("a\x00b", "", nil), `: a NUL byte in the name "a\x00b\x00"`},
		{"parent", raw("b/../../c", "", nil), `, "b/../../c": the name is not a clean path`},
		{"dots", raw("..", "", map[int]uint32{1: 0o040755}), `, "..": the name is not a clean path`},
		{"two slashes", raw("b//c", "", nil), `, "b//c": the name is not a clean path`},
		{"file with a slash", raw("b/", "", nil), `, "b/": the name is not a clean path`},
		{"root file", raw("./", "", nil), `, "./": the root is not a directory`},
		{"socket", raw("b", "", map[int]uint32{1: 0o140755}), `, "b": mode 0140755 is of no type`},
		{"large mode", raw("b", "", map[int]uint32{1: 0o1100644}), `, "b": mode 01100644 is of no type`},
		{"directory with content", raw("b", "x", map[int]uint32{1: 0o040755}), `, "b": a directory with 1 bytes of content`},
		{"trailer with content", raw("TRAILER!!!", "x", nil), `, "TRAILER!!!": a trailer with 1 bytes of content`},
		{"no target", raw("b", "", sym(0)), `, "b": a symbolic link without a target`},
		{"long target", raw("b", "", sym(4096)), `, "b": a link target of 4096 bytes is over 4095`},
		{"huge target", raw("b", "", sym(huge)), `, "b": a link target of 4294967295 bytes is over 4095`},
		{"short target", raw("b", "", sym(4095)), `, "b": unexpected EOF`},
		{"NUL in target", raw("b", "x\x00", sym(2)), `, "b": a NUL byte in the link target "x\x00"`},
		{"content twice", raw("b", "x", linked(5)) + raw("c", "y", linked(5)), `cpio entry at byte 232, "c": content again for the file of "b"`},
		{"checksum", "070702" + raw("b", "x", map[int]uint32{12: 7})[6:], `, "b": the content adds up to 00000078, not to 00000007`},
		{"odd place", "\x00" + raw("b", "", nil), `cpio at byte 117: 0x30 where only a multiple of 4 begins an entry`},
		{"words", "hello", `: unexpected EOF`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := readCpio(strings.NewReader(head + tt.archive))
			runtime.ReadMemStats(&after)
			want := tt.want
			if !strings.HasPrefix(want, "cpio ") {
				want = at + want
			}
			if err == nil || err.Error() != want {
				t.Fatalf("error %v\nwant %s", err, want)
			}
			if strings.HasSuffix(want, "EOF") != errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%v has the wrong kind", err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
				t.Fatalf("it took %d bytes of memory", n)
			}
		})
	}
}

// TestReadCpioStops is about errors that are not the archive's, and about content
// that nobody reads.
func TestReadCpioStops(t *testing.T) {
	archive := raw("a", "12345", nil) + raw("b", "67", nil)
	enough, broken := errors.New("enough"), errors.New("broken")
	var got []string
	err := rootfs.ReadCpio(strings.NewReader(archive), func(e *rootfs.Entry, content io.Reader) error {
		var b [3]byte
		n, _ := io.ReadFull(content, b[:len(got)])
		if got = append(got, e.Path+string(b[:n])); e.Path == "b" {
			return enough
		}
		return nil
	})
	if d := cmp.Diff([]string{"a", "b6"}, got); d != "" || err != enough { //nolint:errorlint // it is returned as it is
		t.Fatalf("%v, %s", err, d)
	}
	for _, n := range []int{0, 1, 50, 111, 117, len(archive) - 1, len(archive)} {
		r := io.MultiReader(strings.NewReader(archive[:n]), iotest.ErrReader(broken))
		if _, err := readCpio(r); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "cpio ") {
			t.Errorf("after %d bytes: %v", n, err)
		}
		if _, err := readCpio(strings.NewReader(archive[:n])); n > 0 && n < len(archive) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("of %d bytes: %v", n, err)
		}
	}
}
