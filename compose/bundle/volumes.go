package bundle

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/composeos/compose/spec"
)

// Volume is what a container must know about a volume of the manifest.
type Volume struct {
	Readonly bool // it must be bound with the option ro
}

// VolumePath returns where the system has the volume called name.
func VolumePath(name string) string {
	return "/containers/volumes/" + name + "/merged"
}

// Volumes returns c with the name of each volume that stands as the source of a
// bind, or of an entry of mounts that binds, replaced by the volume's path. A
// source that begins with / is a path and stays. vols are the manifest's volumes
// by name.
//
// It is an error to name a volume that there is not, and to bind a read-only
// volume without the option ro. The lists of the argument are not changed.
func Volumes(c spec.Config, vols map[string]Volume) (spec.Config, error) {
	c.Binds = slices.Clone(c.Binds)
	for i, text := range c.Binds {
		b, err := spec.ParseBind(text)
		if err != nil {
			return c, fmt.Errorf("binds: %w", err)
		}
		source, err := volumeSource(b.Source, b.Options, vols)
		if err != nil {
			return c, fmt.Errorf("binds: %s: %w", text, err)
		}
		c.Binds[i] = source + strings.TrimPrefix(text, b.Source)
	}
	c.Mounts = slices.Clone(c.Mounts)
	for i, m := range c.Mounts {
		if !isBind(m.Type, m.Options) || m.Source == "" {
			continue
		}
		source, err := volumeSource(m.Source, m.Options, vols)
		if err != nil {
			return c, fmt.Errorf("mounts: [%d] %s: %w", i, m.Destination, err)
		}
		c.Mounts[i].Source = source
	}
	return c, nil
}

// volumeSource returns the path that the source of a bind means.
func volumeSource(source string, options []string, vols map[string]Volume) (string, error) {
	if path.IsAbs(source) {
		return source, nil
	}
	v, ok := vols[source]
	if !ok {
		known := "the manifest has none"
		if len(vols) > 0 {
			known = "there are " + strings.Join(slices.Sorted(maps.Keys(vols)), ", ")
		}
		return "", fmt.Errorf("no volume is called %q (%s): a path begins with /", source, known)
	}
	if v.Readonly && !bindsReadonly(options) {
		return "", fmt.Errorf("the volume %s is read-only: bind it with the option ro", source)
	}
	return VolumePath(source), nil
}

// bindsReadonly tells whether options make a mount read-only; the last word counts.
func bindsReadonly(options []string) bool {
	ro := false
	for _, o := range options {
		switch o {
		case "ro", "rro":
			ro = true
		case "rw", "rrw":
			ro = false
		}
	}
	return ro
}
