package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Grants is what the label of an image gives its container beyond a plain one, for
// who reviews a lock: what it may reach of the system, and what it does to it. Each
// list is sorted. The manifest may say otherwise, and is not part of it.
type Grants struct {
	Binds        []string `json:"binds,omitempty"`        // as in the label, and mounts of paths as "source:destination:options"
	Capabilities []string `json:"capabilities,omitempty"` // CAP_… or all
	Devices      []string `json:"devices,omitempty"`      // "/dev/fuse c 10:229"; "all b" for every one of a type
	Namespaces   []string `json:"namespaces,omitempty"`   // "net=host", or the path of one, for each that the label names
	System       []string `json:"system,omitempty"`       // "rootfsPropagation=shared", "sysctl.NAME=VALUE", "runtime.mkdir=PATH", …
}

// Grants returns what a label gives; c is what the label says, as of
// [Container.Configure] of an empty container without defaults.
func (c *Config) Grants() Grants {
	g := Grants{
		Binds:        slices.Concat(c.Binds, c.BindsAdd),
		Capabilities: c.capabilities(),
		Devices:      deviceGrants(c.Devices, c.Resources),
		System:       c.systemGrants(),
	}
	for _, m := range c.Mounts {
		if m.reachesOut() {
			g.Binds = append(g.Binds, m.grant())
		}
	}
	for _, ns := range []struct{ key, value string }{
		{"net", c.Net}, {"pid", c.Pid}, {"ipc", c.Ipc}, {"uts", c.Uts}, {"userns", c.Userns},
	} {
		switch {
		case ns.value == "host" || ns.value == rootUser: // linuxkit's older word
			g.Namespaces = append(g.Namespaces, ns.key+"=host")
		case strings.HasPrefix(ns.value, "/"):
			g.Namespaces = append(g.Namespaces, ns.key+"="+ns.value)
		}
	}
	for _, list := range []*[]string{&g.Binds, &g.Capabilities, &g.Devices, &g.Namespaces, &g.System} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return g
}

// capabilities returns all that the process can come to have.
func (c *Config) capabilities() []string {
	all := slices.Concat(c.Capabilities, c.CapabilitiesAdd, c.Ambient)
	if slices.Contains(all, AllCapabilities) {
		return []string{AllCapabilities}
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == NoCapabilities })
}

// reachesOut tells whether a mount shows something of the system: a path or a device.
func (m Mount) reachesOut() bool {
	return m.Kind() == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind") || strings.HasPrefix(m.Source, "/")
}

// grant returns the mount as a bind is written, with its type where it is another.
func (m Mount) grant() string {
	s := m.From() + ":" + m.Path()
	if len(m.Options) > 0 {
		s += ":" + strings.Join(m.Options, ",")
	}
	if kind := m.Kind(); kind != "bind" && kind != "" {
		s = kind + " " + s
	}
	return s
}

// deviceGrants returns the nodes that the container gets, and what else its control
// group allows.
func deviceGrants(devices []Device, resources *specs.LinuxResources) []string {
	var out []string
	for _, v := range devices {
		if v.Path == allDevices {
			out = append(out, v.Path+" "+v.Type)
			continue
		}
		out = append(out, fmt.Sprintf("%s %s %d:%d", v.Path, v.Type, v.Major, v.Minor))
	}
	if resources == nil {
		return out
	}
	for _, r := range resources.Devices {
		if r.Allow {
			out = append(out, fmt.Sprintf("allow %s %s:%s %s", r.Type, numberOrAny(r.Major), numberOrAny(r.Minor), r.Access))
		}
	}
	return out
}

func numberOrAny(n *int64) string {
	if n == nil {
		return "*"
	}
	return fmt.Sprint(*n)
}

// systemGrants returns what reaches the system itself: how mounts spread to it, its
// parameters, and what is made on it before the container starts.
func (c *Config) systemGrants() []string {
	var out []string
	add := func(key, value string) { out = append(out, key+"="+value) }
	if c.RootfsPropagation == "shared" {
		add("rootfsPropagation", c.RootfsPropagation)
	}
	if c.CgroupsPath != nil {
		add("cgroupsPath", *c.CgroupsPath)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sysctl)) {
		add("sysctl."+name, c.Sysctl[name])
	}
	for _, group := range c.Runtime.Cgroups {
		add("runtime.cgroups", group)
	}
	for _, m := range c.Runtime.Mounts {
		add("runtime.mounts", m.grant())
	}
	for _, dir := range c.Runtime.Mkdir {
		add("runtime.mkdir", dir)
	}
	for _, i := range c.Runtime.Interfaces {
		add("runtime.interfaces", i.Name)
	}
	ns := c.Runtime.BindNS
	for _, bound := range []struct {
		kind string
		path *string
	}{{"cgroup", ns.Cgroup}, {"ipc", ns.Ipc}, {"mnt", ns.Mnt}, {"net", ns.Net}, {"pid", ns.Pid}, {"user", ns.User}, {"uts", ns.Uts}} {
		if bound.path != nil {
			add("runtime.bindNS."+bound.kind, *bound.path)
		}
	}
	return out
}
