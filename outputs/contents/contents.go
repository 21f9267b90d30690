// Package contents reads image files back: it says what is in a file that
// package outputs wrote, or that another tool wrote in the same formats.
//
// [Read] tells what a file is by its bytes, not by its name, and reads all of
// it. What it returns is true of the whole file: every digest is worked out from
// the bytes, every digest and size that is stated in the file is held against
// them, every archive must have its end, and nothing may lie behind it. (Of layers,
// for which a digest vouches, the end may be missing, as some tools leave it out.)
// A file that is cut, or has a bit flipped where a checksum or a digest covers it,
// is an error and never a shorter list.
//
// A file is made of [Part]s. From them come the entries, in the words of package
// rootfs. In what is one archive (a root filesystem, an initramfs) an entry's
// Origin is the name of its part. In container images it is its layer.
//
//	f, err := os.Open("system-initrd.img")
//	img, err := contents.Read(ctx, f, size)
//	for _, p := range img.Parts { fmt.Println(p.Offset, p.Size, p.Kind, p.Name) }
//	for _, e := range img.Entries { fmt.Println(e.Digest, e.Path) }
//
// What an entry has in memory is all that is kept of it: content is hashed as it
// goes by. Memory grows with the number of entries and the length of their
// names, which are both bounded, and with nothing else that a file can say.
//
// # What is read
//
//   - The root filesystem as a tar archive, also compressed by gzip or zstd.
//   - An initramfs (Linux, "initramfs buffer format"): cpio archives, plain or
//     compressed by gzip or zstd, one behind the other. In one that compose made,
//     the extended attributes that lie in a file of it are given back to the
//     entries, and the count in its last entry must be right.
//   - Kernel, initramfs, command line and microcode in one tar archive.
//   - What "docker save" writes, and OCI image layouts in a tar archive.
//   - Kernels: Linux for x86 and arm64, EFI programs. What a kernel is
//     compressed by is not undone, unless the whole file is by gzip or zstd.
//   - What machines boot from: ISO 9660 with Rock Ridge and El Torito, disks with a
//     GUID partition table, in either the FAT volumes that EFI reads; and EFI
//     programs that are a kernel and all it needs. The files of a volume are its
//     own; the Entries are those of the initramfs that the boot menu names.
//
// A command line by itself is a line of text like any other, which Read cannot tell
// from a manifest, and there are more kernels than those: [ReadCmdline] and
// [ReadKernel] are for who knows what a file is.
//
// # What is left as it stands
//
// Layers are not applied to each other: an entry that hides one of a lower layer
// is listed under its own name (".wh.name"), and a path that two layers have is
// listed twice. Only in a file of one image without such entries are
// directories that layers repeat unchanged listed once, with the lowest layer, and
// all entries in path order: then the list is that of the root filesystem.
package contents

import (
	"context"
	"errors"
	"io"

	"github.com/composeos/compose/compose/rootfs"
)

// The errors that [Read] wraps. Others are those of the reader or the context.
var (
	// ErrUnknown is what Read says of a file of no kind that it reads.
	ErrUnknown = errors.New("a file of no kind that is known")
	// ErrInvalid is what Read says of a file that is not what it should be.
	ErrInvalid = errors.New("invalid")
)

// The formats, as [Image] names them.
const (
	Tar             = "tar"
	Initrd          = "initrd"
	TarKernelInitrd = "tar-kernel-initrd"
	Docker          = "docker" // also where it is an image layout besides
	OCI             = "oci"
	KernelFile      = "kernel"
	Cmdline         = "cmdline"
	ISO             = "iso"
	UKI             = "uki"
	RawEFI          = "raw-efi"
	Disk            = "disk" // with a GUID partition table, but without an EFI system partition
)

