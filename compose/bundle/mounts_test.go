package bundle_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/spec"
)

func TestMounts(t *testing.T) {
	bind := func(destination, source string, options ...string) specs.Mount {
		return specs.Mount{Destination: destination, Type: "bind", Source: source, Options: options}
	}
	for _, tc := range []struct {
		name string
		set  func(*spec.Config)
		want map[string]specs.Mount // by destination, beside the default ones
	}{
		{
			"bind without options", func(c *spec.Config) { c.Binds = []string{"/run:/run"} },
			map[string]specs.Mount{"/run": bind("/run", "/run", "rw", "rbind", "rshared")},
		},
		{
			"bind with options", func(c *spec.Config) { c.Binds = []string{"/a:/b:ro,nosuid"} },
			map[string]specs.Mount{"/b": bind("/b", "/a", "ro", "nosuid", "rbind")},
		},
		{
			"bind that says rbind itself", func(c *spec.Config) { c.Binds = []string{"/a:/b:rbind,ro"} },
			map[string]specs.Mount{"/b": bind("/b", "/a", "rbind", "ro")},
		},
		{
			"paths are cleaned", func(c *spec.Config) { c.Binds = []string{"/a/./x/:/b//c/"} },
			map[string]specs.Mount{"/b/c": bind("/b/c", "/a/x", "rw", "rbind", "rshared")},
		},
		{
			"tmpfs", func(c *spec.Config) { c.Tmpfs = []string{"/tmp", "/t:size=64m,mode=1777"} },
			map[string]specs.Mount{
				"/tmp": {Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"},
				"/t":   {Destination: "/t", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=64m", "mode=1777"}},
			},
		},
		{
			"a bind wins from a default", func(c *spec.Config) { c.Binds = []string{"/dev:/dev"} },
			map[string]specs.Mount{"/dev": bind("/dev", "/dev", "rw", "rbind", "rshared")},
		},
		{
			"a bind wins from a tmpfs", func(c *spec.Config) { c.Tmpfs, c.Binds = []string{"/tmp"}, []string{"/x:/tmp/"} },
			map[string]specs.Mount{"/tmp": bind("/tmp", "/x", "rw", "rbind", "rshared")},
		},
		{"a mount wins from a bind", func(c *spec.Config) {
			c.Binds = []string{"/x:/data"}
			c.Mounts = []spec.Mount{{Destination: "/data", Type: "ext4", Source: "/dev/sda1", Options: []string{"ro"}}}
		}, map[string]specs.Mount{"/data": {Destination: "/data", Type: "ext4", Source: "/dev/sda1", Options: []string{"ro"}}}},
		{"cgroup without a destination", func(c *spec.Config) {
			c.Mounts = []spec.Mount{{Type: "cgroup", Options: []string{"rw", "nosuid"}}}
		}, map[string]specs.Mount{"/sys/fs/cgroup": {Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"rw", "nosuid"}}}},
		{
			"the type follows from the source", func(c *spec.Config) { c.Mounts = []spec.Mount{{Source: "mqueue"}, {Source: "proc"}} },
			map[string]specs.Mount{
				"/dev/mqueue": {Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue"},
				"/proc":       {Destination: "/proc", Type: "proc", Source: "proc"},
			},
		},
		{
			"devpts and sysfs have their places", func(c *spec.Config) { c.Mounts = []spec.Mount{{Type: "devpts"}, {Type: "sysfs"}} },
			map[string]specs.Mount{
				"/dev/pts": {Destination: "/dev/pts", Type: "devpts", Source: "devpts"},
				"/sys":     {Destination: "/sys", Type: "sysfs", Source: "sysfs"},
			},
		},
		{
			"/dev is a tmpfs", func(c *spec.Config) { c.Mounts = []spec.Mount{{Destination: "/dev", Options: []string{"nosuid"}}} },
			map[string]specs.Mount{"/dev": {Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid"}}},
		},
		{"a bind among the mounts", func(c *spec.Config) {
			c.Mounts = []spec.Mount{
				{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"ro"}},
				{Destination: "/b", Type: "bind", Source: "/x", Options: []string{"bind", "ro"}},
				{Destination: "/c", Source: "/x", Options: []string{"rbind"}},
			}
		}, map[string]specs.Mount{"/a": bind("/a", "/x", "ro", "rbind"), "/b": bind("/b", "/x", "bind", "ro"), "/c": bind("/c", "/x", "rbind")}},
		{"id-mapped", func(c *spec.Config) {
			m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 5}}
			c.Mounts = []spec.Mount{{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"bind"}, UIDMappings: m, GIDMappings: m}}
		}, map[string]specs.Mount{"/a": {
			Destination: "/a", Type: "bind", Source: "/x", Options: []string{"bind"},
			UIDMappings: []specs.LinuxIDMapping{{HostID: 1000, Size: 5}}, GIDMappings: []specs.LinuxIDMapping{{HostID: 1000, Size: 5}},
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := map[string]specs.Mount{}
			for _, m := range minimalSpec().Mounts {
				want[m.Destination] = m
			}
			maps.Copy(want, tc.want)
			c := minimal()
			tc.set(&c)
			got := map[string]specs.Mount{}
			for _, m := range mustConfig(t, c).Mounts {
				got[m.Destination] = m
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("mounts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMountsParentsFirst(t *testing.T) {
	c := minimal()
	c.Binds = []string{"/1:/a-b", "/2:/a/b/c", "/3:/a", "/4:/a.b", "/5:/a/b"}
	c.Tmpfs = []string{"/dev/shm"}
	var got []string
	for _, m := range mustConfig(t, c).Mounts {
		got = append(got, m.Destination)
	}
	want := []string{"/a", "/a/b", "/a/b/c", "/a-b", "/a.b", "/dev", "/dev/pts", "/dev/shm", "/proc", "/sys", "/sys/fs/cgroup"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("destinations (-want +got):\n%s", diff)
	}
}

func TestBindMounts(t *testing.T) {
	c := minimal()
	c.Binds = []string{"/etc/resolv.conf:/etc/resolv.conf", "/dev:/dev"}
	c.Tmpfs = []string{"/tmp"}
	c.Mounts = []spec.Mount{{Destination: "/mnt", Source: "/srv", Type: "none", Options: []string{"rbind"}}, {Type: "mqueue"}}
	want := []bundle.MountPoint{
		{Destination: "/dev", Source: "/dev", Bind: true},
		{Destination: "/dev/mqueue", Source: "mqueue"},
		{Destination: "/dev/pts", Source: "devpts"},
		{Destination: "/etc/resolv.conf", Source: "/etc/resolv.conf", Bind: true},
		{Destination: "/mnt", Source: "/srv", Bind: true},
		{Destination: "/proc", Source: "proc"},
		{Destination: "/sys", Source: "sysfs"},
		{Destination: "/sys/fs/cgroup", Source: "cgroup"},
		{Destination: "/tmp", Source: "tmpfs"},
	}
	if diff := cmp.Diff(want, bundle.BindMounts(c)); diff != "" {
		t.Errorf("BindMounts (-want +got):\n%s", diff)
	}
	for cwd, wanted := range map[string]bool{"/": false, "/srv/": true, "srv": false, "/a/../b": false} {
		c.Cwd = cwd
		last := bundle.BindMounts(c)[len(want):]
		if wanted && (len(last) != 1 || last[0] != bundle.MountPoint{Destination: "/srv"}) || !wanted && len(last) > 0 {
			t.Errorf("BindMounts with the working directory %q ends with %v", cwd, last)
		}
	}
	c.Binds = []string{"broken"}
	if got := bundle.BindMounts(c); got != nil {
		t.Errorf("BindMounts of a wrong configuration = %v, want none", got)
	}
}
