package outputs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// boot is what is read of a tree's files for who loads its kernel. It is read
// once, so that all that follows from it agrees.
type boot struct {
	cmdline string        // of the kernel
	ucode   *rootfs.Entry // microcode that can go in front of an initramfs; nil where there is none
	can     []string      // what the kernel unpacks an initramfs with, best first; nil where nobody says
	source  string        // who says so: its package, or its configuration, as Debian has it in boot
}

// readBoot reads it. A file that is not there, or too long to be what its path
// says, says nothing; one that cannot be read is an error.
func readBoot(t *rootfs.Tree) (*boot, error) {
	b := &boot{}
	var err error
	if b.cmdline, err = textOf(t.At(rootfs.CmdlinePath), maxCmdline); err != nil {
		return nil, err
	}
	if b.ucode, err = microcode(t.At(rootfs.UcodePath)); err != nil {
		return nil, err
	}
	if len(t.Decompressors) > 0 {
		b.can, b.source = t.Decompressors, "the kernel's package"
		return b, nil
	}
	for e := range t.Entries() {
		if !strings.HasPrefix(e.Path, rootfs.BootDir+"/config-") {
			continue
		}
		if b.can, err = configured(e); err != nil {
			return nil, err
		}
		if b.can != nil {
			b.source = e.Path
			break
		}
	}
	return b, nil
}

// textOf returns what is in a file of at most so many bytes; "" of what is longer,
// or no file.
func textOf(e *rootfs.Entry, most int64) (string, error) {
	if e == nil || e.Type != rootfs.File || e.Size == 0 || e.Size > most {
		return "", nil
	}
	return headOf(e, e.Size)
}

// headOf returns the first n bytes of a file, which has them.
func headOf(e *rootfs.Entry, n int64) (string, error) {
	if e.Body == nil {
		return "", entryError(e, errors.New("has no content"))
	}
	b := make([]byte, n)
	if err := readFull(e.Body, b, 0); err != nil {
		return "", entryError(e, fmt.Errorf("read: %w", err))
	}
	return string(b), nil
}

// maxCmdline is more than any kernel takes, bytes.
const maxCmdline = 1 << 16

// microcode returns e if the kernel could look for microcode in it: it does in the
// first archive, if that is not compressed (Documentation/arch/x86/microcode, "Early
// load microcode").
func microcode(e *rootfs.Entry) (*rootfs.Entry, error) {
	const magic = 6 // bytes
	if e == nil || e.Type != rootfs.File || e.Size <= magic {
		return nil, nil
	}
	head, err := headOf(e, magic)
	if err != nil || head != "070701" && head != "070702" {
		return nil, err
	}
	return e, nil
}

// front is what goes before the initramfs: nothing, or the microcode, up to where
// an archive may begin (initramfs buffer format, "ALGN(4)").
func (b *boot) front() stream {
	if b.ucode == nil {
		return joined(nil)
	}
	return joined{content{b.ucode}, zeros(rootfs.Cpio{}.Pad(b.ucode.Size))}
}

// compression returns how the initramfs is compressed: as wished, where the
// kernel can undo it; without a wish by gzip, or by what the kernel is said to
// undo best.
func (b *boot) compression(wish Compression) (Compression, error) {
	has := func(c Compression) bool { return b.can == nil || slices.Contains(b.can, string(c)) }
	switch {
	case wish == Uncompressed:
		return wish, nil
	case wish != "" && !has(wish):
		return wish, fmt.Errorf("%w %s: %s says %s", ErrDecompressor, wish, b.source, cmp.Or(strings.Join(b.can, ", "), "nothing"))
	case wish != "":
		return wish, nil
	}
	for _, word := range b.can {
		if c := Compression(word); c == Gzip || c == Zstd {
			return c, nil
		}
	}
	if b.can != nil {
		return Uncompressed, nil
	}
	return Gzip, nil
}

// maxConfig is how long a kernel's configuration may be, bytes.
const maxConfig = 4 << 20

// configured returns the decompressors in a kernel's configuration, those that
// compose writes for first; nil where it says nothing of initial ramdisks.
func configured(e *rootfs.Entry) ([]string, error) {
	text, err := textOf(e, maxConfig)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for line := range strings.Lines(text) {
		name, on, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if strings.HasPrefix(name, "CONFIG_RD_") || name == "CONFIG_BLK_DEV_INITRD" {
			set[name] = on == "y"
		}
	}
	if !set["CONFIG_BLK_DEV_INITRD"] {
		return nil, nil
	}
	can := []string{}
	for _, word := range []string{"gzip", "zstd", "xz", "lz4", "bzip2", "lzma", "lzo"} {
		if set["CONFIG_RD_"+strings.ToUpper(word)] {
			can = append(can, word)
		}
	}
	return can, nil
}
