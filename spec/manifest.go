// Package spec defines what people write and what is written for them: the
// manifest with its trust policy, the lock with its evidence, the configuration
// label of package images, package sources, and a user's settings. It says what
// they mean, not what is done about it.
//
// A [Manifest] lists package images by the moment at which they run, and the
// plain files around them. [Parse] is strict: an unknown or duplicate key, a
// wrong type or a bad name is an [Error] with file, line and column, and all
// faults of a file are reported at once. [Merge] lays manifests one after the
// other. [Container.Configure] lays image defaults, label and manifest one
// over the other into one [Config]: an absent key keeps what is below, an
// explicit false or [] overrides it, maps merge.
//
//	m, err := spec.Parse("web.yml", data)
//	m, err = spec.Merge(m)                       // also checks what is named
//	for _, use := range m.Images() {             // what the lock pins
//		fmt.Println(use.Where, use.Ref)
//	}
//	config, err := m.Services[0].Configure(defaults, label)
//
// A key is added with one field, its doc comment and its tags: yaml names the
// key, check says what its value must be (the words of textChecks). What is read
// is what was given and nothing else, so that a manifest can be written again
// ([Manifest.JSON]); defaults are applied by who uses a value.
//
// The JSON Schema and docs/manifest.md are generated from the structs of this
// package and their comments ("go generate ./spec").
//
// The package does no I/O and imports nothing of compose.
package spec

import "gopkg.in/yaml.v3"

// Manifest is one system, as merged from one or more files.
type Manifest struct {
	// Kernel is the package that boots the system. Without it the image is a root filesystem only.
	Kernel Kernel `yaml:"kernel"`
	// Bootloader is the package that starts the kernel from a disk or a CD.
	Bootloader Bootloader `yaml:"bootloader"`
	// Init lists images that are laid out at the root of the filesystem, in order.
	Init []InitImage `yaml:"init"`
	// Onboot lists containers that run once, one after the other, before the services start.
	Onboot []Container `yaml:"onboot"`
	// Onshutdown lists containers that run once, one after the other, when the system goes down.
	Onshutdown []Container `yaml:"onshutdown"`
	// Services lists containers that run as long as the system does.
	Services []Container `yaml:"services"`
	// Volumes lists directories that containers share, empty or filled from an image.
	Volumes []Volume `yaml:"volumes"`
	// Files lists single files, directories and symbolic links, laid out last.
	Files []File `yaml:"files"`
	// Trust says which signatures are demanded of which images.
	Trust *Trust `yaml:"trust"`
	// Timestamps says which times files get: clamp (the default) or fixed.
	Timestamps Timestamps `yaml:"timestamps" check:"enum=clamp|fixed"`

	// Warnings are what is accepted but has no effect, in the order of the files.
	Warnings []Error `yaml:"-"`
}

// Timestamps says which modification times the files of packages get.
type Timestamps string

// The choices of Timestamps.
const (
	Clamp Timestamps = "clamp" // the package's own, none after the lock's epoch
	Fixed Timestamps = "fixed" // one time for all
)

// Kernel is the image that brings the kernel, its modules and its microcode.
type Kernel struct {
	// Image is the kernel's package image.
	Image Ref `yaml:"image"`
	// Cmdline is the kernel's command line.
	Cmdline string `yaml:"cmdline"`
	// Binary is the kernel's file in the image; the default is kernel.
	Binary string `yaml:"binary" check:"inside"`
	// Tar is the archive in the image that is unpacked at the root (modules); the default is kernel.tar, and none or "" means that there is none.
	Tar *string `yaml:"tar" check:"inside"`
	// UCode is the file in the image that holds the CPU's microcode as an uncompressed cpio archive.
	UCode string `yaml:"ucode" check:"inside"`

	Pos Pos `yaml:"-"`
}

// Bootloader is the image that brings what firmware starts, and what it shows.
type Bootloader struct {
	// Image is the boot loader's package image.
	Image Ref `yaml:"image"`
	// Title is the text of the boot menu's entry, up to 60 printable ASCII characters; the default is the PRETTY_NAME of the system's os-release.
	Title string `yaml:"title" check:"title"`
	// Timeout is how many seconds the boot menu waits, up to 3599; the default, 0, boots at once.
	Timeout int64 `yaml:"timeout" check:"range=0..3599"`

	Pos Pos `yaml:"-"`
}

// InitImage is one image of the init section.
type InitImage struct {
	Image Ref
	Pos   Pos
}

// Container is one entry of onboot, onshutdown or services.
type Container struct {
	// Name names the container, its directory, and its user where uid or gid give a name: lower-case letters, digits, _ and -. Names of services are unique; a name may come twice in onboot and in onshutdown.
	Name string `yaml:"name" check:"required,name"`
	// Image is the package image.
	Image Ref `yaml:"image" check:"required"`
	// Config is what the manifest alone says; see Configure for the whole.
	Config `yaml:",inline"`

	Pos  Pos        `yaml:"-"`
	node *yaml.Node // what was read, for positions; nil where it was made otherwise
}

// File is one entry of the files section.
type File struct {
	// Path is where the file is laid out. A slash in front makes no difference.
	Path string `yaml:"path" check:"required,inside"`
	// Contents is the text of the file.
	Contents *string `yaml:"contents" check:"any"`
	// Source is a file to copy, relative to the manifest, or "~/…" for the user's home.
	Source string `yaml:"source"`
	// Symlink makes a symbolic link to this target.
	Symlink string `yaml:"symlink"`
	// Directory makes a directory.
	Directory bool `yaml:"directory"`
	// Metadata writes the merged manifest, without its trust section, into the file: yaml or json.
	Metadata string `yaml:"metadata" check:"enum=yaml|json"`
	// Optional leaves the file out where its source does not exist; the lock records which it was.
	Optional bool `yaml:"optional"`
	// Mode is the file's permissions in octal; 0600 by default, 0700 for a directory.
	Mode Mode `yaml:"mode"`
	// UID is the owner: a number, or the name of a container.
	UID ID `yaml:"uid"`
	// GID is the group: a number, or the name of a container.
	GID ID `yaml:"gid"`

	Pos  Pos `yaml:"-"`
	node *yaml.Node
}

// Volume is one entry of the volumes section.
type Volume struct {
	// Name names the volume; a bind whose source is this name becomes the volume's path.
	Name string `yaml:"name" check:"required,name"`
	// Image fills the volume; it is empty without.
	Image Ref `yaml:"image"`
	// Readonly refuses containers that would write to it.
	Readonly bool `yaml:"readonly"`
	// Format is how the image is laid out: filesystem (the default), or oci for an image layout.
	Format string `yaml:"format" check:"enum=filesystem|oci"`
	// Platforms are the platforms of the image that the volume holds; the default is the one that is built for. Only an oci volume can hold several.
	Platforms []string `yaml:"platforms" check:"platform"`

	Pos Pos `yaml:"-"`
}
