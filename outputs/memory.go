package outputs

import (
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// What the memory of a machine holds while the kernel unpacks an initramfs,
// bytes. The figures were measured (docs/decisions/0012-memory-to-boot.md).
const (
	memoryKernel   = 88 << 20 // the kernel and all that it needs to run
	memoryReserved = 60 << 20 // what of it is taken before the root filesystem is mounted
	memoryPage     = 4096     // content takes whole pages
	memoryNode     = 576      // 64 pages of a file, where it has more than one
	memoryName     = 1280     // a name, with its inode
	memoryLinks    = 8192     // a file of several names, until all is unpacked

	memoryPages  = 64  // one part of so many of all memory describes the rest
	memoryMargin = 10  // one part of so many is added
	shortSymlink = 127 // how long a target a tmpfs keeps without a page, bytes
)

// bootMemory returns how many bytes of memory a machine has to have in order to
// unpack entries as its root filesystem, and start its init. initrd is how many
// bytes the boot loader loads: they stay until all is unpacked.
//
// The root is a tmpfs or a ramfs, as cmdline says. A tmpfs takes half of the
// memory that is free when it is mounted, which the initramfs is not, and no
// more than one name for each page of that. In a ramfs, every symbolic link
// takes a page.
func bootMemory(entries rootfs.Entries, initrd int64, cmdline string) int64 {
	ramfs := rootIsRamfs(cmdline)
	var names, pages, beside int64
	for e := range entries {
		n := memoryPagesOf(e, ramfs)
		names++
		pages += n
		if n > 1 {
			beside += (n + 63) / 64 * memoryNode
		}
		if e.Nlink > 1 && e.First == "" {
			beside += memoryLinks
		}
	}
	need := memoryKernel + initrd + pages*memoryPage + names*memoryName + beside
	if !ramfs {
		need = max(need, memoryReserved+initrd+2*memoryPage*max(pages, names))
	}
	need += need / (memoryPages - 1)
	return need + need/memoryMargin
}

// memoryPagesOf returns how many pages the content of e takes.
func memoryPagesOf(e *rootfs.Entry, ramfs bool) int64 {
	if e.Type == rootfs.Symlink && (ramfs || len(e.Link) > shortSymlink) {
		return 1
	}
	return (e.Payload() + memoryPage - 1) / memoryPage
}

// rootIsRamfs tells whether the kernel unpacks into a ramfs: it does where its
// command line names a root device, or types for its filesystem of which tmpfs is
// none (init/do_mounts.c, init_rootfs). What follows "--" is for init.
func rootIsRamfs(cmdline string) bool {
	var root, kind string
	typed := false
	for word := range strings.FieldsSeq(cmdline) {
		if word == "--" {
			break
		}
		if v, ok := strings.CutPrefix(word, "root="); ok {
			root = v
		}
		if v, ok := strings.CutPrefix(word, "rootfstype="); ok {
			kind, typed = v, true
		}
	}
	return (root != "" || typed) && !strings.Contains(kind, "tmpfs")
}
