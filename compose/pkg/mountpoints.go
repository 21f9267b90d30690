package pkg

import (
	"fmt"
	"slices"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// defaultMounts are the directories that every container has something mounted on;
// composing makes them.
func defaultMounts() []string { return []string{"dev", "proc", "sys", "etc/resolv.conf", "etc/hosts"} }

// mountPoints finds what the label mounts where a read-only image has nothing: no
// runtime can make a mount point there.
func mountPoints(c spec.Config, t *rootfs.Tree) []error {
	if c.Readonly == nil || !*c.Readonly {
		return nil
	}
	var faults []error
	check := func(key, destination string) {
		path, err := rootfs.Follow(destination, t.At)
		if err != nil {
			faults = append(faults, fmt.Errorf("config: %s: %s: %w", key, destination, err))
			return
		}
		if path == "" || t.At(path) != nil || inEvery(path) {
			return
		}
		faults = append(faults, fmt.Errorf("config: %s: the image has no %s to mount on, and is read-only: add it to files", key, destination))
	}
	for _, text := range slices.Concat(c.Binds, c.BindsAdd) {
		if b, err := spec.ParseBind(text); err == nil { // a label that is read has good ones
			check("binds", b.Destination)
		}
	}
	for _, text := range c.Tmpfs {
		destination, _, _ := strings.Cut(text, ":")
		check("tmpfs", destination)
	}
	for _, m := range c.Mounts {
		check("mounts", m.Path())
	}
	return faults
}

// inEvery tells whether composing makes a path in every container.
func inEvery(path string) bool {
	return slices.ContainsFunc(defaultMounts(), func(d string) bool { return path == d || rootfs.Below(path, d) })
}
