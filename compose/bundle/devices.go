package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/spec"
)

// allDevices is the path that stands for every device of a type.
const allDevices = "all"

// devices returns the nodes that the container gets, sorted by path, and the
// rules that allow them to its control group, which denies by default.
func devices(given []spec.Device) ([]specs.LinuxDevice, []specs.LinuxDeviceCgroup, error) {
	sorted := slices.Clone(given)
	slices.SortFunc(sorted, func(a, b spec.Device) int {
		return cmp.Or(comparePaths(a.Path, b.Path), cmp.Compare(a.Type, b.Type))
	})
	var nodes []specs.LinuxDevice
	var rules []specs.LinuxDeviceCgroup
	for i, d := range sorted {
		if i > 0 && d.Path == sorted[i-1].Path && (d.Path != allDevices || d.Type == sorted[i-1].Type) {
			return nil, nil, fmt.Errorf("devices: %s stands there twice: keep one", d.Path)
		}
		node, rule, err := device(d)
		if err != nil {
			return nil, nil, fmt.Errorf("devices: %s: %w", d.Path, err)
		}
		nodes = append(nodes, node...)
		rules = append(rules, rule...)
	}
	return nodes, rules, nil
}

// device returns the node and the rule for one device, each at most one.
func device(d spec.Device) ([]specs.LinuxDevice, []specs.LinuxDeviceCgroup, error) {
	kind, ok := ruleTypes(d.Type)
	if !ok {
		return nil, nil, fmt.Errorf("there is no type %q: want c or u (character), b (block) or p (fifo)", d.Type)
	}
	if d.Path == allDevices {
		if kind == "" || d.Major != 0 || d.Minor != 0 {
			return nil, nil, errors.New("this allows every device of type a, b or c: it takes no major and no minor")
		}
		return nil, []specs.LinuxDeviceCgroup{{Allow: true, Type: kind, Access: "rwm"}}, nil
	}
	if d.Type == "a" {
		return nil, nil, errors.New("a device has the type c, u, b or p: a is for the path all")
	}
	if err := checkDestination(d.Path); err != nil {
		return nil, nil, err
	}
	node := specs.LinuxDevice{Path: path.Clean(d.Path), Type: d.Type, Major: d.Major, Minor: d.Minor}
	if d.Mode.Set {
		mode := os.FileMode(d.Mode.Bits)
		node.FileMode = &mode
	}
	if kind == "" {
		return []specs.LinuxDevice{node}, nil, nil
	}
	rule := specs.LinuxDeviceCgroup{Allow: true, Type: kind, Major: &d.Major, Minor: &d.Minor, Access: "rwm"}
	return []specs.LinuxDevice{node}, []specs.LinuxDeviceCgroup{rule}, nil
}

// ruleTypes returns the type that a control group's rule has for a device's
// type: "" for a fifo, which it does not control. ok is false for an unknown type.
func ruleTypes(deviceType string) (rule string, ok bool) {
	switch deviceType {
	case "a", "b", "c":
		return deviceType, true
	case "u":
		return "c", true
	case "p":
		return "", true
	}
	return "", false
}

// checkPlaces refuses devices for which a runtime would have to make a node in
// a read-only root filesystem: it can where something is mounted.
func checkPlaces(nodes []specs.LinuxDevice, mounts []specs.Mount) error {
	for _, n := range nodes {
		covers := func(m specs.Mount) bool { return below(n.Path, m.Destination) }
		if !slices.ContainsFunc(mounts, covers) {
			return fmt.Errorf("devices: %s: the container is read-only: give the device a path below /dev, or a tmpfs around it", n.Path)
		}
	}
	return nil
}
