package kernel

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// ErrNoMicrocode says that there is neither Intel's nor AMD's.
var ErrNoMicrocode = errors.New("no usr/lib/firmware/intel-ucode/… or amd-ucode/….bin among the files")

// firmware is where Debian's packages have microcode.
const firmware = "usr/lib/firmware/"

// Microcode returns the file out with the microcode of both makers, made from the
// entries, in path order, of the unpacked packages intel-microcode and amd64-microcode.
//
// It is a cpio archive that is not compressed and stands before the initramfs
// (kernel documentation, "The Linux Microcode Loader"): a file for each maker, of
// all its updates one after the other, in the order of their names.
func Microcode(entries []*rootfs.Entry, out string) (*rootfs.Entry, error) {
	const dir = "kernel/x86/microcode/"
	var files []*rootfs.Entry
	for _, maker := range []struct{ from, suffix, to string }{
		{firmware + "amd-ucode", ".bin", dir + "AuthenticAMD.bin"},
		{firmware + "intel-ucode", "", dir + "GenuineIntel.bin"},
	} {
		var whole []byte
		for _, e := range entries {
			if e.Type != rootfs.File || rootfs.Parent(e.Path) != maker.from || !strings.HasSuffix(e.Path, maker.suffix) {
				continue
			}
			content, err := readAll(e)
			if err != nil {
				return nil, err
			}
			whole = append(whole, content...)
		}
		if len(whole) > 0 {
			files = append(files, rootfs.MadeFile(maker.to, 0o644, whole))
		}
	}
	if len(files) == 0 {
		return nil, ErrNoMicrocode
	}
	e, err := encode(rootfs.Cpio{}, withParents(files), aligned)
	if err != nil {
		return nil, fmt.Errorf("microcode: %w", err)
	}
	e.Path = out
	return e, nil
}

// aligned makes a file's content begin on a multiple of 16 bytes: from there the
// kernel hands it to a processor of Intel's, which asks for that (Software
// Developer's Manual 3A, "Microcode Update Loader"). The name gets more NUL bytes,
// as many as its header says.
func aligned(header []byte, at int64) []byte {
	const nameSize = len("070701") + 11*8 // where the newc header has the length of the name
	pad := int(-(at + int64(len(header))) & 15)
	name, err := strconv.ParseUint(string(header[nameSize:nameSize+8]), 16, 32)
	if err != nil || pad == 0 {
		return header
	}
	copy(header[nameSize:], fmt.Sprintf("%08X", int(name)+pad))
	return append(header, make([]byte, pad)...)
}