// Image is what is in a file.
type Image struct {
	Format     string
	Size       int64           // of the file, bytes
	Digest     rootfs.Digest   // of the file
	Parts      []Part          // what the file is made of, by offset
	Kernel     *Kernel         // nil where there is none
	Cmdline    string          // the kernel's command line, without the line break at its end
	Initramfs  *Initramfs      // nil where there is none
	Volumes    []Volume        // filesystems, of ISO, RawEFI and Disk; that of an ISO is the first
	Table      *Table          // of ISO, RawEFI and Disk; nil where there is none
	BootImages []BootImage     // of ISO
	Menus      []Menu          // of ISO and RawEFI: the boot menus' entries, of which the first says Cmdline, Kernel and Initramfs
	Program    *Program        // of UKI; nil of others
	Containers []Container     // of Docker and OCI, in the order of the file's own list
	Layers     []Layer         // theirs, each once, in the order in which they are first named
	Merged     bool            // Entries are those of the root filesystem, in path order, and not layer by layer
	Entries    []*rootfs.Entry // without Body and Nlink; in the order of the file, where they are not Merged
}

// Part is a part of a file. Parts may lie within each other: a part of an
// initramfs lies within the "initrd.img" of a tar archive.
type Part struct {
	Name    string        // what it is, or its name in the archive
	Kind    string        // how it is stored: "tar", "cpio", "gzip", "bzImage", "JSON", …
	Offset  int64         // in the file, bytes
	Size    int64         // in the file, bytes
	Digest  rootfs.Digest // of the bytes in the file
	Members int           // gzip members or zstd frames, where it is compressed
	Plain   int64         // bytes, uncompressed, where it is compressed
	Entries int           // in the part itself
}

// Kernel is what a kernel says of itself.
type Kernel struct {
	Kind    string // "bzImage", "arm64 Image", "EFI zboot", "EFI program", or "unknown"
	Version string // of a bzImage, its version string; "" of others
}

// Initramfs is what compose says in an initramfs about it.
type Initramfs struct {
	Complete bool  // it is compose's, and ends with the entry that says so; false for those of others
	Memory   int64 // bytes of memory that compose said it needs to boot; 0 where nobody said
	Xattrs   int   // entries that got extended attributes back
}

// Container is a container image.
type Container struct {
	Tags       []string
	Digest     rootfs.Digest // of its image manifest; zero in an archive that has none
	Config     rootfs.Digest // of its configuration
	MediaType  string        // of what it is, where that is no image: an artifact
	Platform   string        // "linux/arm64/v8"; "" where nobody said
	Created    string        // RFC 3339; "" where nobody said
	Entrypoint []string
	Cmd        []string
	Labels     map[string]string
	Layers     []int // in Image.Layers, lowest first
}

// Layer is a layer of container images.
type Layer struct {
	MediaType string        // as its image manifest says; "" in an archive that has none
	Kind      string        // how it is stored: "tar", "gzip", "zstd", or "opaque" for what is no archive
	CreatedBy string        // as the history in a configuration says; "" where nobody said
	Digest    rootfs.Digest // of the bytes in the file
	DiffID    rootfs.Digest // of the bytes uncompressed
	Size      int64         // in the file, bytes
	Plain     int64         // uncompressed, bytes
	Entries   int           // in the layer, directories that other layers have as well included
}

// The limits of what is read, so that a hostile file fills no memory.
const (
	maxEntries   = 1 << 20   // of all archives of a file, each archive of an initramfs counted as one
	maxText      = 64 << 20  // bytes of their names, targets and attributes
	maxName      = 4095      // bytes of a path or a target: PATH_MAX without its NUL
	maxMembers   = 1 << 16   // files of an archive that holds images
	maxParts     = 1 << 12   // of an initramfs
	maxDocument  = 4 << 20   // bytes of an index, a manifest or a configuration
	maxDocuments = 64 << 20  // bytes of all of them, each as often as it is named
	maxPlain     = 64 << 30  // bytes of all that is compressed, uncompressed
	maxWindow    = 128 << 20 // bytes that a zstd frame may look back
	xattrCost    = 64        // what an attribute takes of maxText beside its own bytes
)

// Read reads the file of size bytes that r holds. Errors of the file's content
// wrap [ErrUnknown] or [ErrInvalid], and say at which byte of the file or in
// which part; those of reading r, and ctx's, do not.
func Read(ctx context.Context, r io.ReaderAt, size int64) (*Image, error) {
	d := newReader(ctx, r, size)
	err := d.read()
	if err == nil {
		d.img.Digest, err = d.whole()
	}
	if err != nil {
		return nil, err
	}
	return d.img, nil
}
