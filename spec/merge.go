package spec

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"gopkg.in/yaml.v3"
)

// Merge lays manifests one after the other: lists append, and of each field of
// the kernel and the boot loader, and of timestamps, the last that is not empty
// counts. It does not change them. The error holds every fault that shows only now:
// names of services and volumes that come twice, a kernel or a boot loader without an
// image, a uid, gid or bind that names nothing, one spelling of a local path for two
// places, two trust sections. One manifest alone is checked in the same way.
func Merge(ms ...*Manifest) (*Manifest, error) {
	out := new(Manifest)
	var f faults
	for _, m := range ms {
		out.Kernel = mergeKernel(out.Kernel, m.Kernel)
		out.Bootloader = mergeBootloader(out.Bootloader, m.Bootloader)
		out.Init = append(out.Init, m.Init...)
		out.Onboot = append(out.Onboot, m.Onboot...)
		out.Onshutdown = append(out.Onshutdown, m.Onshutdown...)
		out.Services = append(out.Services, m.Services...)
		out.Volumes = append(out.Volumes, m.Volumes...)
		out.Files = append(out.Files, m.Files...)
		out.Timestamps = cmp.Or(m.Timestamps, out.Timestamps)
		out.Warnings = append(out.Warnings, m.Warnings...)
		if m.Trust == nil {
			continue
		}
		if out.Trust != nil {
			f.add(Error{Pos: m.Trust.Pos, Where: "trust", What: "another trust section is at " + out.Trust.Pos.String() + "; only one may be"})
		}
		out.Trust = m.Trust
	}
	out.checkUnique(&f)
	out.checkNames(&f)
	out.checkPlaces(&f)
	if out.Kernel.Image.IsZero() && out.Kernel != (Kernel{}) {
		f.add(Error{Pos: out.Kernel.Pos, Where: "kernel", What: `the key "image" is missing`})
	}
	if out.Bootloader.Image.IsZero() && out.Bootloader != (Bootloader{}) {
		f.add(Error{Pos: out.Bootloader.Pos, Where: "bootloader", What: `the key "image" is missing`})
	}
	if err := f.errInOrder(); err != nil {
		return nil, err
	}
	return out, nil
}

func mergeKernel(a, b Kernel) Kernel {
	k := Kernel{
		Image:   a.Image,
		Cmdline: cmp.Or(b.Cmdline, a.Cmdline),
		Binary:  cmp.Or(b.Binary, a.Binary),
		Tar:     cmp.Or(b.Tar, a.Tar), // not nil counts: "" is given and means none
		UCode:   cmp.Or(b.UCode, a.UCode),
		Pos:     a.Pos,
	}
	if !b.Image.IsZero() {
		k.Image = b.Image
	}
	if a.Image.IsZero() && b.Pos != (Pos{}) {
		k.Pos = b.Pos
	}
	return k
}

func mergeBootloader(a, b Bootloader) Bootloader {
	l := Bootloader{Image: a.Image, Title: cmp.Or(b.Title, a.Title), Timeout: cmp.Or(b.Timeout, a.Timeout), Pos: a.Pos}
	if !b.Image.IsZero() {
		l.Image = b.Image
	}
	if a.Image.IsZero() && b.Pos != (Pos{}) {
		l.Pos = b.Pos
	}
	return l
}

// Place is where a container stands in a manifest.
type Place struct {
	Section string // onboot, onshutdown or services
	Index   int    // in the section, from 0
}

// The sections that list containers.
const (
	Onboot     = "onboot"
	Onshutdown = "onshutdown"
	Services   = "services"
)

// Containers yields every container with its place: those of onboot, then
// onshutdown, then services. They may be changed through the pointers.
func (m *Manifest) Containers() iter.Seq2[Place, *Container] {
	return func(yield func(Place, *Container) bool) {
		for _, s := range []struct {
			name string
			list []Container
		}{{Onboot, m.Onboot}, {Onshutdown, m.Onshutdown}, {Services, m.Services}} {
			for i := range s.list {
				if !yield(Place{s.name, i}, &s.list[i]) {
					return
				}
			}
		}
	}
}

// Where names a container for people: "services[2] nginx".
func (p Place) Where(c *Container) string {
	return c.where(p.Section, p.Index)
}

// ImageUse is one place where a manifest names an image.
type ImageUse struct {
	Where     string // such as "kernel", "bootloader", "init[0]", "services[2] nginx", "volumes[1] web"
	Ref       Ref
	Pos       Pos
	Platforms []Platform // that it is named for, sorted, each once; none stands for the one that is built for
}

