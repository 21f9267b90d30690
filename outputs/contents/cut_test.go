package contents_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
)

func gz(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zs(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

// tiny is a tree of few entries, so that its images can be read thousands of times.
func tiny(t testing.TB) *rootfs.Tree {
	t.Helper()
	linked := func(path string) *rootfs.Entry {
		e := rootfs.MadeFile(path, 0o755, []byte("one file"))
		e.Made, e.Inode, e.Xattrs = false, 1, []rootfs.Xattr{{Name: "user.x", Value: "x"}}
		return e
	}
	kernel := rootfs.MadeFile("boot/kernel", 0o644, []byte("a kernel"))
	kernel.Made = false
	tree, _, err := rootfs.NewTree([]rootfs.Segment{
		{Name: "kernel", Entries: []*rootfs.Entry{
			rootfs.MadeDir("boot", 0o755), rootfs.MadeFile("boot/cmdline", 0o644, []byte("quiet")), kernel,
			rootfs.MadeFile("boot/ucode.cpio", 0o644, microcode(t)),
		}},
		{Name: "init[0]", Entries: []*rootfs.Entry{linked("init"), linked("sh")}},
	}, rootfs.TreeOptions{Arch: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// small are small files of each kind.
func small(t testing.TB) map[string][]byte {
	t.Helper()
	all := images(t, tiny(t))
	for name := range all {
		if strings.HasPrefix(name, "x-kernel") { // TestCutKernels
			delete(all, name)
		}
	}
	all["tar.gz"] = gz(t, all["x.tar none"])
	all["tar.zst"] = zs(t, all["x.tar none"])
	return all
}

// TestCut cuts each file at every byte. A prefix is valid in one case alone: the
// microcode in front of an initramfs is an initramfs by itself, of which nothing
// says that more should follow. It does not say that it is complete.
func TestCut(t *testing.T) {
	front := len(microcode(t))
	for name, data := range small(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := range data {
				if testing.Short() && n%7 != 0 {
					continue
				}
				img, err := read(t, data[:n])
				if err == nil && strings.HasPrefix(name, "x-initrd.img") && n == front && !img.Initramfs.Complete {
					continue
				}
				if err == nil {
					t.Fatalf("cut after %d of %d bytes it is read: %d entries", n, len(data), len(img.Entries))
				}
				if !errors.Is(err, contents.ErrInvalid) && !errors.Is(err, contents.ErrUnknown) {
					t.Fatalf("cut after %d bytes: %v", n, err)
				}
				var at int
				if _, scan := fmt.Sscanf(err.Error(), "tar at byte %d", &at); scan == nil && at > n {
					t.Fatalf("cut after %d bytes: %v", n, err)
				}
			}
		})
	}
}

// TestMore puts something behind each file. Zeros are padding to a tar archive and
// to an initramfs.
func TestMore(t *testing.T) {
	for name, data := range small(t) {
		for _, more := range []string{"x", "\x1f\x8b", strings.Repeat("\x00", 512) + "x", "070701", "\x00"} {
			img, err := read(t, append(bytes.Clone(data), more...))
			if err == nil && more == "\x00" && strings.HasPrefix(name, "x-initrd.img") {
				continue
			}
			if !errors.Is(err, contents.ErrInvalid) {
				t.Errorf("%s with %.10q behind it: %+v, %v", name, more, img, err)
			}
		}
		padded, err := read(t, append(bytes.Clone(data), make([]byte, 1024)...))
		tarOrInitrd := strings.HasPrefix(name, "x")
		if (err == nil) != tarOrInitrd || err == nil && text(padded) != text(mustRead(t, data)) {
			t.Errorf("%s with zeros behind it: %v", name, err)
		}
	}
}

// TestFlips flips each bit of what is covered by checksums and digests. What is
// read nevertheless, because the bit is padding or one that nothing guards, is what
// was there before, but for the names of images, which nothing guards either.
func TestFlips(t *testing.T) {
	for name, data := range small(t) {
		if strings.HasSuffix(name, " none") && !strings.HasPrefix(name, "x-docker") && !strings.HasPrefix(name, "x-oci") || strings.HasPrefix(name, "x.tar") {
			continue // plain archives guard nothing but headers
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := text(mustRead(t, data))
			from, to := 0, len(data)
			if strings.HasPrefix(name, "x-initrd") { // kernel, command line and microcode are plain
				from, to = guarded(t, data)
			}
			flipped := bytes.Clone(data)
			for i := from; i < to; i++ {
				if testing.Short() && i%5 != 0 {
					continue
				}
				flipped[i] ^= 1 << (i % 8)
				img, err := read(t, flipped)
				flipped[i] ^= 1 << (i % 8)
				if err == nil && text(img) != want {
					t.Fatalf("bit %d of byte %d is flipped, and nobody notices:\n%.400q\n%s", i%8, i, data[i-i%512:], cmp.Diff(want, text(img)))
				}
			}
		})
	}
}

// guarded is where the compressed part of an initramfs is.
func guarded(t *testing.T, data []byte) (from, to int) {
	t.Helper()
	for _, p := range mustRead(t, data).Parts {
		if p.Name == "initramfs" {
			return int(p.Offset), int(p.Offset + p.Size)
		}
	}
	t.Fatal("no initramfs")
	return 0, 0
}

// TestMembersMissing leaves out, doubles and swaps members of an initramfs, each of
// which is a whole one.
func TestMembersMissing(t *testing.T) {
	file := func(path, content string) *rootfs.Entry {
		return rootfs.MadeFile(path, 0o644, []byte(content)).Alone()
	}
	cpio := rootfs.Cpio{}
	front := gz(t, run(t, cpio, rootfs.MadeDir(".compose", 0o755).Alone(), file(".compose/memory", "1\n")))
	a, b := gz(t, run(t, cpio, file("a", "1"))), gz(t, run(t, cpio, file("b", "1")))
	end := gz(t, archive(t, cpio, file(".compose/complete", "4\n")))
	tests := []struct {
		name    string
		members [][]byte
		want    string
	}{
		{"all", [][]byte{front, a, b, end}, ""},
		{"no end", [][]byte{front, a, b}, "no trailer"},
		{"one missing", [][]byte{front, a, end}, "counts 4 entries, there are 3"},
		{"one twice", [][]byte{front, a, b, b, end}, "counts 4 entries, there are 5"},
		{"no front", [][]byte{a, b, end}, "counts 4 entries, there are 2"},
		{"not at the end", [][]byte{front, a, b, gz(t, archive(t, cpio, file(".compose/complete", "4\n"), file("c", "1")))}, "behind .compose/complete"},
		{"another end", [][]byte{front, a, b, gz(t, archive(t, cpio, file("c", "1")))}, "there is no .compose/complete"},
		{"a bad count", [][]byte{front, a, b, gz(t, archive(t, cpio, file(".compose/complete", "four\n")))}, `"four\n" is not a number`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(t, bytes.Join(tt.members, nil))
			if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, contents.ErrInvalid) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
