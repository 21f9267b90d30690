package spec

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Parse reads a manifest. name is its file for errors, and local references
// and sources are relative to its folder; "-" is standard input. The error
// holds every fault of the file as an [Error].
//
// What can only be judged over all manifests of a build is left to [Merge]:
// whether kernel has an image, and users and volumes that containers name.
func Parse(name string, data []byte) (*Manifest, error) {
	n, warnings, err := readYAML(name, data, manifestFile())
	if err != nil {
		return nil, err
	}
	d := &decoder{file: name, base: baseOf(name)}
	m := new(Manifest)
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		d.fail(n, "the manifest is empty; want at least one section, such as services")
	}
	n, legacy := d.dropLegacyTrust(n)
	d.value(n, valueOf(m), "")
	m.Warnings = append(warnings, legacy...)
	m.checkUnique(&d.faults)
	if err := d.faults.err(); err != nil {
		return nil, err
	}
	return m, nil
}

// baseOf returns the folder of a manifest, "" for the one that is read from.
func baseOf(name string) string {
	if dir := filepath.Dir(name); dir != "." {
		return dir
	}
	return ""
}

// valueOf returns what p points to, which can be set.
func valueOf(p any) reflect.Value {
	return reflect.ValueOf(p).Elem()
}

// element returns an element of a list, nil where it is not there.
func element(n *yaml.Node, i int) *yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode || i >= len(n.Content) {
		return n
	}
	return follow(n.Content[i])
}

func (d *decoder) index(i int) step {
	return step{text: fmt.Sprintf("[%d]", i)}
}

func (k *Kernel) checkNode(d *decoder, n *yaml.Node) {
	k.Pos = d.pos(n)
}

func (b *Bootloader) checkNode(d *decoder, n *yaml.Node) {
	b.Pos = d.pos(n)
}

func (c *Container) checkNode(d *decoder, n *yaml.Node) {
	c.Pos, c.node = d.pos(n), n
	c.Config.checkNode(d, n)
}

// checkNode applies the rules over several keys, and gives the words for all
// and no capabilities their one spelling.
func (c *Config) checkNode(d *decoder, n *yaml.Node) {
	for _, list := range []struct {
		key  string
		caps []string
	}{{"capabilities", c.Capabilities}, {"capabilities.add", c.CapabilitiesAdd}, {"ambient", c.Ambient}} {
		for i, name := range list.caps {
			if !isCapabilityWord(name) {
				continue
			}
			list.caps[i] = strings.ToLower(name)
			if len(list.caps) > 1 {
				d.failAt(n, list.key, "%q must be the only entry of the list", name)
				break
			}
		}
	}
}

func (m *Mount) checkNode(d *decoder, n *yaml.Node) {
	kind := m.Kind()
	switch {
	case d.spoiled:
		return
	case kind == "":
		d.fail(n, "the key \"type\" is missing, and does not follow from the source")
	case m.Path() == "":
		d.fail(n, "the key \"destination\" is missing, and does not follow from the type %s", kind)
	case slices.Contains(strings.Split(m.Destination, "/"), ".."):
		d.failAt(n, "destination", "%q leads out of the root: .. is not allowed", m.Destination)
	}
	if slices.Contains(m.Options, "") {
		d.failAt(n, "options", "an option is empty")
	}
}

func (v *Device) checkNode(d *decoder, n *yaml.Node) {
	switch {
	case d.spoiled:
	case v.Path == allDevices && v.Mode.Set:
		d.failAt(n, "mode", "the path all makes no node that could have a mode")
	case v.Mode.Bits > maxDeviceMode:
		d.failAt(n, "mode", "%q is not a device's mode: the highest is \"0777\"", v.Mode)
	case v.Path != allDevices && v.Type == "a":
		d.failAt(n, "type", "the type a (any) goes with the path all alone")
	}
}

// checkNode sees that there is one thing that the file is made of.
func (f *File) checkNode(d *decoder, n *yaml.Node) {
	f.Pos, f.node = d.pos(n), n
	if d.spoiled {
		return
	}
	var given []string
	for _, kind := range []struct {
		key string
		is  bool
	}{
		{"contents", f.Contents != nil},
		{"source", f.Source != ""},
		{"symlink", f.Symlink != ""},
		{"directory", f.Directory},
		{"metadata", lookup(n, "metadata") != nil},
	} {
		if kind.is {
			given = append(given, kind.key)
		}
	}
	switch {
	case len(given) == 0:
		d.fail(n, "there is nothing to make: want one of contents, source, symlink, directory or metadata")
	case len(given) > 1:
		d.failAt(n, given[1], "%s excludes %s: a file is one of contents, source, symlink, directory or metadata", given[0], given[1])
	}
	if f.Optional && f.Source == "" {
		d.failAt(n, "optional", "only a source can be optional")
	}
	if strings.HasPrefix(f.Source, "~") && !strings.HasPrefix(f.Source, "~/") {
		d.failAt(n, "source", "%q: only ~/ stands for a home, the user's own", f.Source)
	}
}

func (v *Volume) checkNode(d *decoder, n *yaml.Node) {
	v.Pos = d.pos(n)
	switch {
	case d.spoiled:
	case v.Format == VolumeOCI && v.Image.IsZero():
		d.failAt(n, "format", "an oci volume needs an image")
	case v.Format != VolumeOCI && len(v.Platforms) > 1:
		d.failAt(n, "platforms", "only a volume with the format oci can hold several platforms")
	case len(v.Platforms) > 0 && v.Image.IsZero():
		d.failAt(n, "platforms", "there is no image that could have platforms")
	}
}

// WantedPlatforms returns the platforms that the volume names, sorted and each
// once; none stands for the one that is built for.
func (v *Volume) WantedPlatforms() []Platform {
	var wanted []Platform
	for _, text := range v.Platforms {
		if p, err := ParsePlatform(text); err == nil { // Parse has checked each
			wanted = append(wanted, p)
		}
	}
	slices.SortFunc(wanted, ComparePlatforms)
	return slices.Compact(wanted)
}

// checkUnique notes names of services and of volumes that come twice.
func (m *Manifest) checkUnique(f *faults) {
	seen := map[string]Pos{}
	for i, s := range m.Services {
		unique(f, seen, s.Name, Error{Pos: s.Pos, Where: s.where("services", i), What: "service"})
	}
	clear(seen)
	for i, v := range m.Volumes {
		unique(f, seen, v.Name, Error{Pos: v.Pos, Where: fmt.Sprintf("volumes[%d] %s", i, v.Name), What: "volume"})
	}
}

// unique notes at whose What is the kind of thing that name is, where name has been seen.
func unique(f *faults, seen map[string]Pos, name string, at Error) {
	first, found := seen[name]
	if name == "" {
		return
	}
	if !found {
		seen[name] = at.Pos
		return
	}
	at.What = fmt.Sprintf("another %s is called %q: see %s", at.What, name, first)
	f.add(at)
}

// SourceFile returns the path of the file's source: below home where it begins
// with "~/", and otherwise relative to the folder of the manifest; "" where
// there is no source.
func (f File) SourceFile(home string) string {
	if rest, ok := strings.CutPrefix(f.Source, "~/"); ok {
		return filepath.Join(home, rest)
	}
	if f.Source == "" || filepath.IsAbs(f.Source) {
		return f.Source
	}
	return filepath.Join(baseOf(f.Pos.File), f.Source)
}

// where names a container for people.
func (c *Container) where(section string, i int) string {
	return fmt.Sprintf("%s[%d] %s", section, i, printable(c.Name))
}
