package bundle_test

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/spec"
)

func TestConfigRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  func(*spec.Config)
		want string
	}{
		{
			"no command", func(c *spec.Config) { c.Command = nil },
			"command: neither the image nor its label gives one: add a command",
		},
		{
			"an empty command", func(c *spec.Config) { c.Command = []string{} },
			"command: neither the image nor its label gives one: add a command",
		},
		{"relative cwd", func(c *spec.Config) { c.Cwd = "srv" }, `cwd: "srv" is not an absolute path`},
		{"a cwd with a step up", func(c *spec.Config) { c.Cwd = "/a/../b" }, `cwd: "/a/../b" has a step up (..): write the path without`},
		{"a device in a read-only root", func(c *spec.Config) {
			c.Readonly, c.Tmpfs = new(true), []string{"/opt"}
			c.Devices = []spec.Device{{Path: "/dev/a", Type: "c"}, {Path: "/opt/a", Type: "c"}, {Path: "/optional", Type: "c"}}
		}, "devices: /optional: the container is read-only: give the device a path below /dev, or a tmpfs around it"},
		{
			"unknown user", func(c *spec.Config) { c.UID = &spec.ID{Name: "nginx"} },
			`uid: no container is called "nginx": a user or group is a number, root, or the name of a container (there are redis, sshd)`,
		},
		{
			"unknown group", func(c *spec.Config) { c.GID = &spec.ID{Name: "x"} },
			`gid: no container is called "x": a user or group is a number, root, or the name of a container (there are redis, sshd)`,
		},
		{
			"unknown further group", func(c *spec.Config) { c.AdditionalGids = []spec.ID{{Number: 1}, {Name: "x"}} },
			`additionalGids[1]: no container is called "x": a user or group is a number, root, or the name of a container (there are redis, sshd)`,
		},
		{
			"unknown capability", func(c *spec.Config) { c.Capabilities = []string{"CAP_ALL"} },
			`capabilities: there is no capability "CAP_ALL": want names such as CAP_NET_ADMIN, or the single word all or none`,
		},
		{
			"all beside others", func(c *spec.Config) { c.Ambient = []string{"CAP_KILL", "all"} },
			"ambient: all stands beside other names: it must be the only one",
		},
		{
			"a limit twice", func(c *spec.Config) { c.Rlimits = []string{"nofile,1,2", "RLIMIT_NOFILE,1,2"} },
			"rlimits: RLIMIT_NOFILE is limited twice: keep one",
		},
		{
			"a relative namespace", func(c *spec.Config) { c.Net = "run/netns/a" },
			`net: "run/netns/a" is no namespace: want host, new or the absolute path of one`,
		},
		{
			"none for another than net", func(c *spec.Config) { c.Ipc = "none" },
			`ipc: "none" is no namespace: want host, new or the absolute path of one`,
		},
		{
			"host name of the system", func(c *spec.Config) { c.Hostname = new("box") },
			`hostname: the container shares the system's host name: add "uts: new"`,
		},
		{
			"mappings without a namespace", func(c *spec.Config) { c.UIDMappings = []specs.LinuxIDMapping{{Size: 1}} },
			`uidMappings, gidMappings: the container shares the system's users: add "userns: new"`,
		},
		{
			"a namespace without mappings", func(c *spec.Config) { c.Userns = "new" },
			"userns: a new user namespace needs uidMappings and gidMappings: nobody could use it without",
		},
		{"a device twice", func(c *spec.Config) {
			c.Devices = []spec.Device{{Path: "/dev/a", Type: "c", Major: 1}, {Path: "/dev/b", Type: "c"}, {Path: "/dev/a", Type: "b"}}
		}, "devices: /dev/a stands there twice: keep one"},
		{
			"a relative device", func(c *spec.Config) { c.Devices = []spec.Device{{Path: "dev/a", Type: "c"}} },
			`devices: dev/a: "dev/a" is not an absolute path`,
		},
		{
			"an unknown type of device", func(c *spec.Config) { c.Devices = []spec.Device{{Path: "/dev/a", Type: "x"}} },
			`devices: /dev/a: there is no type "x": want c or u (character), b (block) or p (fifo)`,
		},
		{
			"any type for a node", func(c *spec.Config) { c.Devices = []spec.Device{{Path: "/dev/a", Type: "a"}} },
			"devices: /dev/a: a device has the type c, u, b or p: a is for the path all",
		},
		{
			"all devices of one driver", func(c *spec.Config) { c.Devices = []spec.Device{{Path: "all", Type: "b", Major: 8}} },
			"devices: all: this allows every device of type a, b or c: it takes no major and no minor",
		},
		{
			"a relative masked path", func(c *spec.Config) { c.MaskedPaths = []string{"proc/kcore"} },
			`maskedPaths: "proc/kcore" is not an absolute path`,
		},
		{
			"a read-only path with a step up", func(c *spec.Config) { c.ReadonlyPaths = []string{"/proc/../etc"} },
			`readonlyPaths: "/proc/../etc" has a step up (..): write the path without`,
		},
		{
			"two binds at one place", func(c *spec.Config) { c.Binds = []string{"/a:/x", "/b:/x/"} },
			"binds: two have the destination /x: keep one",
		},
		{
			"two tmpfs at one place", func(c *spec.Config) { c.Tmpfs = []string{"/x", "/x:size=1m"} },
			"tmpfs: two have the destination /x: keep one",
		},
		{
			"two mounts at one place", func(c *spec.Config) { c.Mounts = []spec.Mount{{Type: "proc"}, {Destination: "/proc", Type: "tmpfs"}} },
			"mounts: two have the destination /proc: keep one",
		},
		{
			"a destination with a step up", func(c *spec.Config) { c.Binds = []string{"/a:/x/../../y"} },
			`binds: destination "/x/../../y" has a step up (..): write the path without`,
		},
		{
			"a zero byte", func(c *spec.Config) { c.Tmpfs = []string{"/a\x00b"} },
			`tmpfs: destination "/a\x00b" has a zero byte, which no path can have`,
		},
		{
			"a relative destination", func(c *spec.Config) { c.Mounts = []spec.Mount{{Destination: "data", Type: "tmpfs"}} },
			`mounts: destination "data" is not an absolute path`,
		},
		{
			"no type", func(c *spec.Config) {
				c.Mounts = []spec.Mount{{Type: "proc"}, {Destination: "/data", Source: "/dev/sda1"}}
			},
			"mounts: [1] /data: has no type: say which filesystem it is, or bind",
		},
		{
			"no destination", func(c *spec.Config) { c.Mounts = []spec.Mount{{Type: "tmpfs"}} },
			"mounts: [0] : has no destination: say where the tmpfs goes",
		},
		{
			"a bind without a source", func(c *spec.Config) { c.Mounts = []spec.Mount{{Destination: "/d", Type: "bind"}} },
			`mounts: [0] /d: the source "" is neither an absolute path nor a volume of the manifest`,
		},
		{
			"a volume that was not replaced", func(c *spec.Config) { c.Binds = []string{"data:/d"} },
			`binds: data:/d: the source "data" is neither an absolute path nor a volume of the manifest`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := minimal()
			tc.set(&c)
			_, err := bundle.Config(c, testIDs())
			if err == nil {
				t.Fatal("Config took it")
			}
			if err.Error() != tc.want {
				t.Errorf("Config: %v\n   want: %s", err, tc.want)
			}
		})
	}
}

func TestConfigRefusesUnreadableValues(t *testing.T) {
	for name, set := range map[string]func(*spec.Config){
		"bind":          func(c *spec.Config) { c.Binds = []string{"/a"} },
		"rlimit":        func(c *spec.Config) { c.Rlimits = []string{"nofile"} },
		"tmpfs":         func(c *spec.Config) { c.Tmpfs = []string{"/a:b:c"} },
		"invalid UTF-8": func(c *spec.Config) { c.Env = []string{"A=\xff"} },
	} {
		c := minimal()
		set(&c)
		if _, err := bundle.Config(c, nil); err == nil {
			t.Errorf("%s: Config took it", name)
		}
	}
}

func TestConfigWithoutNames(t *testing.T) {
	c := minimal()
	c.UID = &spec.ID{Name: "nginx"}
	_, err := bundle.Config(c, nil)
	const want = `uid: no container is called "nginx": a user or group is a number, root, or the name of a container (none has a number)`
	if err == nil || err.Error() != want {
		t.Errorf("Config: %v\n   want: %s", err, want)
	}
}