// Images returns every place where an image is named, in the order kernel,
// bootloader, init, onboot, onshutdown, services, volumes. An image that is named twice
// comes twice.
func (m *Manifest) Images() []ImageUse {
	var uses []ImageUse
	if !m.Kernel.Image.IsZero() {
		uses = append(uses, ImageUse{Where: "kernel", Ref: m.Kernel.Image, Pos: m.Kernel.Pos})
	}
	if !m.Bootloader.Image.IsZero() {
		uses = append(uses, ImageUse{Where: "bootloader", Ref: m.Bootloader.Image, Pos: m.Bootloader.Pos})
	}
	for i, image := range m.Init {
		uses = append(uses, ImageUse{Where: fmt.Sprintf("init[%d]", i), Ref: image.Image, Pos: image.Pos})
	}
	for place, c := range m.Containers() {
		uses = append(uses, ImageUse{Where: place.Where(c), Ref: c.Image, Pos: c.Pos})
	}
	for i, v := range m.Volumes {
		if !v.Image.IsZero() {
			uses = append(uses, ImageUse{fmt.Sprintf("volumes[%d] %s", i, v.Name), v.Image, v.Pos, v.WantedPlatforms()})
		}
	}
	return uses
}

// firstID is the number of the first container.
const firstID = 100

// IDs returns the numbers of the containers that uid and gid may name: 100,
// 101, … over onboot, onshutdown and services, one for each name. What kept
// holds (a lock's ids) stays; further names get numbers above all of kept, so
// that no file changes its owner and none is inherited. Names that are gone are
// dropped. A container called root has none: root is 0.
func IDs(m *Manifest, kept map[string]uint32) (map[string]uint32, error) {
	next := uint32(firstID)
	owner := make(map[uint32]string, len(kept))
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		n := kept[name]
		if other, taken := owner[n]; taken {
			return nil, fmt.Errorf("ids: %s and %s have the same number %d", other, name, n)
		}
		if n < firstID || n == math.MaxUint32 {
			return nil, fmt.Errorf("ids: %s has the number %d; want one from %d", name, n, firstID)
		}
		owner[n] = name
		next = max(next, n+1)
	}
	ids := make(map[string]uint32)
	for _, c := range m.Containers() {
		if _, done := ids[c.Name]; done || c.Name == rootUser {
			continue
		}
		if n, ok := kept[c.Name]; ok {
			ids[c.Name] = n
			continue
		}
		if next == math.MaxUint32 {
			return nil, fmt.Errorf("ids: there is no number left for %s", c.Name)
		}
		ids[c.Name] = next
		next++
	}
	return ids, nil
}

// checkNames notes users, groups and volumes that are named and are not there.
func (m *Manifest) checkNames(f *faults) {
	users := []string{rootUser}
	for _, c := range m.Containers() {
		users = append(users, c.Name)
	}
	var volumes []string
	for _, v := range m.Volumes {
		volumes = append(volumes, v.Name)
	}
	for place, c := range m.Containers() {
		n := names{f, place.Where(c), c.Pos, c.node}
		n.user("uid", users, c.UID)
		n.user("gid", users, c.GID)
		for i := range c.AdditionalGids {
			n.element("additionalGids", i).user("", users, &c.AdditionalGids[i])
		}
		for i, b := range c.Binds {
			n.element("binds", i).volume(b, volumes)
		}
		for i, b := range c.BindsAdd {
			n.element("binds.add", i).volume(b, volumes)
		}
	}
	for i := range m.Files {
		file := &m.Files[i]
		n := names{f, fmt.Sprintf("files[%d] %s", i, printable(file.Path)), file.Pos, file.node}
		n.user("uid", users, &file.UID)
		n.user("gid", users, &file.GID)
	}
}

// names checks what one entry names.
type names struct {
	f     *faults
	where string
	pos   Pos
	node  *yaml.Node // for positions; nil where there is none
}

// at returns n for the value of one key.
func (n names) at(key string) names {
	if key == "" {
		return n
	}
	n.where += ": " + key
	return n.on(lookup(n.node, key))
}

// element returns n for one element of a key's list.
func (n names) element(key string, i int) names {
	n.where += fmt.Sprintf(": %s[%d]", key, i)
	return n.on(element(lookup(n.node, key), i))
}

func (n names) on(node *yaml.Node) names {
	if n.node = node; node != nil {
		n.pos.Line, n.pos.Col = node.Line, node.Column
	}
	return n
}

func (n names) user(key string, users []string, id *ID) {
	if id == nil || id.Name == "" || slices.Contains(users, id.Name) {
		return
	}
	at := n.at(key)
	n.f.add(Error{at.pos, at.where, fmt.Sprintf("no container is called %q%s", id.Name, meant(id.Name, users))})
}

func (n names) volume(bind string, volumes []string) {
	b, err := ParseBind(bind)
	if err != nil || b.VolumeName() == "" || slices.Contains(volumes, b.VolumeName()) {
		return
	}
	n.f.add(Error{n.pos, n.where, fmt.Sprintf("no volume is called %q%s", b.VolumeName(), meant(b.VolumeName(), volumes))})
}

// checkPlaces notes local references that are spelt alike and are not the same
// place, since locks know them by their spelling.
func (m *Manifest) checkPlaces(f *faults) {
	seen := map[string]ImageUse{}
	for _, use := range m.Images() {
		name := use.Ref.String()
		first, found := seen[name]
		if !found {
			seen[name] = use
			continue
		}
		if first.Ref.File() != use.Ref.File() {
			f.add(Error{use.Pos, use.Where, fmt.Sprintf("%s is %s here and %s at %s: spell one of them otherwise", name, use.Ref.File(), first.Ref.File(), first.Pos)})
		}
	}
}
