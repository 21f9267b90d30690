package disk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// made returns a disk of 2 MiB with bytes at places.
func made(at map[int]string) []byte {
	b := make([]byte, 2<<20)
	for offset, text := range at {
		copy(b[offset:], text)
	}
	return b
}

const uuidBytes = "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"

func TestProbe(t *testing.T) {
	const uuid = "01234567-89ab-cdef-0123-456789abcdef"
	ext := func(compatible, incompatible, readable string) []byte {
		return made(map[int]string{1024 + 0x38: "\x53\xef", 1024 + 0x78: "data", 1024 + 0x68: uuidBytes, 1024 + 0x5c: compatible, 1024 + 0x60: incompatible, 1024 + 0x64: readable})
	}
	for _, c := range []struct {
		name string
		disk []byte
		want FS
	}{
		{"nothing", made(nil), FS{}},
		{"too short", make([]byte, 1000), FS{}},
		{"empty", nil, FS{}},
		{"text", made(map[int]string{0: "some text"}), FS{}},
		{"ext2", ext("", "\x02", "\x03"), FS{"ext2", "data", uuid}},
		{"ext3", ext("\x04", "\x02", "\x03"), FS{"ext3", "data", uuid}},
		{"ext4 by extents", ext("\x04", "\x42", "\x03"), FS{"ext4", "data", uuid}},
		{"ext4 by checksums", ext("\x04", "\x02", "\x03\x04"), FS{"ext4", "data", uuid}},
		{"a label that fills its field", made(map[int]string{1024 + 0x38: "\x53\xef", 1024 + 0x78: "0123456789abcdef", 1024 + 0x68: uuidBytes}), FS{"ext2", "0123456789abcdef", uuid}},
		{"xfs", made(map[int]string{0: "XFSB", 32: uuidBytes, 108: "fast"}), FS{"xfs", "fast", uuid}},
		{"FAT32", made(map[int]string{67: "\xcd\xab\x34\x12", 71: "EFI        FAT32   ", 510: "\x55\xaa"}), FS{"vfat", "EFI", "1234-ABCD"}},
		{"FAT16 without a name", made(map[int]string{39: "\xcd\xab\x34\x12", 43: "NO NAME    FAT16   ", 510: "\x55\xaa"}), FS{"vfat", "", "1234-ABCD"}},
		{"a partition table", made(map[int]string{510: "\x55\xaa"}), FS{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Probe(bytes.NewReader(c.disk))
			if err != nil || got != c.want {
				t.Errorf("%+v %v, want %+v", got, err, c.want)
			}
		})
	}
}

// TestProbeReal asks the programs that make file systems.
func TestProbeReal(t *testing.T) {
	const uuid = "0b9f0a4e-5d0c-4bb1-8a4e-37a1a7f9d001"
	for _, c := range []struct {
		argv []string
		want FS
	}{
		{[]string{"mkfs.ext2", "-q", "-F", "-L", "data", "-U", uuid}, FS{"ext2", "data", uuid}},
		{[]string{"mkfs.ext3", "-q", "-F", "-L", "data", "-U", uuid}, FS{"ext3", "data", uuid}},
		{[]string{"mkfs.ext4", "-q", "-F", "-L", "data", "-U", uuid}, FS{"ext4", "data", uuid}},
		{[]string{"mkfs.vfat", "-n", "DATA", "-i", "1234abcd"}, FS{"vfat", "DATA", "1234-ABCD"}},
	} {
		t.Run(c.argv[0], func(t *testing.T) {
			program, err := exec.LookPath(c.argv[0])
			if err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatal(err)
				}
				t.Skip(c.argv[0] + " is not installed")
			}
			image := filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(image, make([]byte, 16<<20), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), program, append(c.argv[1:], image)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			f, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got, err := Probe(f); err != nil || got != c.want {
				t.Errorf("%+v %v, want %+v", got, err, c.want)
			}
			if blank, err := Blank(f, 16<<20); err != nil || blank {
				t.Error("called blank", err)
			}
		})
	}
}

func FuzzProbe(f *testing.F) {
	f.Add(made(map[int]string{0: "XFSB", 32: uuidBytes, 108: "fast"})[:2048])
	f.Add(made(map[int]string{1024 + 0x38: "\x53\xef", 1024 + 0x78: "data"})[:2048])
	f.Add(made(map[int]string{71: "EFI        FAT32   ", 510: "\x55\xaa"})[:2048])
	f.Fuzz(func(t *testing.T, disk []byte) {
		fs, err := Probe(bytes.NewReader(disk))
		if err != nil {
			t.Fatal(err)
		}
		if fs.Type == "" && fs != (FS{}) || len(fs.Label) > 16 || fs.Type != "" && len(disk) < 2048 {
			t.Errorf("%+v of %d bytes", fs, len(disk))
		}
		if blank, err := Blank(bytes.NewReader(disk), int64(len(disk))); err != nil || blank && fs.Type != "" {
			t.Errorf("%+v is blank (%v)", fs, err)
		}
	})
}

