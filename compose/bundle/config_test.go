package bundle_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/spec"
)

// minimal is a configuration that says no more than it must.
func minimal() spec.Config {
	return spec.Config{Command: []string{"/bin/true"}}
}

// minimalSpec is what config.json says for minimal: every default.
func minimalSpec() *specs.Spec {
	return &specs.Spec{
		Version: "1.1.0",
		Process: &specs.Process{
			Args:         []string{"/bin/true"},
			Cwd:          "/",
			Capabilities: &specs.LinuxCapabilities{},
		},
		Root: &specs.Root{Path: "rootfs"},
		Mounts: []specs.Mount{
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "nodev", "noexec", "relatime"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
		},
		Linux: &specs.Linux{
			Resources:  &specs.LinuxResources{},
			Namespaces: []specs.LinuxNamespace{{Type: "pid"}, {Type: "mount"}},
		},
	}
}

// mustConfig returns config.json, read back.
func mustConfig(t *testing.T, c spec.Config) *specs.Spec {
	t.Helper()
	data, err := bundle.Config(c, testIDs())
	if err != nil {
		t.Fatalf("Config: %v", err)
	}
	s := new(specs.Spec)
	if err := json.Unmarshal(data, s); err != nil {
		t.Fatalf("config.json: %v\n%s", err, data)
	}
	return s
}

func testIDs() map[string]uint32 {
	return map[string]uint32{"redis": 101, "sshd": 100}
}

