package outputs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/composeos/compose/compose/rootfs"
)

// TestBootMemory holds the estimate against what was measured: the least memory
// with which Debian's 6.1 kernel unpacked these under QEMU with two processors,
// its cloud flavour first, then the other one
// (docs/decisions/0012-memory-to-boot.md). In each there is a program besides, and
// a directory for 500 entries.
func TestBootMemory(t *testing.T) {
	const mib = 1 << 20
	type measured [2]int64 // MiB that were enough, 0 where nobody has tried
	tests := []struct {
		name         string
		count        int
		entry        rootfs.Entry
		initrd       int64
		tmpfs, ramfs measured
	}{
		{"next to nothing", 0, rootfs.Entry{}, 1688192, measured{72, 84}, measured{73, 84}},
		{"files of 1 byte", 20000, rootfs.Entry{Type: rootfs.File, Size: 1, Nlink: 1}, 4408832, measured{210, 222}, measured{175, 183}},
		{"files of 8000 bytes", 10000, rootfs.Entry{Type: rootfs.File, Size: 8000, Nlink: 1}, 83006512, measured{289}, measured{244}},
		{"files of 1 MiB", 100, rootfs.Entry{Type: rootfs.File, Size: mib, Nlink: 1}, 106557908, measured{355, 368}, measured{276, 289}},
		{"files of 16 MiB", 20, rootfs.Entry{Type: rootfs.File, Size: 16 * mib, Nlink: 1}, 337235028, measured{1031}, measured{730}},
		{"directories", 20000, rootfs.Entry{Type: rootfs.Dir, Nlink: 1}, 4328832, measured{213}, measured{108}},
		{"links of 12 bytes", 20000, rootfs.Entry{Type: rootfs.Symlink, Link: "target-of-it", Nlink: 1}, 4568832, measured{213}, measured{178}},
		{"links of 240 bytes", 20000, rootfs.Entry{Type: rootfs.Symlink, Link: strings.Repeat("x", 240), Nlink: 1}, 9128832, measured{}, measured{178}},
		{"pairs of hard links", 5000, rootfs.Entry{Type: rootfs.File, Size: 1, Nlink: 2}, 2909352, measured{138}, measured{137}},
		{"names of one file", 20000, rootfs.Entry{Type: rootfs.File, Size: 1, Nlink: 20000}, 4152836, measured{207}, measured{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entries := []*rootfs.Entry{{Path: "check", Type: rootfs.File, Size: 1687714, Nlink: 1}}
			for i := range tt.count {
				if i%500 == 0 {
					entries = append(entries, &rootfs.Entry{Path: fmt.Sprintf("d%05d", i), Type: rootfs.Dir, Nlink: 1})
				}
				e := tt.entry
				e.Path = fmt.Sprintf("d%05d/%05d", i-i%500, i)
				entries = append(entries, &e)
				switch {
				case e.Nlink == 2:
					f := e
					f.Path, f.First = e.Path+"b", e.Path
					entries = append(entries, &f)
				case e.Nlink > 2 && i > 0:
					e.First = "d00000/00000"
				}
			}
			for _, at := range []struct {
				cmdline string
				measured
			}{{"console=ttyS0", tt.tmpfs}, {"root=/dev/ram0", tt.ramfs}} {
				if at.measured == (measured{}) {
					continue
				}
				got := bootMemory(slices.Values(entries), tt.initrd, at.cmdline)
				least, most := slices.Max(at.measured[:])*mib*105/100, at.measured[0]*mib*120/100+32*mib
				if got < least || got > most {
					t.Errorf("%s: %d MiB, want %d to %d", at.cmdline, got/mib, least/mib, most/mib)
				}
				t.Logf("%s: %d MiB, %d were enough", at.cmdline, got/mib, at.measured)
			}
		})
	}
}

func TestRootIsRamfs(t *testing.T) {
	// Each was tried with the kernel.
	tests := []struct {
		cmdline string
		want    bool
	}{
		{"", false},
		{"console=tty0 console=ttyS0", false},
		{"console=tty0 root=/dev/ram0", true},
		{"root=\t", false},
		{"root=/dev/ram0 root=", false},
		{"noroot=/dev/ram0", false},
		{"rootfstype=ext4", true},
		{"rootfstype=", true},
		{"root=/dev/ram0 rootfstype=tmpfs", false},
		{"quiet -- root=/dev/ram0", false},
	}
	for _, tt := range tests {
		t.Run(tt.cmdline, func(t *testing.T) {
			if got := rootIsRamfs(tt.cmdline); got != tt.want {
				t.Errorf("%t, want %t", got, tt.want)
			}
		})
	}
}
