package rootfs

import "slices"

// Files of a boot loader, below [LoaderDir], by the names that Debian gives them.
const (
	Isolinux = "isolinux.bin"       // ISOLINUX, started by a BIOS from a CD
	Ldlinux  = "ldlinux.c32"        // its core
	Isohdpfx = "isohdpfx.bin"       // starts it by a BIOS from a disk
	Shim     = "shimx64.efi.signed" // signed by Microsoft, starts what Debian has signed
	MokUtil  = "mmx64.efi"          // shim's manager of keys
	Grub     = "gcdx64.efi.signed"  // GRUB with what it needs on a CD, signed by Debian
	Stub     = "linuxx64.efi.stub"  // systemd's, the beginning of a unified kernel image
)

// LoaderFiles returns the names of all, sorted.
func LoaderFiles() []string {
	names := []string{Isolinux, Ldlinux, Isohdpfx, Shim, MokUtil, Grub, Stub}
	slices.Sort(names)
	return names
}