// Each case says what it changes in the configuration, and what alone that
// changes in config.json.
func TestConfigField(t *testing.T) {
	allowed := func(kind string, major, minor int64) specs.LinuxDeviceCgroup {
		return specs.LinuxDeviceCgroup{Allow: true, Type: kind, Major: &major, Minor: &minor, Access: "rwm"}
	}
	for _, tc := range []struct {
		name string
		set  func(*spec.Config)
		want func(*specs.Spec)
	}{
		{"the defaults", func(*spec.Config) {}, func(*specs.Spec) {}},
		{"explicit defaults", func(c *spec.Config) {
			c.Net, c.Ipc, c.Uts, c.Userns, c.Pid, c.Cwd = "host", "host", "host", "host", "new", "/"
			c.Readonly, c.NoNewPrivileges, c.Hostname = new(false), new(false), new("")
			c.Capabilities, c.Binds, c.Env = []string{}, []string{}, []string{}
		}, func(*specs.Spec) {}},
		{"command, env and cwd stay as they are", func(c *spec.Config) {
			c.Command, c.Env, c.Cwd = []string{"/b", "-z", "-a", "-z"}, []string{"B=2", "A=1"}, "/srv"
		}, func(s *specs.Spec) {
			s.Process.Args, s.Process.Env, s.Process.Cwd = []string{"/b", "-z", "-a", "-z"}, []string{"B=2", "A=1"}, "/srv"
		}},
		{"readonly", func(c *spec.Config) { c.Readonly = new(true) }, func(s *specs.Spec) {
			s.Root.Readonly = true
			s.Mounts[0].Options = append(s.Mounts[0].Options, "ro")
			s.Mounts[3].Options = append(s.Mounts[3].Options, "ro")
		}},
		{"capabilities", func(c *spec.Config) { c.Capabilities = []string{"CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_SYS_ADMIN"} }, func(s *specs.Spec) {
			set := []string{"CAP_CHOWN", "CAP_SYS_ADMIN"}
			s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: set, Effective: set, Inheritable: set, Permitted: set}
		}},
		{"ambient", func(c *spec.Config) {
			c.Capabilities, c.Ambient = []string{"CAP_SYSLOG"}, []string{"CAP_KILL", "CAP_CHOWN"}
		}, func(s *specs.Spec) {
			sum := []string{"CAP_CHOWN", "CAP_KILL", "CAP_SYSLOG"}
			s.Process.Capabilities = &specs.LinuxCapabilities{
				Bounding: sum, Effective: []string{"CAP_SYSLOG"}, Inheritable: sum, Permitted: sum, Ambient: []string{"CAP_CHOWN", "CAP_KILL"},
			}
		}},
		{"capabilities none", func(c *spec.Config) { c.Capabilities, c.Ambient = []string{"none"}, []string{"NONE"} }, func(*specs.Spec) {}},
		{"capabilities all", func(c *spec.Config) { c.Capabilities = []string{"ALL"} }, func(s *specs.Spec) {
			set := spec.Capabilities()
			s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: set, Effective: set, Inheritable: set, Permitted: set}
		}},
		{"uid and gid", func(c *spec.Config) {
			c.UID, c.GID = &spec.ID{Number: 999}, &spec.ID{Name: "redis"}
			c.AdditionalGids = []spec.ID{{Name: "sshd"}, {Number: 7}, {Name: "root"}, {Number: 100}}
		}, func(s *specs.Spec) {
			s.Process.User = specs.User{UID: 999, GID: 101, AdditionalGids: []uint32{0, 7, 100}}
		}},
		{"rlimits", func(c *spec.Config) { c.Rlimits = []string{"nofile,100,200", "RLIMIT_AS,1,unlimited"} }, func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_AS", Soft: 1, Hard: 18446744073709551615}, {Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}}
		}},
		{"noNewPrivileges", func(c *spec.Config) { c.NoNewPrivileges = new(true) }, func(s *specs.Spec) { s.Process.NoNewPrivileges = true }},
		{"oomScoreAdj", func(c *spec.Config) { c.OOMScoreAdj = new(-999) }, func(s *specs.Spec) { s.Process.OOMScoreAdj = new(-999) }},
		{"oomScoreAdj zero", func(c *spec.Config) { c.OOMScoreAdj = new(0) }, func(s *specs.Spec) { s.Process.OOMScoreAdj = new(0) }},
		{"annotations", func(c *spec.Config) { c.Annotations = map[string]string{"b": "2", "a": "1"} }, func(s *specs.Spec) {
			s.Annotations = map[string]string{"a": "1", "b": "2"}
		}},
		{"hostname", func(c *spec.Config) { c.Hostname, c.Uts = new("box"), "new" }, func(s *specs.Spec) {
			s.Hostname = "box"
			s.Linux.Namespaces = []specs.LinuxNamespace{{Type: "uts"}, {Type: "pid"}, {Type: "mount"}}
		}},
		{"all namespaces new, in their order", func(c *spec.Config) {
			c.Net, c.Ipc, c.Uts, c.Pid, c.Userns = "none", "new", "new", "new", "new"
			c.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 1, HostID: 5000, Size: 9}, {ContainerID: 0, HostID: 1000, Size: 1}}
			c.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 2000, Size: 1}}
		}, func(s *specs.Spec) {
			s.Linux.Namespaces = []specs.LinuxNamespace{{Type: "network"}, {Type: "ipc"}, {Type: "uts"}, {Type: "pid"}, {Type: "user"}, {Type: "mount"}}
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 5000, Size: 9}}
			s.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 2000, Size: 1}}
		}},
		{"namespaces by path", func(c *spec.Config) {
			c.Net, c.Ipc, c.Uts, c.Pid, c.Userns = "/run/n", "/run/i", "/run/u", "/run/p", "/run/us"
		}, func(s *specs.Spec) {
			s.Linux.Namespaces = []specs.LinuxNamespace{
				{Type: "network", Path: "/run/n"},
				{Type: "ipc", Path: "/run/i"},
				{Type: "uts", Path: "/run/u"},
				{Type: "pid", Path: "/run/p"},
				{Type: "user", Path: "/run/us"},
				{Type: "mount"},
			}
		}},
		{"pid host", func(c *spec.Config) { c.Pid, c.Net = "host", "root" }, func(s *specs.Spec) {
			s.Linux.Namespaces = []specs.LinuxNamespace{{Type: "mount"}}
		}},
		{"masked and read-only paths", func(c *spec.Config) {
			c.MaskedPaths, c.ReadonlyPaths = []string{"/proc/kcore", "/proc/acpi/", "/proc/kcore"}, []string{"/proc/sys", "/proc/bus"}
		}, func(s *specs.Spec) {
			s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = []string{"/proc/acpi", "/proc/kcore"}, []string{"/proc/bus", "/proc/sys"}
		}},
		{"rootfsPropagation, cgroupsPath and sysctl", func(c *spec.Config) {
			c.RootfsPropagation, c.CgroupsPath, c.Sysctl = "shared", new("/a/b"), map[string]string{"net.core.somaxconn": "512"}
		}, func(s *specs.Spec) {
			s.Linux.RootfsPropagation, s.Linux.CgroupsPath, s.Linux.Sysctl = "shared", "/a/b", map[string]string{"net.core.somaxconn": "512"}
		}},
		{"resources", func(c *spec.Config) {
			c.Resources = &specs.LinuxResources{
				Memory: &specs.LinuxMemory{Limit: new(int64(1 << 40))}, Pids: &specs.LinuxPids{Limit: new(int64(0))},
				CPU: &specs.LinuxCPU{Shares: new(uint64(2)), Cpus: "0-3"},
				BlockIO: &specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{
					{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 8, Minor: 1}, Rate: 3},
				}},
			}
		}, func(s *specs.Spec) {
			s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: new(int64(1 << 40))}
			s.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(0))}
			s.Linux.Resources.CPU = &specs.LinuxCPU{Shares: new(uint64(2)), Cpus: "0-3"}
			device := specs.LinuxThrottleDevice{Rate: 3}
			device.Major, device.Minor = 8, 1
			s.Linux.Resources.BlockIO = &specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{device}}
		}},
		{"devices", func(c *spec.Config) {
			c.Devices = []spec.Device{
				{Path: "/dev/pipe", Type: "p"},
				{Path: "/dev/hwrng", Type: "u", Major: 10, Minor: 183, Mode: spec.Mode{Bits: 0o666, Set: true}},
			}
			c.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}}
		}, func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{
				{Path: "/dev/hwrng", Type: "u", Major: 10, Minor: 183, FileMode: new(os.FileMode(0o666))},
				{Path: "/dev/pipe", Type: "p"},
			}
			s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}, allowed("c", 10, 183)}
		}},
		{"all devices", func(c *spec.Config) {
			c.Devices = []spec.Device{{Path: "all", Type: "c"}, {Path: "all", Type: "b"}}
		}, func(s *specs.Spec) {
			s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Type: "b", Access: "rwm"}, {Allow: true, Type: "c", Access: "rwm"}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, want := minimal(), minimalSpec()
			tc.set(&c)
			tc.want(want)
			if diff := cmp.Diff(want, mustConfig(t, c)); diff != "" {
				t.Errorf("config.json (-want +got):\n%s", diff)
			}
		})
	}
}

// What Config sorts and appends to are copies.
func TestConfigKeepsItsArgument(t *testing.T) {
	rules := make([]specs.LinuxDeviceCgroup, 1, 4)
	rules[0] = specs.LinuxDeviceCgroup{Access: "rwm"}
	c := minimal()
	c.Resources = &specs.LinuxResources{Devices: rules}
	c.Devices = []spec.Device{{Path: "/dev/b", Type: "c"}, {Path: "/dev/a", Type: "b"}}
	c.Capabilities = []string{"CAP_KILL", "CAP_CHOWN"}
	c.MaskedPaths = []string{"/b", "/a"}
	c.Mounts = []spec.Mount{{Destination: "/m", Type: "bind", Source: "/s", Options: append(make([]string, 0, 9), "ro")}}
	mustConfig(t, c)
	if rules[:2][1].Allow || c.Devices[0].Path != "/dev/b" || c.Capabilities[0] != "CAP_KILL" || c.MaskedPaths[0] != "/b" || c.Mounts[0].Options[:2][1] != "" {
		t.Errorf("Config wrote to its argument: %+v", c)
	}
}
