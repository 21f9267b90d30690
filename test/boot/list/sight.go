package list

// Look is in the environment of a checker that is to say how it was started, and
// from what, rather than to compare its root filesystem with a [List].
const Look = "COMPOSE_CHECK=look"

// Modules is the folder of the kernel modules that it loads first, relative to the
// root: those of the disks, the filesystems, and of the firmware's variables.
const Modules = "modules"

// Sight is what such a checker sees.
type Sight struct {
	Cmdline    string // the kernel's
	EFI        bool   // whether the firmware is UEFI
	SecureBoot bool   // whether that lets only start what is signed
	Volumes    []Volume
}

// Volume is a filesystem that the kernel can read, on a disk or a partition.
type Volume struct {
	Device string // such as "vda1"
	Type   string // "iso9660" or "vfat"
	Paths  []Path // what it holds, in no order; files with their digests
}
