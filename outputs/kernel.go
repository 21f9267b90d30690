package outputs

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// checkBoot returns what keeps a kernel from booting t with an initramfs, and
// what a user should hear of it.
func checkBoot(t *rootfs.Tree, o Options) ([]Notice, error) {
	errs := []error{o.Validate(), checkKernel(t)}
	if _, err := compressionFor(t, o.Compress); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, encodable(slices.Values(withoutBoot(t)), rootfs.Cpio{}))
	for e := range t.Entries() {
		if rootfs.Below(e.Path, ownDir) || e.Path == ownDir && e.Type != rootfs.Dir {
			errs = append(errs, entryError(e, errors.New("the initramfs keeps files of its own there")))
			break
		}
	}
	var notices []Notice
	if t.At("init") == nil && !strings.Contains(string(cmdline(t)), "rdinit=") {
		notices = append(notices, Notice{Text: "there is no /init for the kernel to run"})
	}
	if e := t.At(rootfs.UcodePath); e != nil && !isUcode(e) {
		notices = append(notices, Notice{Strict: true, Text: fmt.Sprintf(
			"%s (%s): is no uncompressed cpio archive, at which the kernel would give up: it does not go in front of the initramfs", e.Path, e.Origin)})
	}
	if t.At(initPath) == nil {
		notices = append(notices, lostXattrs(t)...)
	}
	return notices, errors.Join(errs...)
}

// ErrNoKernel is what Check says of a tree without a kernel.
var ErrNoKernel = errors.New("the image has no kernel")

func checkKernel(t *rootfs.Tree) error {
	e := t.At(rootfs.KernelPath)
	switch {
	case e == nil:
		return ErrNoKernel
	case e.Type != rootfs.File:
		return entryError(e, fmt.Errorf("the kernel is a %s, not a file", e.Type))
	}
	if e := t.At(rootfs.CmdlinePath); e == nil || e.Type != rootfs.File {
		return fmt.Errorf("%s is not a file", rootfs.CmdlinePath)
	}
	return nil
}

// isUcode tells whether the kernel could look for microcode in a file: it does
// in the first archive, if that is not compressed (Documentation/arch/x86/microcode,
// "Early load microcode").
func isUcode(e *rootfs.Entry) bool {
	magic := make([]byte, 6)
	return e.Type == rootfs.File && e.Size > int64(len(magic)) && readFull(e.Body, magic, 0) == nil &&
		(string(magic) == "070701" || string(magic) == "070702")
}

// lostXattrs warns of extended attributes that the tree's init does not apply,
// once for each who brought some.
func lostXattrs(t *rootfs.Tree) []Notice {
	type lost struct {
		origin, path, names string
		more                int
	}
	var all []*lost
	by := map[string]*lost{}
	for _, e := range withoutBoot(t) {
		if len(e.Xattrs) == 0 || e.First != "" {
			continue
		}
		if l := by[e.Origin]; l != nil {
			l.more++
			continue
		}
		var names []string
		for _, x := range e.Xattrs {
			names = append(names, x.Name)
		}
		by[e.Origin] = &lost{origin: e.Origin, path: e.Path, names: strings.Join(names, ", ")}
		all = append(all, by[e.Origin])
	}
	var notices []Notice
	for _, l := range all {
		text := fmt.Sprintf("%s: %s of %s", l.origin, l.names, l.path)
		if l.more > 0 {
			text += fmt.Sprintf(" and of %d more files", l.more)
		}
		notices = append(notices, Notice{Strict: true, Text: text +
			": a cpio archive holds no extended attributes; they go into /" + xattrsPath + ", and this image's init does not say that it applies them"})
	}
	return notices
}

// compressionFor returns how the initramfs is compressed: as wished, where the
// kernel can undo it; without a wish by gzip, or by what the kernel is said to
// undo best.
func compressionFor(t *rootfs.Tree, wish Compression) (Compression, error) {
	can, source := decompressors(t)
	has := func(c Compression) bool { return can == nil || slices.Contains(can, string(c)) }
	switch {
	case wish == Uncompressed:
		return wish, nil
	case wish != "" && !has(wish):
		return wish, fmt.Errorf("the kernel cannot unpack %s: %s says %s", wish, source, cmp.Or(strings.Join(can, ", "), "nothing"))
	case wish != "":
		return wish, nil
	}
	for _, word := range can {
		if c := Compression(word); c == Gzip || c == Zstd {
			return c, nil
		}
	}
	if can != nil {
		return Uncompressed, nil
	}
	return Gzip, nil
}

// decompressors returns what the kernel unpacks an initramfs with, best first,
// and who says so: its package, or its configuration where that lies in boot, as
// in Debian's. nil where nobody says.
func decompressors(t *rootfs.Tree) (can []string, source string) {
	if len(t.Decompressors) > 0 {
		return t.Decompressors, "the kernel's package"
	}
	for e := range t.Entries() {
		if strings.HasPrefix(e.Path, rootfs.BootDir+"/config-") && e.Type == rootfs.File {
			if can := configured(e); can != nil {
				return can, e.Path
			}
		}
	}
	return nil, ""
}

// maxConfig is how long a kernel's configuration may be, bytes.
const maxConfig = 4 << 20

// configured returns the decompressors in a kernel's configuration, those that
// compose writes for first; nil where it says nothing of initial ramdisks.
func configured(e *rootfs.Entry) []string {
	if e.Size == 0 || e.Size > maxConfig || e.Body == nil {
		return nil
	}
	set := map[string]bool{}
	lines := bufio.NewScanner(io.NewSectionReader(e.Body, 0, e.Size))
	for lines.Scan() {
		name, on, _ := bytes.Cut(lines.Bytes(), []byte("="))
		if bytes.HasPrefix(name, []byte("CONFIG_RD_")) || string(name) == "CONFIG_BLK_DEV_INITRD" {
			set[string(name)] = string(on) == "y"
		}
	}
	if lines.Err() != nil || !set["CONFIG_BLK_DEV_INITRD"] {
		return nil
	}
	can := []string{}
	for _, word := range []string{"gzip", "zstd", "xz", "lz4", "bzip2", "lzma", "lzo"} {
		if set["CONFIG_RD_"+strings.ToUpper(word)] {
			can = append(can, word)
		}
	}
	return can
}
