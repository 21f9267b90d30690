package outputs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// checkBoot returns what keeps a kernel from booting t with an initramfs, and
// what a user should hear of it.
func checkBoot(t *rootfs.Tree, o Options) ([]Notice, error) {
	b, err := readBoot(t)
	if err != nil {
		return nil, err
	}
	how, err := b.compression(o.Compress)
	errs := []error{o.Validate(), checkKernel(t), err}
	errs = append(errs, encodable(slices.Values(withoutBoot(t)), rootfs.Cpio{}))
	for e := range t.Entries() {
		if rootfs.Below(e.Path, ownDir) || e.Path == ownDir && !e.Made {
			errs = append(errs, entryError(e, errors.New("the initramfs keeps files of its own there")))
			break
		}
	}
	var notices []Notice
	if how == Uncompressed && o.Compress == "" {
		notices = append(notices, Notice{Info: true, Text: "the kernel unpacks neither gzip nor zstd: the initramfs is not compressed"})
	}
	if t.At("init") == nil && !strings.Contains(b.cmdline, "rdinit=") {
		notices = append(notices, Notice{Text: "there is no /init for the kernel to run"})
	}
	if e := t.At(rootfs.UcodePath); e != nil && b.ucode == nil {
		notices = append(notices, Notice{Strict: true, Text: fmt.Sprintf(
			"%s (%s): is no uncompressed cpio archive, at which the kernel would give up: it does not go in front of the initramfs", e.Path, e.Origin)})
	}
	if t.At(initPath) == nil {
		notices = append(notices, lostXattrs(t)...)
	}
	return notices, errors.Join(errs...)
}

// ErrDecompressor is what Check says of a compression that the kernel cannot undo.
var ErrDecompressor = errors.New("the kernel cannot unpack")

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
			text += fmt.Sprintf(" and of %d more", l.more)
		}
		notices = append(notices, Notice{Strict: true, Text: text +
			": a cpio archive holds no extended attributes; they go into /" + xattrsPath + ", and this image's init does not say that it applies them"})
	}
	return notices
}
