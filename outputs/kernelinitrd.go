package outputs

import (
	"context"
	"fmt"

	"github.com/composeos/compose/compose/rootfs"
)

// KernelInitrd is the format "kernel+initrd": the kernel, its command line, and
// an initramfs that holds the whole system, with microcode in front of it.
type KernelInitrd struct{}

// Name implements [Format].
func (KernelInitrd) Name() string { return "kernel+initrd" }

// Summary implements [Format].
func (KernelInitrd) Summary() string { return "kernel, initramfs and command line, as three files" }

// Files implements [Format].
func (KernelInitrd) Files(name string) []string {
	return []string{name + "-kernel", name + "-initrd.img", name + "-cmdline"}
}

// Compresses implements [Format].
func (KernelInitrd) Compresses() bool { return true }

// Sized implements [Format].
func (KernelInitrd) Sized() bool { return false }

// Check implements [Format].
func (KernelInitrd) Check(t *rootfs.Tree, o Options) ([]Notice, error) { return checkBoot(t, o) }

// Write implements [Format].
func (f KernelInitrd) Write(ctx context.Context, t *rootfs.Tree, env Env) error {
	ram, err := newInitramfs(ctx, env, t)
	if err != nil {
		return err
	}
	defer ram.close()
	streams := []stream{content{t.At(rootfs.KernelPath)}, joined{ram.front(), ram}, content{t.At(rootfs.CmdlinePath)}}
	for i, name := range f.Files(env.Name) {
		if err := writeFile(ctx, env, name, streams[i]); err != nil {
			return err
		}
	}
	env.Notify(ram.notice())
	return nil
}

// notice tells how much memory is needed.
func (r *initramfs) notice() Notice {
	return Notice{Info: true, Text: fmt.Sprintf("to boot this initramfs a machine needs about %d MB of memory", (r.memory+999999)/1000000)}
}

// TarKernelInitrd is the format "tar-kernel-initrd": the files of
// [KernelInitrd] in one tar archive, with the microcode by itself rather than in
// front of the initramfs.
type TarKernelInitrd struct{}

// Name implements [Format].
func (TarKernelInitrd) Name() string { return "tar-kernel-initrd" }

// Summary implements [Format].
func (TarKernelInitrd) Summary() string {
	return "kernel, initramfs, command line and microcode in one tar archive"
}

// Files implements [Format].
func (TarKernelInitrd) Files(name string) []string { return []string{name + "-initrd.tar"} }

// Compresses implements [Format].
func (TarKernelInitrd) Compresses() bool { return true }

// Sized implements [Format].
func (TarKernelInitrd) Sized() bool { return false }

// Check implements [Format].
func (TarKernelInitrd) Check(t *rootfs.Tree, o Options) ([]Notice, error) { return checkBoot(t, o) }

// Write implements [Format].
func (f TarKernelInitrd) Write(ctx context.Context, t *rootfs.Tree, env Env) error {
	ram, err := newInitramfs(ctx, env, t)
	if err != nil {
		return err
	}
	defer ram.close()
	var w wrapper
	w.add("kernel", content{t.At(rootfs.KernelPath)})
	w.add("initrd.img", ram)
	w.add("cmdline", content{t.At(rootfs.CmdlinePath)})
	if e := t.At(rootfs.UcodePath); e != nil {
		w.add("ucode.cpio", content{e})
	}
	s, err := w.stream()
	if err != nil {
		return err
	}
	env.Notify(ram.notice())
	return writeFile(ctx, env, f.Files(env.Name)[0], s)
}
