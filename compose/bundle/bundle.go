// Package bundle writes the OCI runtime bundle of a container: config.json,
// which a runtime such as runc reads, and runtime.json beside it, which the
// system's init reads before it calls the runtime.
//
// Both are pure functions of the container's configuration. What the
// configuration says as a set (capabilities, binds, tmpfs, mounts, devices,
// groups, rlimits, masked and read-only paths, id mappings) is sorted, so that
// the order in which somebody wrote it does not reach the bytes; what it says
// as a sequence (command, env, options of one mount, the steps of runtime)
// stays as it is.
//
// The defaults are linuxkit's, so that package images made for it run
// unchanged: few mounts, no capabilities, the system's namespaces but for
// processes and mounts. The runtime specification is meant wherever these
// comments say config.md or config-linux.md.
//
// A path that stands in a configuration is never trusted: destinations are
// absolute and without "..", sources of binds are absolute once [Volumes] has
// replaced the names of volumes.
//
//	c, err := bundle.Volumes(c, volumes)
//	config, err := bundle.Config(c, lock.IDs)
//	runtime, err := bundle.Runtime(c, bundle.Layout{Path: path, Files: path + "/lower"})
package bundle

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/spec"
)

// Layout says where in the tree a bundle and its files lie. Paths are slash-separated and relative to the root of the tree.
type Layout struct {
	Path     string // "containers/services/nginx"
	Files    string // "containers/services/nginx/lower", or another bundle's copy of the same image
	Readonly bool   // the container has no writable layer over Files
}

// ociVersion is the version of the runtime specification that every config.json
// names. It is the oldest that knows all that a configuration can say (id
// mappings of mounts came with it). It is not the constant of the specs-go
// module, because then an update of that module would change every image.
const ociVersion = "1.1.0"

// rootDir is the container's root filesystem, relative to its bundle.
const rootDir = "rootfs"

// Config returns the bytes of config.json for a container whose configuration
// is c: image, label and manifest already one over the other, and the names of
// volumes already paths (see [Volumes]). ids are the numbers of users and
// groups that c names.
//
// An error says which key is wrong, and what to write instead; it does not say
// which container it is.
func Config(c spec.Config, ids map[string]uint32) ([]byte, error) {
	proc, err := process(c, ids)
	if err != nil {
		return nil, err
	}
	mounts, err := containerMounts(c)
	if err != nil {
		return nil, err
	}
	linux, err := linuxPart(c)
	if err != nil {
		return nil, err
	}
	if isReadonly(c) {
		if err := checkPlaces(linux.Devices, mounts); err != nil {
			return nil, err
		}
	}
	return spec.MarshalCanonical(specs.Spec{
		Version:     ociVersion,
		Process:     proc,
		Root:        &specs.Root{Path: rootDir, Readonly: isReadonly(c)},
		Hostname:    value(c.Hostname),
		Mounts:      mounts,
		Annotations: c.Annotations,
		Linux:       linux,
	})
}

// isReadonly tells whether c asks for a read-only root filesystem.
func isReadonly(c spec.Config) bool {
	return value(c.Readonly)
}

// value returns what p points to, or the zero value where nothing was given.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
