package spec

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Package is a package source, a folder's build.yml: what a package image is made
// of. Nothing of it is run: files of Debian packages, Go programs, and files
// beside it are put together, and what a maintainer script would have made is
// declared.
type Package struct {
	// Image is the name of the image that is made: parts of lower-case letters, digits, _ . and -, with / between them.
	Image string `yaml:"image" check:"required,repository"`
	// Arches are the architectures that it is made for: amd64, arm64. The default is both.
	Arches []string `yaml:"arches" check:"enum=amd64|arm64"`
	// Debs are the Debian packages whose files it has.
	Debs Debs `yaml:"debs"`
	// Toolchain is the release of Go that builds the programs, such as go1.26.8. It is fetched, whatever Go is installed.
	Toolchain string `yaml:"toolchain" check:"toolchain"`
	// Go are programs that are built, static and without cgo.
	Go []GoProgram `yaml:"go"`
	// Files lists single files, directories and symbolic links. They win over files of Debian packages.
	Files []PackageFile `yaml:"files"`
	// Links makes many symbolic links in one directory.
	Links []PackageLinks `yaml:"links"`
	// Users are written into etc/passwd; root is always there.
	Users []User `yaml:"users"`
	// Groups are written into etc/group, after those of the users; root is always there.
	Groups []Group `yaml:"groups"`
	// Steps make what a maintainer script would have made, one after the other.
	Steps []Step `yaml:"steps"`
	// Entrypoint is the image's entrypoint.
	Entrypoint []string `yaml:"entrypoint"`
	// Cmd is the image's cmd.
	Cmd []string `yaml:"cmd"`
	// Env are the image's environment variables, NAME=value.
	Env []string `yaml:"env" check:"env"`
	// Workdir is the image's working directory, an absolute path.
	Workdir string `yaml:"workdir" check:"abspath"`
	// Config becomes the org.mobyproject.config label: how a container of the image runs unless the manifest says otherwise. Its keys are those of a container in the manifest.
	Config Config `yaml:"config"`

	Pos  Pos        `yaml:"-"`
	node *yaml.Node // what was read, for positions
}

// Debs are Debian packages, and which of their files are wanted.
type Debs struct {
	// Suite is the release of Debian, by its code name, such as trixie.
	Suite string `yaml:"suite" check:"suite"`
	// Packages are the names of the packages, all of them: dependencies are not followed. {arch} in a name stands for the architecture, and " [amd64]" behind a name limits it to that one.
	Packages []string `yaml:"packages" check:"debname"`
	// Follow are those of packages that have no files of their own: what they depend on directly stands in their place.
	Follow []string `yaml:"follow" check:"debname"`
	// Include are patterns of the files that are wanted; the default is all. A * stands for anything within a name, ** for any number of names, ? for one letter.
	Include []string `yaml:"include" check:"inside"`
	// Exclude are patterns of files that are not wanted, of those included. usr/share/doc/NAME/copyright always stays.
	Exclude []string `yaml:"exclude" check:"inside"`
}

// GoProgram is one program that is built from Go sources.
type GoProgram struct {
	// Main is the folder of the program's package main, relative to build.yml.
	Main string `yaml:"main"`
	// Module is a published module with its version, such as example.org/tool@v1.2.3, in place of main.
	Module string `yaml:"module"`
	// Package is the folder of package main in the module; the default is its root.
	Package string `yaml:"package"`
	// Sum is the checksum of the module, as go.sum has it: h1:…
	Sum string `yaml:"sum"`
	// Out is the path of the program in the image.
	Out string `yaml:"out" check:"required,inside"`
}

// PackageFile is one file of a package source.
type PackageFile struct {
	// Path is where the file lies in the image. A slash in front makes no difference.
	Path string `yaml:"path" check:"required,inside"`
	// Contents is the text of the file.
	Contents *string `yaml:"contents" check:"any"`
	// Source is a file or a folder beside build.yml, which is copied.
	Source string `yaml:"source" check:"inside"`
	// From is a file of the Debian packages, which is taken also where it is not included. Of several that have it, the first by name is meant; NAME:PATH says which.
	From string `yaml:"from" check:"inside"`
	// Symlink makes a symbolic link to this target.
	Symlink string `yaml:"symlink"`
	// Directory makes a directory.
	Directory bool `yaml:"directory"`
	// Mode is the file's permissions in octal. The default is 0755 for directories; for source and from whether somebody may execute the file, 0755 or 0644; else 0644.
	Mode Mode `yaml:"mode"`
	// UID is the number of the owner.
	UID uint32 `yaml:"uid"`
	// GID is the number of the group.
	GID uint32 `yaml:"gid"`

	Pos Pos `yaml:"-"`
}

