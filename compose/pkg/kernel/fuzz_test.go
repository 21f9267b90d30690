package kernel_test

import (
	"io"
	"testing"

	"github.com/composeos/compose/compose/pkg/kernel"
	"github.com/composeos/compose/compose/rootfs"
)

// FuzzMake holds that no module, whatever its bytes, ends the program, and that
// what can be read makes an archive of the size that it says.
func FuzzMake(f *testing.F) {
	f.Add(".ko", objects["fs/btrfs/btrfs.ko.zst"].elf())
	f.Add(".ko.xz", pack(f, ".xz", objects["crypto/xor.ko.gz"].elf()))
	f.Add(".ko.gz", pack(f, ".gz", object{info: []string{"depends=a,a", "softdep=pre: a"}}.elf()))
	f.Add(".ko.zst", []byte("no module"))
	f.Fuzz(func(t *testing.T, ending string, content []byte) {
		made, err := kernel.Make(t.Context(), []*rootfs.Entry{
			rootfs.MadeFile("boot/vmlinuz-1", 0o644, []byte("k")),
			rootfs.MadeFile("usr/lib/modules/1/kernel/a"+ending, 0o644, content),
			rootfs.MadeFile("usr/lib/modules/1/modules.builtin", 0o644, []byte("kernel/xor.ko\nkernel/raid6_pq.ko\n")),
		}, kernel.Options{})
		if err != nil {
			return
		}
		if n, err := io.Copy(io.Discard, io.NewSectionReader(made[1].Body, 0, 1<<40)); err != nil || n != made[1].Size {
			t.Errorf("%d bytes of %d: %v", n, made[1].Size, err)
		}
	})
}
