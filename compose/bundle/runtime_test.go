package bundle_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/spec"
)

const nothingElse = `"bindNS": {"cgroup": "", "ipc": "", "mnt": "", "net": "", "pid": "", "user": "", "uts": ""},
	"cgroups": [], "interfaces": [], "mkdir": [], "namespace": ""`

func TestRuntime(t *testing.T) {
	writable := bundle.Layout{Path: "containers/services/nginx", Files: "containers/services/nginx/lower"}
	const overlay = `{"destination": "/containers/services/nginx/tmp", "source": "tmpfs", "type": "tmpfs"},
		{"destination": "/containers/services/nginx/tmp", "options": ["remount", "private"]},
		{"destination": "/containers/services/nginx/rootfs", "source": "overlay", "type": "overlay", "options": [
			"lowerdir=/containers/services/nginx/lower",
			"upperdir=/containers/services/nginx/tmp/upper", "workdir=/containers/services/nginx/tmp/work"]}`
	for _, tc := range []struct {
		name    string
		runtime spec.Runtime
		layout  bundle.Layout
		want    string
	}{
		{"writable", spec.Runtime{}, writable, `{"mounts": [` + overlay + `], ` + nothingElse + `}`},
		{
			"writable, the files of another bundle",
			spec.Runtime{},
			bundle.Layout{Path: "containers/onboot/001-b", Files: "containers/onboot/000-a/rootfs"},
			`{"mounts": [{"destination": "/containers/onboot/001-b/tmp", "source": "tmpfs", "type": "tmpfs"},
				{"destination": "/containers/onboot/001-b/tmp", "options": ["remount", "private"]},
				{"destination": "/containers/onboot/001-b/rootfs", "source": "overlay", "type": "overlay", "options": [
					"lowerdir=/containers/onboot/000-a/rootfs",
					"upperdir=/containers/onboot/001-b/tmp/upper", "workdir=/containers/onboot/001-b/tmp/work"]}], ` + nothingElse + `}`,
		},
		{
			"read-only",
			spec.Runtime{},
			bundle.Layout{Path: "containers/onboot/000-a", Files: "containers/onboot/000-a/rootfs", Readonly: true},
			`{"mounts": [{"destination": "/containers/onboot/000-a/rootfs", "source": "/containers/onboot/000-a/rootfs",
				"options": ["bind"]}], ` + nothingElse + `}`,
		},
		{
			"read-only, the files of another bundle",
			spec.Runtime{},
			bundle.Layout{Path: "containers/services/b", Files: "containers/services/a/lower", Readonly: true},
			`{"mounts": [{"destination": "/containers/services/b/rootfs", "source": "/containers/services/a/lower",
				"options": ["bind"]}], ` + nothingElse + `}`,
		},
		{"everything, in the order given", spec.Runtime{
			Cgroups: []string{"z", "a"},
			Mkdir:   []string{"/run/z", "/run/a"},
			Mounts: []spec.Mount{
				{Destination: "etc-of-the-system", Type: "overlay", Source: "overlay", Options: []string{"rw", "lowerdir=/etc"}},
				{Destination: "/a", Type: "bind", Source: "/b", Options: []string{"bind"}},
			},
			Interfaces: []spec.Interface{{Name: "veth0", Add: "veth", Peer: "veth1"}, {Name: "wg0", Add: "wireguard", CreateInRoot: true}},
			BindNS: spec.Namespaces{
				Cgroup: new("/run/c"), Ipc: new("/run/i"), Mnt: new("/run/m"), Net: new("/run/n"),
				Pid: new("/run/p"), User: new("/run/us"), Uts: new("/run/ut"),
			},
			Namespace: new("k8s.io"),
		}, writable, `{"cgroups": ["z", "a"], "mkdir": ["/run/z", "/run/a"], "namespace": "k8s.io",
			"bindNS": {"cgroup": "/run/c", "ipc": "/run/i", "mnt": "/run/m", "net": "/run/n", "pid": "/run/p", "user": "/run/us", "uts": "/run/ut"},
			"interfaces": [{"name": "veth0", "add": "veth", "peer": "veth1", "createInRoot": false},
				{"name": "wg0", "add": "wireguard", "peer": "", "createInRoot": true}],
			"mounts": [` + overlay + `,
				{"destination": "etc-of-the-system", "type": "overlay", "source": "overlay", "options": ["rw", "lowerdir=/etc"]},
				{"destination": "/a", "type": "bind", "source": "/b", "options": ["bind"]}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := minimal()
			c.Runtime = tc.runtime
			data, err := bundle.Runtime(c, tc.layout)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decoded(t, []byte(tc.want)), decoded(t, data)); diff != "" {
				t.Errorf("runtime.json (-want +got):\n%s", diff)
			}
		})
	}
}

func decoded(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	return v
}

func TestRuntimeRefuses(t *testing.T) {
	for _, tc := range []struct {
		name    string
		runtime spec.Runtime
		want    string
	}{
		{"a mount without a destination", spec.Runtime{Mounts: []spec.Mount{{Type: "tmpfs"}}}, "runtime: mounts: [0]: has no destination"},
		{
			"a mount with a step up",
			spec.Runtime{Mounts: []spec.Mount{{Destination: "../../etc", Type: "tmpfs"}}},
			`runtime: mounts: [0]: "../../etc" has a step up (..): write the path without`,
		},
		{
			"a directory with a step up",
			spec.Runtime{Mkdir: []string{"/a", "a/.."}},
			`runtime: mkdir: [1]: "a/.." has a step up (..): write the path without`,
		},
		{
			"a control group with a step up",
			spec.Runtime{Cgroups: []string{".."}},
			`runtime: cgroups: [0]: ".." has a step up (..): write the path without`,
		},
		{
			"a relative namespace",
			spec.Runtime{BindNS: spec.Namespaces{Uts: new(""), Net: new("netns/a")}},
			`runtime: bindNS: net: "netns/a" is not an absolute path`,
		},
		{"an interface without a name", spec.Runtime{Interfaces: []spec.Interface{{Add: "veth"}}}, "runtime: interfaces: [0] has no name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := bundle.Runtime(spec.Config{Runtime: tc.runtime}, bundle.Layout{Path: "p", Files: "p/lower"})
			if err == nil || err.Error() != tc.want {
				t.Errorf("Runtime: %v\n    want: %s", err, tc.want)
			}
		})
	}
}