// PackageLinks are symbolic links to one target.
type PackageLinks struct {
	// To is the target, as it is written into each link.
	To string `yaml:"to" check:"required"`
	// In is the directory that the links lie in.
	In string `yaml:"in" check:"required,inside"`
	// Names are the names of the links.
	Names []string `yaml:"names" check:"linkname"`
}

// User is one line of etc/passwd, and the group of the same name.
type User struct {
	// Name is the user's name.
	Name string `yaml:"name" check:"required,name"`
	// UID is the user's number.
	UID uint32 `yaml:"uid" check:"required,range=0..4294967294"`
	// GID is the number of the user's group; it has the user's name unless groups names that number.
	GID uint32 `yaml:"gid" check:"required,range=0..4294967294"`
	// Home is the home directory; the default is /nonexistent, and /root for root. It is not made.
	Home string `yaml:"home" check:"abspath"`
	// Shell is the login shell; the default is /usr/sbin/nologin, and /bin/sh for root.
	Shell string `yaml:"shell" check:"abspath"`
}

// Group is one line of etc/group.
type Group struct {
	// Name is the group's name.
	Name string `yaml:"name" check:"required,name"`
	// GID is the group's number.
	GID uint32 `yaml:"gid" check:"required,range=0..4294967294"`
}

// Step is one thing that is made of files that are there by then.
type Step struct {
	// Concat joins files into one.
	Concat *Concat `yaml:"concat"`
	// Kernel makes the kernel's file and the archive of its modules.
	Kernel *KernelStep `yaml:"kernel"`
	// Microcode makes the archive that a kernel reads the CPU's microcode from.
	Microcode *Microcode `yaml:"microcode"`

	Pos Pos `yaml:"-"`
}

// Concat joins files, in the order of their paths, each ended by a newline.
type Concat struct {
	// Out is the path of the file that is made.
	Out string `yaml:"out" check:"required,inside"`
	// Of are patterns of the files that are joined.
	Of []string `yaml:"of" check:"inside"`
}

// KernelStep turns the files of a linux-image package into kernel (the boot image),
// and kernel.tar (modules, with the lists by which they are found); of all else
// only copyright files stay.
type KernelStep struct {
	// Modules are the names of the modules that are wanted; what they need comes with them. The default is all.
	Modules []string `yaml:"modules"`
	// Firmware are patterns of files in usr/lib/firmware that come with the modules.
	Firmware []string `yaml:"firmware" check:"inside"`
}

// Microcode joins the microcode of Intel's and AMD's processors (the kernel's
// Documentation/arch/x86/microcode.rst, "Early load microcode").
type Microcode struct {
	// Out is the path of the archive that is made.
	Out string `yaml:"out" check:"required,inside"`
}

// BuildFile is the name of a package source's file in its folder.
const BuildFile = "build.yml"

// AllArches are the architectures that packages are made for.
func AllArches() []string { return []string{"amd64", "arm64"} }

// ParsePackage reads a build.yml. name is its file for errors. The error holds
// every fault of the file as an [Error].
func ParsePackage(name string, data []byte) (*Package, error) {
	n, _, err := readYAML(name, data, document{noun: "package source", want: "at least the key image"})
	if err != nil {
		return nil, err
	}
	d := &decoder{file: name}
	p := new(Package)
	d.value(n, valueOf(p), "")
	if err := d.faults.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// At returns the place of an entry of a list, for errors: of debs' packages "debs.packages", 2.
func (p *Package) At(list string, i int) Pos {
	n := p.node
	for key := range strings.SplitSeq(list, ".") {
		if n = lookup(n, key); n == nil {
			return p.Pos
		}
	}
	if n = element(n, i); n == nil {
		return p.Pos
	}
	return Pos{p.Pos.File, n.Line, n.Column}
}

// Builds returns the architectures that the package is made for.
func (p *Package) Builds() []string {
	if p.Arches == nil {
		return AllArches()
	}
	return p.Arches
}

// Label returns the text of the org.mobyproject.config label: canonical JSON of
// what config says. [Container.Configure] reads it.
func (p *Package) Label() (string, error) {
	data, err := MarshalCanonical(p.Config)
	if err != nil {
		return "", fmt.Errorf("%s: config: %w", p.Pos, err)
	}
	return string(data), nil
}

// For returns the names of the packages for an architecture, sorted and each once.
func (d Debs) For(arch string) []string { return namesFor(d.Packages, arch) }

// Followed returns the names of those that others stand for.
func (d Debs) Followed(arch string) []string { return namesFor(d.Follow, arch) }

func namesFor(entries []string, arch string) []string {
	var names []string
	for _, e := range entries {
		name, only, limited := strings.Cut(e, " ")
		if limited && strings.Trim(only, "[]") != arch {
			continue
		}
		names = append(names, strings.ReplaceAll(name, "{arch}", arch))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
