package bundle

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/spec"
)

// MountPoint is a place that the container's root filesystem must have.
type MountPoint struct {
	Destination string // an absolute, clean path in the container
	Source      string // what is mounted there: a path of the system where Bind, else a word such as proc
	Bind        bool   // Source is bound there; the mount point must be of its type
}

// BindMounts returns the places that a runtime makes in the container's root
// filesystem where they are missing; one that is read-only must have them, but
// for those that are below the destination of another.
//
// First, in path order, come the mounts: the default ones, tmpfs, binds and
// mounts. Last comes the working directory, if it is not the root, as a place
// without a source.
//
// The result is empty where the mounts of c are wrong; [Config] says what is.
func BindMounts(c spec.Config) []MountPoint {
	all, err := containerMounts(c)
	if err != nil {
		return nil
	}
	var points []MountPoint
	for _, m := range all {
		points = append(points, MountPoint{Destination: m.Destination, Source: m.Source, Bind: isBind(m.Type, m.Options)})
	}
	if cwd := path.Clean(c.Cwd); checkDestination(c.Cwd) == nil && cwd != "/" {
		points = append(points, MountPoint{Destination: cwd})
	}
	return points
}

// containerMounts returns every mount of the container in path order. A later list wins
// a destination from those before it; within one list it is an error to have
// a destination twice.
func containerMounts(c spec.Config) ([]specs.Mount, error) {
	byDestination := map[string]specs.Mount{}
	for _, list := range []struct {
		key  string
		read func(spec.Config) ([]specs.Mount, error)
	}{
		{"default mounts", defaultMounts},
		{"tmpfs", tmpfsMounts},
		{"binds", bindMounts},
		{"mounts", ownMounts},
	} {
		given, err := list.read(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", list.key, err)
		}
		seen := map[string]bool{}
		for _, m := range given {
			if err := checkDestination(m.Destination); err != nil {
				return nil, fmt.Errorf("%s: destination %w", list.key, err)
			}
			m.Destination = path.Clean(m.Destination)
			if seen[m.Destination] {
				return nil, fmt.Errorf("%s: two have the destination %s: keep one", list.key, m.Destination)
			}
			seen[m.Destination] = true
			byDestination[m.Destination] = m
		}
	}
	return slices.SortedFunc(maps.Values(byDestination), func(a, b specs.Mount) int {
		return comparePaths(a.Destination, b.Destination)
	}), nil
}

// defaultMounts are what every container has. /dev/shm and /dev/mqueue, usual
// elsewhere, are not among them, as in linuxkit.
func defaultMounts(c spec.Config) ([]specs.Mount, error) {
	dev := []string{"nosuid", "strictatime", "mode=755", "size=65536k"}
	sys := []string{"nosuid", "noexec", "nodev"}
	if isReadonly(c) {
		dev = append(dev, "ro")
		sys = append(sys, "ro")
	}
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "nodev", "noexec", "relatime"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: dev},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: sys},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
	}, nil
}

// tmpfsMounts reads the tmpfs list.
func tmpfsMounts(c spec.Config) ([]specs.Mount, error) {
	var all []specs.Mount
	for _, text := range c.Tmpfs {
		t, err := spec.ParseTmpfs(text)
		if err != nil {
			return nil, err
		}
		all = append(all, specs.Mount{Destination: t.Destination, Type: "tmpfs", Source: "tmpfs", Options: t.Options})
	}
	return all, nil
}

// bindMounts reads the binds. Without options a bind is writable, takes what is
// mounted below its source with it, and shares later mounts both ways.
func bindMounts(c spec.Config) ([]specs.Mount, error) {
	var all []specs.Mount
	for _, text := range c.Binds {
		b, err := spec.ParseBind(text)
		if err != nil {
			return nil, err
		}
		source, err := bindSource(b.Source)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		options := []string{"rw", "rbind", "rshared"}
		if b.Options != nil {
			options = withOption(b.Options, "rbind")
		}
		all = append(all, specs.Mount{Destination: b.Destination, Type: bindType, Source: source, Options: options})
	}
	return all, nil
}

// ownMounts reads the mounts, and fills in what follows from the rest of each.
func ownMounts(c spec.Config) ([]specs.Mount, error) {
	var all []specs.Mount
	for i, given := range c.Mounts {
		m, err := ownMount(given)
		if err != nil {
			return nil, fmt.Errorf("[%d] %s: %w", i, given.Destination, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func ownMount(given spec.Mount) (specs.Mount, error) {
	m := specs.Mount{
		Destination: given.Path(),
		Type:        given.Kind(),
		Source:      given.From(),
		Options:     given.Options,
		UIDMappings: mappings(given.UIDMappings),
		GIDMappings: mappings(given.GIDMappings),
	}
	bind := isBind(m.Type, m.Options)
	switch {
	case m.Type == "" && bind:
		m.Type = bindType
	case m.Type == "":
		return m, errors.New("has no type: say which filesystem it is, or bind")
	}
	if m.Destination == "" {
		return m, fmt.Errorf("has no destination: say where the %s goes", m.Type)
	}
	if !bind {
		return m, nil
	}
	if !isBind("", m.Options) {
		// The option is what makes the kernel bind; the type is only a word.
		m.Options = withOption(m.Options, "rbind")
	}
	var err error
	m.Source, err = bindSource(given.Source)
	return m, err
}

// bindType is the type of a mount that binds.
const bindType = "bind"

// isBind tells whether a mount binds a path that exists already (config.md,
// "Mounts"): by its options, or by the type that is written for it.
func isBind(mountType string, options []string) bool {
	return mountType == bindType || slices.Contains(options, "bind") || slices.Contains(options, "rbind")
}

// bindSource checks that the source of a bind is a path of the system.
func bindSource(source string) (string, error) {
	if !path.IsAbs(source) {
		return "", fmt.Errorf("the source %q is neither an absolute path nor a volume of the manifest", source)
	}
	return path.Clean(source), nil
}

// withOption returns options with one more, unless it is among them. It does
// not write to the caller's array.
func withOption(options []string, option string) []string {
	if slices.Contains(options, option) {
		return options
	}
	return append(slices.Clip(options), option)
}
