package compose

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/flatten"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// section is the part of a manifest that a part comes from.
type section string

// The sections, as the manifest spells them.
const (
	kernelSection     section = "kernel"
	bootloaderSection section = "bootloader"
	initSection       section = "init"
	volumeSection     section = "volumes"
	onbootSection     section = spec.Onboot
	onshutdownSection section = spec.Onshutdown
	serviceSection    section = spec.Services
)

// container tells whether the section's images become bundles.
func (s section) container() bool {
	return s == onbootSection || s == onshutdownSection || s == serviceSection
}

// part is one thing that the manifest wants laid out.
type part struct {
	section   section
	where     string          // "services[2] nginx"
	ref       spec.Ref        // zero for a volume that begins empty
	path      string          // where it goes: "containers/services/nginx"; "" is the root
	container *spec.Container // of onboot, onshutdown and services
	volume    *spec.Volume    // of volumes
	platforms []spec.Platform // of the image; none: the one that is built for
	image     *fetched        // once it has been fetched; parts of one image share it
	stored    []*storedImage  // and of a part that is asStored, instead of image; in the order of platforms
}

// asStored tells whether the part has its image as the source stores it, and
// not what the layers leave.
func (p *part) asStored() bool { return p.volume != nil && p.volume.Format == spec.VolumeOCI }

// fetched is an image whose layers are in the store.
type fetched struct {
	digest v1.Hash // of its manifest
	config *v1.ConfigFile
	files  []*rootfs.Entry // what its layers leave

	container []*rootfs.Entry // files as containers have them; see containerFiles
}

// containerFiles are the files as a container has them. Many bundles may have
// one image, and they are made once.
func (f *fetched) containerFiles() ([]*rootfs.Entry, error) {
	var err error
	if f.container == nil {
		f.container, err = flatten.Rootfs(f.files, flatten.Container)
	}
	return f.container, err
}

// origin is what entries of this part say they come from.
func (p *part) origin() string {
	if p.ref.IsZero() {
		return p.where
	}
	return p.where + " " + p.ref.String()
}

// Planned is one image, or one empty volume, that a manifest wants laid out.
type Planned struct {
	Section   string          // as the manifest spells it
	Name      string          // of a container or a volume; "" for the others
	Ref       spec.Ref        // zero for a volume that begins empty
	Platforms []spec.Platform // of the image, sorted; none: the one that is built for
	Path      string          // where it goes: "containers/services/nginx"; "" is the root
}

// Plan says what a build would lay out and where, in the order of ownership:
// the kernel, the boot loader, init, volumes, then the containers as they run. It does no I/O.
func Plan(m *spec.Manifest) []Planned {
	var planned []Planned
	for _, p := range plan(m) {
		l := Planned{Section: string(p.section), Ref: p.ref, Platforms: p.platforms, Path: p.path}
		switch {
		case p.container != nil:
			l.Name = p.container.Name
		case p.volume != nil:
			l.Name = p.volume.Name
		}
		planned = append(planned, l)
	}
	return planned
}

// plan makes the parts that Plan tells of.
func plan(m *spec.Manifest) []*part {
	var parts []*part
	if !m.Kernel.Image.IsZero() {
		parts = append(parts, &part{section: kernelSection, where: "kernel", ref: m.Kernel.Image, path: rootfs.KernelPath})
	}
	if !m.Bootloader.Image.IsZero() {
		parts = append(parts, &part{section: bootloaderSection, where: "bootloader", ref: m.Bootloader.Image, path: rootfs.LoaderDir})
	}
	for i, n := range m.Init {
		parts = append(parts, &part{section: initSection, where: fmt.Sprintf("init[%d]", i), ref: n.Image})
	}
	for i := range m.Volumes {
		v := &m.Volumes[i]
		parts = append(parts, &part{
			section: volumeSection, where: fmt.Sprintf("volumes[%d] %s", i, v.Name), ref: v.Image,
			path: "containers/volumes/" + v.Name, volume: v, platforms: v.WantedPlatforms(),
		})
	}
	for at, c := range m.Containers() {
		parts = append(parts, &part{
			section: section(at.Section), where: at.Where(c), ref: c.Image,
			path: "containers/" + at.Section + "/" + bundleName(section(at.Section), at.Index, c.Name), container: c,
		})
	}
	return parts
}

// bundleName is a bundle's directory: what runs in order is numbered.
func bundleName(s section, i int, name string) string {
	if s == serviceSection {
		return name
	}
	return fmt.Sprintf("%03d-%s", i, name)
}
