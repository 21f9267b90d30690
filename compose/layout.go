package compose

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/composeos/compose/compose/flatten"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// layOut lays out a part that is no container: the kernel, the boot loader, an init
// image or a volume.
func (b *builder) layOut(ctx context.Context, p *part) ([]rootfs.Segment, error) {
	switch p.section {
	case kernelSection:
		return b.kernel(ctx, p)
	case bootloaderSection:
		return bootloader(p)
	case volumeSection:
		return volume(p)
	}
	files, err := flatten.Rootfs(p.image.files, flatten.System)
	if err != nil {
		return nil, err
	}
	return []rootfs.Segment{{Name: p.origin(), Entries: flatten.Below(p.path, p.origin(), files)}}, nil
}

// defaultBinary and defaultTar are the kernel's files in its image.
const (
	defaultBinary = "kernel"
	defaultTar    = "kernel.tar"
)

// kernel lays out what a system boots with: the kernel and the microcode below
// boot, and the modules from the archive at the root. The rest of the image is
// left out.
func (b *builder) kernel(ctx context.Context, p *part) ([]rootfs.Segment, error) {
	k := b.manifest.Kernel
	binary := k.Binary
	if binary == "" {
		binary = defaultBinary
	}
	boot := rootfs.Segment{Name: p.origin()}
	add := func(path, from string) error {
		e, err := p.file(from)
		if err != nil {
			return err
		}
		boot.Entries = append(boot.Entries, p.placed(e, path))
		return nil
	}
	boot.Entries = append(boot.Entries, rootfs.MadeDir(rootfs.BootDir, 0o755), rootfs.MadeFile(rootfs.CmdlinePath, 0o644, []byte(k.Cmdline)))
	err := add(p.path, binary)
	if k.UCode != "" {
		err = errors.Join(err, add(rootfs.UcodePath, k.UCode))
	}
	modules, tarErr := b.modules(ctx, p)
	if err := errors.Join(err, tarErr, b.readKernelLabel(p)); err != nil {
		return nil, err
	}
	return append([]rootfs.Segment{boot}, modules...), nil
}

// bootloader lays out the boot loader's files. A format that needs one that is not
// there says so; an image that has none of them is not a boot loader's.
func bootloader(p *part) ([]rootfs.Segment, error) {
	s := rootfs.Segment{Name: p.origin()}
	for _, name := range rootfs.LoaderFiles() {
		if rootfs.Find(p.image.files, name) == nil {
			continue
		}
		e, err := p.file(name)
		if err != nil {
			return nil, err
		}
		s.Entries = append(s.Entries, p.placed(e, p.path+"/"+name))
	}
	if len(s.Entries) == 0 {
		return nil, fmt.Errorf("%s is no boot loader's image: it has none of %s", p.ref, strings.Join(rootfs.LoaderFiles(), ", "))
	}
	return []rootfs.Segment{s}, nil
}

// placed is a file of the part's image, at its place in the tree.
func (p *part) placed(e *rootfs.Entry, path string) *rootfs.Entry {
	return &rootfs.Entry{
		Path: path, Type: rootfs.File, Mode: e.Mode, UID: e.UID, GID: e.GID, ModTime: e.ModTime,
		Size: e.Size, Digest: e.Digest, Body: e.Body, Origin: p.origin(),
	}
}

// readKernelLabel notes what the kernel can unpack an initramfs with.
func (b *builder) readKernelLabel(p *part) (err error) {
	if label, says := p.image.config.Config.Labels[spec.KernelLabel]; says {
		b.decompressors, err = spec.ParseDecompressors(p.ref, label)
	}
	return err
}

// modules is what the kernel's archive holds.
func (b *builder) modules(ctx context.Context, p *part) ([]rootfs.Segment, error) {
	name := defaultTar
	if t := b.manifest.Kernel.Tar; t != nil {
		name = *t
	}
	if name == "" || name == "none" {
		return nil, nil
	}
	e, err := p.file(name)
	if err != nil {
		return nil, fmt.Errorf(`%w; "tar: none" says that there is none`, err)
	}
	archive, err := b.Lease.Archive(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	entries := archive.Entries()
	run := make([]*rootfs.Entry, len(entries))
	for i := range entries {
		run[i] = &entries[i]
	}
	origin := p.origin() + " " + name
	return []rootfs.Segment{{Name: origin, Entries: flatten.Below("", origin, run)}}, nil
}

// file returns a file of the part's image, which may be named by a link.
func (p *part) file(name string) (*rootfs.Entry, error) {
	at := func(path string) *rootfs.Entry { return rootfs.Find(p.image.files, path) }
	path, err := rootfs.Follow(name, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.ref, err)
	}
	e := at(path)
	if e == nil {
		return nil, fmt.Errorf("%s has no file %s", p.ref, name)
	}
	if e.Type != rootfs.File {
		return nil, fmt.Errorf("%s: %s is a %s, not a file", p.ref, name, e.Type)
	}
	return e, nil
}
