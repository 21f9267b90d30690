package bundle

import (
	"errors"
	"fmt"
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/spec"
)

// runtimeFile is runtime.json. Every key is always there, so that a reader
// needs to tell nothing absent from something empty; a nil list is written as
// an empty one.
type runtimeFile struct {
	Cgroups    []string           `json:"cgroups"`
	Mounts     []specs.Mount      `json:"mounts"`
	Mkdir      []string           `json:"mkdir"`
	Interfaces []runtimeInterface `json:"interfaces"`
	BindNS     runtimeNamespaces  `json:"bindNS"`
	Namespace  string             `json:"namespace"`
}

type runtimeInterface struct {
	Name         string `json:"name"`
	Add          string `json:"add"`
	Peer         string `json:"peer"`
	CreateInRoot bool   `json:"createInRoot"`
}

type runtimeNamespaces struct {
	Cgroup string `json:"cgroup"`
	Ipc    string `json:"ipc"`
	Mnt    string `json:"mnt"`
	Net    string `json:"net"`
	Pid    string `json:"pid"`
	User   string `json:"user"`
	Uts    string `json:"uts"`
}

// Runtime returns the bytes of runtime.json for a container that lies at l: what
// the system's init does around it. Its mounts are made in their order before
// the container is created: first those that put its root filesystem together
// (they lie on the system, and are absolute), then c.Runtime.Mounts, in which a
// relative destination is below the container's root filesystem. The
// directories of mkdir are made after them, and may lie below them.
func Runtime(c spec.Config, l Layout) ([]byte, error) {
	r := c.Runtime
	mounts, err := runtimeMounts(r.Mounts, l)
	if err != nil {
		return nil, err
	}
	if err := checkRuntimePaths(r); err != nil {
		return nil, err
	}
	interfaces := make([]runtimeInterface, len(r.Interfaces))
	for i, n := range r.Interfaces {
		if n.Name == "" {
			return nil, fmt.Errorf("runtime: interfaces: [%d] has no name", i)
		}
		interfaces[i] = runtimeInterface(n)
	}
	return spec.MarshalCanonical(runtimeFile{
		Cgroups:    r.Cgroups,
		Mounts:     mounts,
		Mkdir:      r.Mkdir,
		Interfaces: interfaces,
		BindNS: runtimeNamespaces{
			Cgroup: value(r.BindNS.Cgroup),
			Ipc:    value(r.BindNS.Ipc),
			Mnt:    value(r.BindNS.Mnt),
			Net:    value(r.BindNS.Net),
			Pid:    value(r.BindNS.Pid),
			User:   value(r.BindNS.User),
			Uts:    value(r.BindNS.Uts),
		},
		Namespace: value(r.Namespace),
	})
}

// runtimeMounts are the mounts of the root filesystem, and the user's.
func runtimeMounts(given []spec.Mount, l Layout) ([]specs.Mount, error) {
	all := rootMounts(l)
	for i, m := range given {
		err := checkSteps(m.Destination)
		if m.Destination == "" {
			err = errors.New("has no destination")
		}
		if err != nil {
			return nil, fmt.Errorf("runtime: mounts: [%d]: %w", i, err)
		}
		all = append(all, specs.Mount{
			Destination: m.Destination,
			Type:        m.Type,
			Source:      m.Source,
			Options:     m.Options,
			UIDMappings: mappings(m.UIDMappings),
			GIDMappings: mappings(m.GIDMappings),
		})
	}
	return all, nil
}

// rootMounts make the container's root filesystem.
func rootMounts(l Layout) []specs.Mount {
	bundle, files := "/"+l.Path, "/"+l.Files
	root := path.Join(bundle, rootDir)
	if l.Readonly {
		// Also where the files are in place already: a runtime wants the root
		// filesystem to be a mount point.
		return []specs.Mount{{Destination: root, Source: files, Options: []string{"bind"}}}
	}
	tmp := path.Join(bundle, "tmp")
	return []specs.Mount{
		{Destination: tmp, Type: "tmpfs", Source: "tmpfs"},
		// Nobody else shall see the layers that are only half of a filesystem.
		{Destination: tmp, Options: []string{"remount", "private"}},
		{Destination: root, Type: "overlay", Source: "overlay", Options: []string{
			"lowerdir=" + files,
			"upperdir=" + path.Join(tmp, "upper"),
			"workdir=" + path.Join(tmp, "work"),
		}},
	}
}

// checkRuntimePaths refuses paths that leave the place they are relative to, and
// files for namespaces that are relative to nothing.
func checkRuntimePaths(r spec.Runtime) error {
	for _, list := range []struct {
		key   string
		paths []string
	}{{"cgroups", r.Cgroups}, {"mkdir", r.Mkdir}} {
		for i, p := range list.paths {
			if err := checkSteps(p); err != nil {
				return fmt.Errorf("runtime: %s: [%d]: %w", list.key, i, err)
			}
		}
	}
	n := r.BindNS
	for _, ns := range []struct {
		key  string
		path *string
	}{
		{"cgroup", n.Cgroup},
		{"ipc", n.Ipc},
		{"mnt", n.Mnt},
		{"net", n.Net},
		{"pid", n.Pid},
		{"user", n.User},
		{"uts", n.Uts},
	} {
		if value(ns.path) == "" {
			continue
		}
		if err := checkDestination(*ns.path); err != nil {
			return fmt.Errorf("runtime: bindNS: %s: %w", ns.key, err)
		}
	}
	return nil
}
