package contents_test

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs/contents"
)

// Where the headers of [unified] are.
const (
	peAt      = 0x80
	peOptAt   = peAt + 24
	peTableAt = peOptAt + 240
)

// unified is a unified kernel image of the smallest kind.
func unified(t testing.TB) []byte {
	t.Helper()
	ram := archive(t, rootfs.Cpio{}, rootfs.MadeFile("init", 0o755, []byte("hello\n")).Alone())
	sections := []item{
		{".text", "\xc3"},
		{".sbat", "sbat,1\n\x00\x00"},
		{".osrel", "ID=test\n"},
		{".cmdline", "console=ttyS0 quiet"},
		{".linux", string(bzImage("6.1"))},
		{".initrd", string(gz(t, ram))},
		{".ucode", string(microcode(t))},
		{".uname", "6.1"},
	}
	le := binary.LittleEndian
	b := make([]byte, 1024)
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], peAt)
	copy(b[peAt:], "PE\x00\x00")
	le.PutUint16(b[peAt+4:], 0x8664)
	le.PutUint16(b[peAt+6:], uint16(len(sections)))
	le.PutUint16(b[peAt+20:], 240)
	le.PutUint16(b[peOptAt:], 0x20b)
	le.PutUint32(b[peOptAt+32:], 4096)
	le.PutUint32(b[peOptAt+36:], 512)
	le.PutUint32(b[peOptAt+60:], 1024)
	le.PutUint32(b[peOptAt+108:], 16)
	for i, s := range sections {
		h := b[peTableAt+40*i:]
		copy(h, s.name)
		le.PutUint32(h[8:], uint32(len(s.content)))
		le.PutUint32(h[12:], uint32(i+1)<<16)
		padded := append([]byte(s.content), make([]byte, -len(s.content)&511)...)
		le.PutUint32(h[16:], uint32(len(padded)))
		le.PutUint32(h[20:], uint32(len(b)))
		b = append(b, padded...)
	}
	return b
}

// sumPE puts the checksum into a program, as the specification of its algorithm has
// it: words are added one by one.
func sumPE(b []byte) []byte {
	b = bytes.Clone(b)
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		if i < peOptAt+64 || i >= peOptAt+68 {
			sum += uint32(binary.LittleEndian.Uint16(b[i:]))
			sum = sum&0xffff + sum>>16
		}
	}
	binary.LittleEndian.PutUint32(b[peOptAt+64:], sum+uint32(len(b)))
	return b
}

// signed puts certificates behind a program.
func signed(b []byte) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[peOptAt+144:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[peOptAt+148:], 64)
	return append(b, make([]byte, 64)...)
}

func TestUKI(t *testing.T) {
	plain := unified(t)
	for name, data := range map[string][]byte{"plain": plain, "with a checksum": sumPE(plain), "signed": signed(plain), "signed, with a checksum": sumPE(signed(plain))} {
		img := mustRead(t, data)
		sign := strings.HasPrefix(name, "signed")
		want := contents.Program{OSRelease: "ID=test", Uname: "6.1", SBAT: "sbat,1", Signed: sign}
		if img.Format != contents.UKI || img.Program == nil || *img.Program != want || img.Cmdline != "console=ttyS0 quiet" || img.Kernel.Version != "6.1" {
			t.Fatalf("%s: %s: %+v, %q, %+v", name, img.Format, img.Program, img.Cmdline, img.Kernel)
		}
		if paths := slices.Collect(pathsOf(img)); !slices.Contains(paths, "init") || !slices.Contains(paths, "kernel/x86/microcode/GenuineIntel.bin") {
			t.Errorf("%s: paths %q", name, paths)
		}
		var parts []string
		for _, p := range img.Parts {
			parts = append(parts, p.Name+": "+p.Kind)
		}
		wantParts := []string{
			"program: EFI program", ".text: section", ".sbat: text", ".osrel: text", ".cmdline: text", ".linux: bzImage",
			".initrd: initramfs", "initramfs: gzip", ".ucode: initramfs", "microcode: cpio", ".uname: text", "certificates: PKCS #7",
		}
		if !sign {
			wantParts = wantParts[:len(wantParts)-1]
		}
		if diff := cmp.Diff(wantParts, parts); diff != "" {
			t.Errorf("%s: parts (-want +got):\n%s", name, diff)
		}
		checkParts(t, img, data)
		checkSections(t, img, data)
	}
}

