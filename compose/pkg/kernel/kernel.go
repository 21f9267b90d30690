// Package kernel makes the image of a kernel out of Debian's package of it: what
// the package's maintainer script would leave to depmod is made here.
//
// A linux-image package holds boot/vmlinuz-REL and usr/lib/modules/REL with the
// modules, each compressed, but no index of them: that is written where the
// package is installed. [Make] reads the modules, chooses those that are wanted
// with all that they need, and writes modules.dep, modules.alias and the others
// beside them, line by line what kmod's depmod writes, in an order that depends
// on the modules alone:
//
//	made, err := kernel.Make(ctx, entries, kernel.Options{Modules: []string{"virtio_net"}, Workers: 2})
//	// kernel      the vmlinuz
//	// kernel.tar  usr/lib/modules/REL
//
// The modules lie in usr/lib, not in lib: in a tree the kernel comes first, and
// whoever comes later has lib as a link to usr/lib.
//
// The indexes are text. The binary ones (modules.dep.bin and the others), which
// kmod's modprobe asks for, are not made: compose's own init and modprobe read
// the text.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// Where the image has what [Make] makes.
const (
	Path    = "kernel"     // as Debian's boot/vmlinuz-REL
	TarPath = "kernel.tar" // the modules
)

// ErrNoKernel says that there is no boot/vmlinuz-REL.
var ErrNoKernel = errors.New("no boot/vmlinuz-… among the files: is it a linux-image package, and did include take it")

// Options say what of a kernel goes into its image.
type Options struct {
	Modules []string // by name, '-' and '_' being the same; nil: all; empty: none
	Workers int      // how many modules are read at once; 0: one

	// Firmware are files and symbolic links that go into the archive with the
	// modules, where they are: usr/lib/firmware/….
	Firmware []*rootfs.Entry
}

// Make returns the entries [Path] and [TarPath] of an image, made from the
// entries of an unpacked linux-image package in path order. The tar's content is
// read out of these entries' bodies whenever it is read.
//
// With the modules that are wanted come those that they depend on, hard or soft. A
// name that is built in is fine; one that is unknown is an error, and all of
// these are told at once.
func Make(ctx context.Context, entries []*rootfs.Entry, o Options) ([]*rootfs.Entry, error) {
	p, err := open(entries)
	if err != nil {
		return nil, err
	}
	modules, err := p.choose(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", p.release, err)
	}
	archive, err := p.archive(modules, o.Firmware)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", p.release, err)
	}
	image := *p.vmlinuz
	image.Path, image.Mode, image.UID, image.GID = Path, 0o644, 0, 0
	return []*rootfs.Entry{&image, archive}, nil
}

// pack is the package of one kernel.
type pack struct {
	release string
	vmlinuz *rootfs.Entry
	dir     string                   // where the modules were: usr/lib/modules/REL
	modules map[string]*rootfs.Entry // by name
	shipped []*rootfs.Entry          // modules.builtin, modules.order and the like
	builtin map[string]bool          // by name
}

// open finds the parts of a package.
func open(entries []*rootfs.Entry) (*pack, error) {
	p := &pack{modules: map[string]*rootfs.Entry{}, builtin: map[string]bool{}}
	for _, e := range entries {
		release, ok := strings.CutPrefix(e.Path, "boot/vmlinuz-")
		if !ok || e.Type != rootfs.File {
			continue
		}
		if p.vmlinuz != nil {
			return nil, fmt.Errorf("two kernels, %s and %s: a package image holds one", p.release, release)
		}
		p.release, p.vmlinuz = release, e
	}
	if p.vmlinuz == nil {
		return nil, ErrNoKernel
	}
	for _, e := range entries {
		release, rest, ok := moduleFile(e.Path)
		if !ok || e.Type != rootfs.File {
			continue
		}
		if release != p.release {
			return nil, fmt.Errorf("%s is for another kernel than boot/vmlinuz-%s", e.Path, p.release)
		}
		p.dir = strings.TrimSuffix(e.Path, "/"+rest)
		if err := p.take(e, rest); err != nil {
			return nil, fmt.Errorf("kernel %s: %w", p.release, err)
		}
	}
	if p.dir == "" {
		return nil, fmt.Errorf("kernel %s: no usr/lib/modules/%s among the files: did include take it", p.release, p.release)
	}
	return p, p.readBuiltin()
}

// moduleFile splits usr/lib/modules/REL/REST.
func moduleFile(path string) (release, rest string, ok bool) {
	path = strings.TrimPrefix(path, "usr/")
	path, ok = strings.CutPrefix(path, "lib/modules/")
	if !ok {
		return "", "", false
	}
	return strings.Cut(path, "/")
}

// take sorts a file in that is at rest below the modules' directory.
func (p *pack) take(e *rootfs.Entry, rest string) error {
	if name, ok := moduleName(rest); ok {
		if twin := p.modules[name]; twin != nil {
			return fmt.Errorf("two modules are called %s: %s and %s", name, twin.Path, e.Path)
		}
		p.modules[name] = e
		return nil
	}
	switch rest {
	case "modules.builtin", "modules.builtin.modinfo", "modules.order":
		p.shipped = append(p.shipped, e)
	}
	return nil
}

// moduleName returns the name of the module in a file, if there is one.
func moduleName(path string) (string, bool) {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, suffix := range []string{".ko", ".ko.xz", ".ko.zst", ".ko.gz"} {
		if stem, ok := strings.CutSuffix(name, suffix); ok {
			return normal(stem), true
		}
	}
	return "", false
}

// normal returns a module's name as the kernel has it.
func normal(name string) string { return strings.ReplaceAll(name, "-", "_") }

// readBuiltin reads the names of modules.builtin: a path a line.
func (p *pack) readBuiltin() error {
	for _, e := range p.shipped {
		if !strings.HasSuffix(e.Path, "/modules.builtin") {
			continue
		}
		content, err := readAll(e)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(content)) {
			if name, ok := moduleName(strings.TrimSpace(line)); ok {
				p.builtin[name] = true
			}
		}
	}
	return nil
}
