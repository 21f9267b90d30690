package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/spec"
)

// The words for namespaces.
const (
	nsRoot = "root" // linuxkit's older word for host
	nsHost = "host" // the system's
	nsNew  = "new"  // one of its own
	nsNone = "none" // one of its own in which there is nothing: only for net
)

// linuxPart returns the part of config.json that is Linux's (config-linux.md).
func linuxPart(c spec.Config) (*specs.Linux, error) {
	spaces, err := namespaces(c)
	if err != nil {
		return nil, err
	}
	nodes, rules, err := devices(c.Devices)
	if err != nil {
		return nil, err
	}
	masked, err := pathSet("maskedPaths", c.MaskedPaths)
	if err != nil {
		return nil, err
	}
	readonly, err := pathSet("readonlyPaths", c.ReadonlyPaths)
	if err != nil {
		return nil, err
	}
	// A copy: the caller's rules must not grow by ours. It is there even when it
	// is empty, because linuxkit always writes it.
	resources := value(c.Resources)
	resources.Devices = slices.Concat(resources.Devices, rules)
	return &specs.Linux{
		UIDMappings:       mappings(c.UIDMappings),
		GIDMappings:       mappings(c.GIDMappings),
		Sysctl:            c.Sysctl,
		Resources:         &resources,
		CgroupsPath:       value(c.CgroupsPath),
		Namespaces:        spaces,
		Devices:           nodes,
		RootfsPropagation: c.RootfsPropagation,
		MaskedPaths:       masked,
		ReadonlyPaths:     readonly,
	}, nil
}

// namespaces returns the namespaces that the container does not share with the
// system, in a fixed order (config-linux.md, "Namespaces"). The mount namespace
// is always its own.
func namespaces(c spec.Config) ([]specs.LinuxNamespace, error) {
	var spaces []specs.LinuxNamespace
	for _, n := range []struct {
		key, given, byDefault string
		kind                  specs.LinuxNamespaceType
	}{
		{"net", c.Net, nsHost, specs.NetworkNamespace},
		{"ipc", c.Ipc, nsHost, specs.IPCNamespace},
		{"uts", c.Uts, nsHost, specs.UTSNamespace},
		{"pid", c.Pid, nsNew, specs.PIDNamespace},
		{"userns", c.Userns, nsHost, specs.UserNamespace},
	} {
		switch given := cmp.Or(n.given, n.byDefault); {
		case given == nsHost, given == nsRoot:
		case given == nsNew, given == nsNone && n.key == "net":
			spaces = append(spaces, specs.LinuxNamespace{Type: n.kind})
		case path.IsAbs(given):
			spaces = append(spaces, specs.LinuxNamespace{Type: n.kind, Path: given})
		default:
			return nil, fmt.Errorf("%s: %q is no namespace: want host, new or the absolute path of one", n.key, given)
		}
	}
	if err := checkNamespaces(c, spaces); err != nil {
		return nil, err
	}
	return append(spaces, specs.LinuxNamespace{Type: specs.MountNamespace}), nil
}

// checkNamespaces refuses what every runtime would refuse when the container
// starts: settings of a namespace that it shares with the system.
func checkNamespaces(c spec.Config, spaces []specs.LinuxNamespace) error {
	has := func(kind specs.LinuxNamespaceType) bool {
		return slices.ContainsFunc(spaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
	}
	mapped := len(c.UIDMappings) > 0 || len(c.GIDMappings) > 0
	switch {
	case value(c.Hostname) != "" && !has(specs.UTSNamespace):
		return errors.New(`hostname: the container shares the system's host name: add "uts: new"`)
	case mapped && !has(specs.UserNamespace):
		return errors.New(`uidMappings, gidMappings: the container shares the system's users: add "userns: new"`)
	case c.Userns == nsNew && (len(c.UIDMappings) == 0 || len(c.GIDMappings) == 0):
		return errors.New("userns: a new user namespace needs uidMappings and gidMappings: nobody could use it without")
	}
	return nil
}

// mappings returns ms by the ids in the container.
func mappings(ms []specs.LinuxIDMapping) []specs.LinuxIDMapping {
	sorted := slices.Clone(ms)
	slices.SortFunc(sorted, func(a, b specs.LinuxIDMapping) int {
		return cmp.Or(cmp.Compare(a.ContainerID, b.ContainerID), cmp.Compare(a.HostID, b.HostID), cmp.Compare(a.Size, b.Size))
	})
	return slices.Compact(sorted)
}