func pathsOf(img *contents.Image) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, e := range img.Entries {
			if !yield(e.Path) {
				return
			}
		}
	}
}

// checkSections holds the sections against what package debug/pe reads.
func checkSections(t *testing.T, img *contents.Image, data []byte) {
	t.Helper()
	f, err := pe.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range f.Sections {
		i := slices.IndexFunc(img.Parts, func(p contents.Part) bool { return p.Name == s.Name })
		if i < 0 || img.Parts[i].Offset != int64(s.Offset) || img.Parts[i].Size != int64(min(s.VirtualSize, s.Size)) {
			t.Errorf("section %+v, parts %+v", s.SectionHeader, img.Parts)
		}
	}
	if img.Program.Timestamp != int64(f.TimeDateStamp) {
		t.Errorf("time %d, want %d", img.Program.Timestamp, f.TimeDateStamp)
	}
}

func TestBadUKI(t *testing.T) {
	le := binary.LittleEndian
	data := unified(t)
	section := func(b []byte, n int) []byte { return b[peTableAt+40*n:][:40] }
	tests := []struct {
		name, want string
		change     func(b []byte) []byte
	}{
		{"cut", "unexpected EOF: a program of", func(b []byte) []byte { return b[:len(b)-1] }},
		{"more", "there is something behind its end", func(b []byte) []byte { return append(b, 'x') }},
		{"a section behind the end", "unexpected EOF: a program of", func(b []byte) []byte { le.PutUint32(section(b, 7)[20:], 1<<31); return b }},
		{"a section over another", ".cmdline at byte 2048: invalid: it overlaps .osrel", func(b []byte) []byte { le.PutUint32(section(b, 3)[20:], 2048); return b }},
		{"a section over another in memory", "in memory, at 0x30000, it overlaps .sbat", func(b []byte) []byte { le.PutUint32(section(b, 1)[8:], 1<<20); return b }},
		{"a section twice", "there are two of it", func(b []byte) []byte { copy(section(b, 7), ".osrel\x00"); return b }},
		{"a checksum", "program at byte 216: invalid: its checksum is", func(b []byte) []byte { b = sumPE(b); b[1024]++; return b }},
		{"a kernel", ".linux at byte", func(b []byte) []byte { le.PutUint32(section(b, 4)[8:], 600); return b }},
		{"an initramfs", ".initrd at byte", func(b []byte) []byte { b[le.Uint32(section(b, 5)[20:])+12]++; return b }},
		{"a long command line", "more than 65536 bytes", func(b []byte) []byte {
			le.PutUint32(section(b, 7)[8:], 1<<17)
			le.PutUint32(section(b, 7)[16:], 1<<17)
			return append(b, make([]byte, 1<<17)...)
		}},
		{"symbols behind the end", "unexpected EOF: a program of", func(b []byte) []byte {
			le.PutUint32(b[peAt+12:], uint32(len(b)))
			le.PutUint32(b[peAt+16:], 1<<30)
			return b
		}},
		{"certificates behind the end", "unexpected EOF: a program of", func(b []byte) []byte { return signed(b)[:len(b)+63] }},
	}
	for _, tt := range tests {
		_, err := read(t, tt.change(bytes.Clone(data)))
		if !errors.Is(err, contents.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
	for n := range data {
		if img, err := read(t, data[:n]); err == nil {
			t.Fatalf("cut after %d of %d bytes it is read: %+v", n, len(data), img)
		}
	}
}
