package contents_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/outputs/contents"
)

// bzImage is a kernel for x86, as far as its header goes: one sector of setup
// behind the first, and 64 bytes of code.
func bzImage(version string) []byte {
	b := make([]byte, 2*512+64)
	b[0x1f1] = 1
	binary.LittleEndian.PutUint32(b[0x1f4:], 4)
	copy(b[0x1fe:], "\x55\xaa")
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x100) // behind the first sector
	copy(b[0x300:], version)
	return b
}

// program is an EFI program of one section; at 0x38 it has magic.
func program(magic string) []byte {
	b := make([]byte, 1024)
	copy(b, "MZ")
	copy(b[0x38:], magic)
	binary.LittleEndian.PutUint32(b[0x3c:], 0x80)
	copy(b[0x80:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(b[0x86:], 1)         // sections
	binary.LittleEndian.PutUint16(b[0x94:], 16)        // bytes of the optional header
	binary.LittleEndian.PutUint32(b[0x98+16+16:], 512) // SizeOfRawData
	binary.LittleEndian.PutUint32(b[0x98+16+20:], 512) // PointerToRawData
	return b
}

func TestKernels(t *testing.T) {
	zboot := program("")
	copy(zboot[4:], "zimg")
	plain := make([]byte, 300)
	copy(plain[0x38:], "ARM\x64")
	tests := []struct {
		name string
		data []byte
		want contents.Kernel
	}{
		{"x86", bzImage("6.1 (x@y) #1 SMP"), contents.Kernel{Kind: "bzImage", Version: "6.1 (x@y) #1 SMP"}},
		{"arm64", program("ARM\x64"), contents.Kernel{Kind: "arm64 Image"}},
		{"arm64 without EFI", plain, contents.Kernel{Kind: "arm64 Image"}},
		{"zboot", zboot, contents.Kernel{Kind: "EFI zboot"}},
		{"EFI", program(""), contents.Kernel{Kind: "EFI program"}},
		{"gzip", gz(t, program("ARM\x64")), contents.Kernel{Kind: "arm64 Image"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !contents.Known(tt.data[:min(contents.HeadSize, len(tt.data))]) {
				t.Error("it is not known")
			}
			img := mustRead(t, tt.data)
			if diff := cmp.Diff(&tt.want, img.Kernel); diff != "" || img.Format != contents.KernelFile {
				t.Errorf("%s (-want +got):\n%s", img.Format, diff)
			}
			checkParts(t, img, tt.data)
		})
	}
}

// TestCutKernels cuts kernels at every byte. What lies behind the last section of
// a program is nothing that it says; an arm64 kernel without EFI says nothing at
// all.
func TestCutKernels(t *testing.T) {
	for name, data := range map[string][]byte{"bzImage": bzImage("6.1"), "EFI": program(""), "arm64": program("ARM\x64"), "gzip": gz(t, bzImage("6.1"))} {
		for n := range data {
			if img, err := read(t, data[:n]); err == nil {
				t.Fatalf("%s of %d bytes, cut after %d: %+v", name, len(data), n, img)
			}
		}
	}
	data := bzImage(strings.Repeat("v", 512))
	if _, err := read(t, data); err == nil || !strings.Contains(err.Error(), "has no end") {
		t.Errorf("a version without an end: %v", err)
	}
}