func TestBlank(t *testing.T) {
	for _, c := range []struct {
		name string
		size int
		at   int // of one byte; -1: none
		want bool
	}{
		{"nothing", 4 << 20, -1, true},
		{"at the beginning", 4 << 20, 0, false},
		{"at the end of the first MiB", 4 << 20, 1<<20 - 1, false},
		{"in the middle", 4 << 20, 2 << 20, true},
		{"at the beginning of the last MiB", 4 << 20, 3 << 20, false},
		{"at the end", 4 << 20, 4<<20 - 1, false},
		{"small", 4096, -1, true},
		{"small with something", 4096, 4095, false},
		{"of no size", 0, -1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := make([]byte, c.size)
			if c.at >= 0 {
				b[c.at] = 1
			}
			if got, err := Blank(bytes.NewReader(b), int64(c.size)); err != nil || got != c.want {
				t.Errorf("%t %v, want %t", got, err, c.want)
			}
		})
	}
}

func TestBlankUnread(t *testing.T) {
	for _, c := range []struct {
		name string
		has  int
		says int64
	}{{"nothing", 0, 1 << 20}, {"not the first MiB", 4096, 1 << 20}, {"not the last MiB", 3 << 20, 4 << 20}} {
		t.Run(c.name, func(t *testing.T) {
			if blank, err := Blank(bytes.NewReader(make([]byte, c.has)), c.says); blank || !errors.Is(err, io.EOF) {
				t.Errorf("%t %v", blank, err)
			}
		})
	}
}

func TestList(t *testing.T) {
	p := Place{Sys: t.TempDir(), Dev: t.TempDir()}
	files := map[string]string{
		"sda/size": "4096\n", "sda/removable": "0\n", "sda/sda1/partition": "1\n", "sda/sda1/size": "2048\n",
		"sda/sda10/partition": "10\n", "sda/sda10/size": "8\n", "sda/sda2/partition": "2\n", "sda/sda2/size": "8\n",
		"sdaa/size": "4096\n", "sdb/size": "4096\n", "sdb/holders/dm-0/x": "",
		"sr0/size": "2048\n", "sr0/removable": "1\n", "sr0/ro": "1\n", "sr1/size": "0\n",
		"loop0/size": "2048\n", "ram0/size": "2048\n", "cciss!c0d0/size": "2048\n",
	}
	for name, text := range files {
		path := filepath.Join(p.Sys, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	xfs := made(map[int]string{0: "XFSB", 32: uuidBytes, 108: "fast"})
	if err := os.WriteFile(filepath.Join(p.Dev, "sda1"), xfs, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := p.List()
	if err != nil {
		t.Fatal(err)
	}
	dev := func(name string) string { return filepath.Join(p.Dev, name) }
	want := []Disk{
		{Name: "cciss!c0d0", Path: dev("cciss/c0d0"), Size: 1 << 20},
		{Name: "sda", Path: dev("sda"), Size: 2 << 20, Divided: true},
		{Name: "sda1", Path: dev("sda1"), Size: 1 << 20, Partition: true, FS: FS{"xfs", "fast", "01234567-89ab-cdef-0123-456789abcdef"}},
		{Name: "sda2", Path: dev("sda2"), Size: 4096, Partition: true},
		{Name: "sda10", Path: dev("sda10"), Size: 4096, Partition: true},
		{Name: "sdb", Path: dev("sdb"), Size: 2 << 20, Divided: true},
		{Name: "sdaa", Path: dev("sdaa"), Size: 2 << 20},
		{Name: "sr0", Path: dev("sr0"), Size: 1 << 20, Removable: true, ReadOnly: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := (Place{Sys: filepath.Join(p.Sys, "none")}).List(); err == nil {
		t.Error("no error without a folder")
	}
}

// TestOrder holds that names have one order, from whichever they are sorted.
func TestOrder(t *testing.T) {
	want := []string{"nvme0n1", "nvme0n1p1", "nvme0n1p2", "nvme0n1p10", "sda", "sda1", "sda2", "sda10", "sdb", "sdaa", "sdab", "vda", "vdb"}
	seed := uint32(1)
	for range 50 {
		got := slices.Clone(want)
		for i := range got {
			seed = seed*1664525 + 1013904223
			j := int(seed>>8) % len(got)
			got[i], got[j] = got[j], got[i]
		}
		slices.SortFunc(got, compare)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	}
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, n := time.Now(), 0
		if err := Await(t.Context(), time.Minute, func() (bool, error) { n++; return n == 11, nil }); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("found after %s", took)
		}
		if err := Await(t.Context(), time.Minute, func() (bool, error) { return false, nil }); !errors.Is(err, ErrAbsent) {
			t.Error(err)
		}
		if took := time.Since(begun); took < time.Minute || took > 2*time.Minute {
			t.Errorf("given up after %s", took)
		}
		if err := Await(t.Context(), 0, func() (bool, error) { return true, nil }); err != nil {
			t.Error(err)
		}
		if err := Await(t.Context(), time.Minute, func() (bool, error) { return false, context.Canceled }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
