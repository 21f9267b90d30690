package isodisk

import (
	"errors"
	"strings"
	"testing"
)

// fuzzed is files of paths that stand in lines, with a size of a byte each, which
// goes by the square; every other one has its content. No more than some have any.
func fuzzed(paths string, sizes []byte) []File {
	var files []File
	for i, path := range strings.Split(paths, "\n") {
		f := File{Path: path}
		if i < len(sizes) {
			f.Size = int64(sizes[i]) * int64(sizes[i])
		}
		if i%2 == 0 && i < 20 {
			f.Data = make([]byte, f.Size)
		}
		files = append(files, f)
	}
	return files
}

// FuzzISO lays out any files: they are refused, or there just as they are given.
func FuzzISO(f *testing.F) {
	f.Add("isolinux/isolinux.bin\nefi.img\n.disk/info\nboot/kernel", []byte{20, 200, 3, 255}, "isolinux/isolinux.bin", "efi.img", "COMPOSE")
	f.Add("a\nb\nc/.d/e\n0d\n.0\n.d", []byte{9, 9, 9, 9, 9, 9}, "a", "b", "X_1")
	f.Add("a\nb\nc.d/e\nC.E/f\n../x\n.\n/\n", []byte{9, 9, 9, 9}, "a", "b", "X")
	f.Add("a\nb\nd/1\nd/2\nd/3\nd/4\nd/5\nd/6\nd/7\nd/8\nd/9\nd/10\nd/11\nd/12\nd/13\nd/14\nd/15\nd/16\nd/17", []byte("abcdefghijklmnopqrstuvwxyz"), "a", "b", "X")
	f.Add("a\nb\n1/2/3/4/5/6/7/8\n1/2/3/4/5/6/7/9/0", []byte{9, 1, 1, 1}, "a", "b", "X")
	f.Add("", []byte{}, "", "", "")
	f.Fuzz(func(t *testing.T, paths string, sizes []byte, bios, efi, label string) {
		o := ISO{BIOS: bios, EFI: efi, Volume: Volume{Label: label, Time: epoch, Files: fuzzed(paths, sizes)}}
		m, err := newISO(t, o)
		switch {
		case errors.Is(err, ErrEnvelope):
			return
		case err != nil:
			t.Fatalf("neither laid out nor refused: %v", err)
		}
		checkISO(t, m, o)
	})
}

// FuzzFAT does that for FAT volumes.
func FuzzFAT(f *testing.F) {
	f.Add("EFI/BOOT/BOOTX64.EFI\nEFI/BOOT/grubx64.efi\nboot/kernel", []byte{200, 100, 255}, "COMPOSE", byte(5))
	f.Add("d/1\nd/2\nd/3\nd/4\nd/5\nd/6\nd/7\nd/8\nd/9\nd/10", []byte("abcdefghijklm"), "X", byte(40))
	f.Add("x\nX/y", []byte{1, 2}, "X", byte(5))
	f.Add("x/y\nX/z\nA.B/a\na.b/c\nab", []byte{1, 2, 3, 4, 5}, "AB", byte(32))
	f.Add("AB.CD\nab", []byte{1, 2}, "ABCDEFGHCD", byte(33))
	f.Add("a", []byte{3}, "X", byte(129))
	f.Fuzz(func(t *testing.T, paths string, sizes []byte, label string, mib byte) {
		v := Volume{Label: label, ID: 7, Time: epoch, Files: fuzzed(paths, sizes)}
		m, err := NewFAT(v, int64(mib)<<20)
		switch {
		case errors.Is(err, ErrEnvelope):
			return
		case err != nil:
			t.Fatalf("neither laid out nor refused: %v", err)
		}
		checkFAT(t, m, v)
	})
}

// FuzzTable lays out any two partitions: they are refused, or there as they are given.
func FuzzTable(f *testing.F) {
	f.Add(1, 3, "EFI system partition", ESP, int64(1<<20), int64(4<<20), int64(5<<20), int64(1<<20), int64(8<<20))
	f.Add(1, 1, "\U0001F4BE\xff\x00", "", int64(-512), int64(1)<<62, int64(1)<<62, int64(-1), int64(-1))
	f.Add(128, 2, "", Linux, int64(34*512), int64(512), int64(35*512), int64(512), int64(69*512))
	f.Fuzz(func(t *testing.T, one, two int, name, kind string, offset1, size1, offset2, size2, disk int64) {
		m := &Image{}
		table := Table{Partitions: []Partition{{one, kind, [16]byte{1}, name, offset1, size1}, {two, ESP, [16]byte{2}, name, offset2, size2}}}
		switch err := m.Partition(table, disk); {
		case errors.Is(err, ErrEnvelope):
		case err != nil:
			t.Fatalf("neither laid out nor refused: %v", err)
		case m.Size != disk || offset1 < offset2 && offset1+size1 > offset2 || offset2 < offset1 && offset2+size2 > offset1 || offset1 == offset2:
			t.Fatalf("they overlap: %v on %d", table, disk)
		}
	})
}
