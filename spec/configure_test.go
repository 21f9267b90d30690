package spec

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigure(t *testing.T) {
	tests := []struct {
		name            string
		image           Config
		label, manifest string // of the manifest: keys behind name and image
		want            string // canonical JSON without white space
	}{
		{"nothing", Config{}, "", "", `{}`},
		{"image", Config{Command: []string{"a"}, Env: []string{"A=1"}, Cwd: "/i"}, "", "", `{"command":["a"],"cwd":"/i","env":["A=1"]}`},
		{"label over image", Config{Command: []string{"a"}, Env: []string{"A=1"}, Cwd: "/i"}, `{"command":["l"],"cwd":"/l"}`, "", `{"command":["l"],"cwd":"/l","env":["A=1"]}`},
		{"manifest over all", Config{Command: []string{"a"}}, `{"command":["l"],"pid":"host"}`, "command: [m]", `{"command":["m"],"pid":"host"}`},
		{"empty command", Config{Command: []string{"a"}}, "", "command: []", `{"command":[]}`},
		{"empty list over label", Config{}, `{"binds":["/a:/a"],"env":["A=1"]}`, "binds: []", `{"binds":[],"env":["A=1"]}`},
		{"false over true", Config{}, `{"readonly":true,"noNewPrivileges":true}`, "readonly: false", `{"noNewPrivileges":true,"readonly":false}`},
		{"0 over a number", Config{}, `{"oomScoreAdj":5,"uid":7,"gid":8}`, "oomScoreAdj: 0\n    uid: 0", `{"gid":8,"oomScoreAdj":0,"uid":0}`},
		{"root over a name", Config{}, `{"uid":"web"}`, "uid: root", `{"uid":"root"}`},
		{"number over a name", Config{}, `{"uid":"web"}`, "uid: 5", `{"uid":5}`},
		{"empty text where that is a value", Config{}, `{"hostname":"h","cgroupsPath":"/x"}`, `hostname: ""`, `{"cgroupsPath":"/x","hostname":""}`},
		{"empty text where it is none", Config{}, `{"net":"new","cwd":"/l"}`, `{net: "", cwd: ""}`, `{"cwd":"/l","net":"new"}`},
		{"maps merge", Config{}, `{"sysctl":{"a":"1","b":"1"},"annotations":{"x":"1"}}`, `sysctl: {b: "2", c: "2"}`, `{"annotations":{"x":"1"},"sysctl":{"a":"1","b":"2","c":"2"}}`},
		{"empty map keeps", Config{}, `{"sysctl":{"a":"1"}}`, `sysctl: {}`, `{"sysctl":{"a":"1"}}`},
		{
			"structs merge",
			Config{},
			`{"resources":{"memory":{"limit":1,"swap":2},"pids":{"limit":3},"devices":[{"allow":true}]}}`,
			`resources: {memory: {limit: 9}, devices: []}`,
			`{"resources":{"memory":{"limit":9,"swap":2},"pids":{"limit":3}}}`,
		},
		{
			"maps of structs merge",
			Config{},
			`{"resources":{"rdma":{"a":{"hcaHandles":1,"hcaObjects":2}}}}`, `resources: {rdma: {a: {hcaHandles: 5}, b: {hcaObjects: 1}}}`,
			`{"resources":{"rdma":{"a":{"hcaHandles":5,"hcaObjects":2},"b":{"hcaObjects":1}}}}`,
		},
		{
			"runtime merges key by key",
			Config{},
			`{"runtime":{"mkdir":["/a"],"cgroups":["c"],"bindNS":{"net":"/n","pid":"/p"}}}`, `runtime: {mkdir: [/b], bindNS: {net: ""}}`,
			`{"runtime":{"bindNS":{"net":"","pid":"/p"},"cgroups":["c"],"mkdir":["/b"]}}`,
		},
		{"binds.add", Config{}, `{"binds":["/a:/a"]}`, `binds.add: ["/b:/b", "/a:/a"]`, `{"binds":["/a:/a","/b:/b"]}`},
		{"binds.add without binds", Config{}, `{}`, `binds.add: ["/b:/b"]`, `{"binds":["/b:/b"]}`},
		{"binds and binds.add", Config{}, `{"binds":["/a:/a"]}`, "binds: [\"/m:/m\"]\n    binds.add: [\"/b:/b\"]", `{"binds":["/m:/m","/b:/b"]}`},
		{"binds.add in the label", Config{}, `{"binds.add":["/a:/a"]}`, `binds.add: ["/b:/b"]`, `{"binds":["/a:/a","/b:/b"]}`},
		{"binds over binds.add in the label", Config{}, `{"binds.add":["/a:/a"]}`, `binds: ["/b:/b"]`, `{"binds":["/b:/b"]}`},
		{"capabilities.add", Config{}, `{"capabilities":["CAP_KILL"]}`, "capabilities.add: [CAP_CHOWN]", `{"capabilities":["CAP_KILL","CAP_CHOWN"]}`},
		{"capabilities.add to all", Config{}, `{"capabilities":["all"]}`, "capabilities.add: [CAP_CHOWN]", `{"capabilities":["all"]}`},
		{"capabilities.add to ALL", Config{}, `{"capabilities":["ALL"]}`, "capabilities.add: [CAP_CHOWN]", `{"capabilities":["all"]}`},
		{"capabilities.add to none", Config{}, `{"capabilities":["none"]}`, "capabilities.add: [CAP_CHOWN]", `{"capabilities":["CAP_CHOWN"]}`},
		{"capabilities.add of all", Config{}, `{"capabilities":["CAP_KILL"]}`, "capabilities.add: [all]", `{"capabilities":["all"]}`},
		{"capabilities.add of none", Config{}, `{"capabilities":["CAP_KILL"]}`, "capabilities.add: [none]", `{"capabilities":["CAP_KILL"]}`},
		{"none over all", Config{}, `{"capabilities":["all"]}`, "capabilities: [none]", `{"capabilities":["none"]}`},
		{"surrogates of the label", Config{}, `{"env":["A=\ud83d\ude00"]}`, "", `{"env":["A=😀"]}`},
		{"lower case of the label", Config{}, `{"resources":{"blockio":{"weight":5}}}`, "", `{"resources":{"blockIO":{"weight":5}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := container(t, tt.manifest)
			before, err := MarshalCanonical(c.Config)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Configure(tt.image, tt.label)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, compact(t, got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if after, _ := MarshalCanonical(c.Config); string(after) != string(before) {
				t.Errorf("the manifest was changed: %s", after)
			}
		})
	}
}

// container parses a service with further keys, in block or in flow style.
func container(t *testing.T, keys string) *Container {
	t.Helper()
	text := "services:\n  - name: a\n    image: b\n    " + keys + "\n"
	if strings.HasPrefix(keys, "{") {
		text = "services:\n  - {name: a, image: b, " + keys[1:] + "\n"
	}
	m, err := Parse("a.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &m.Services[0]
}

// compact returns canonical JSON without the white space between its tokens.
func compact(t *testing.T, v any) string {
	t.Helper()
	data, err := MarshalCanonical(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(data)), "")
}

// TestConfigureShares sees that nothing of the result is somebody else's.
func TestConfigureShares(t *testing.T) {
	image := Config{Command: []string{"a"}, Env: append(make([]string, 0, 9), "A=1")}
	c := container(t, "resources: {memory: {limit: 1}}\n    binds: ['/a:/a']\n    sysctl: {a: b}")
	got, err := c.Configure(image, "")
	if err != nil {
		t.Fatal(err)
	}
	got.Command[0], got.Binds[0], got.Sysctl["a"], *got.Resources.Memory.Limit = "x", "x", "x", 9
	if image.Command[0] != "a" || c.Binds[0] != "/a:/a" || c.Sysctl["a"] != "b" || *c.Resources.Memory.Limit != 1 {
		t.Errorf("shared: %v %v", image, c.Config)
	}
}

func TestParseValues(t *testing.T) {
	bind, err := ParseBind("data:/data:ro,nosuid")
	if diff := cmp.Diff(Bind{"data", "/data", []string{"ro", "nosuid"}}, bind); err != nil || diff != "" || bind.VolumeName() != "data" {
		t.Errorf("%v %s", err, diff)
	}
	if bind, _ = ParseBind("/a:/b"); bind.Options != nil || bind.VolumeName() != "" {
		t.Errorf("%+v", bind)
	}
	tmpfs, err := ParseTmpfs("/t:size=1m,ro")
	if diff := cmp.Diff(Tmpfs{"/t", []string{"size=1m", "ro"}}, tmpfs); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	limit, err := ParseRlimit("RLIMIT_nofile, 5, Unlimited")
	if err != nil || limit.Type != "RLIMIT_NOFILE" || limit.Soft != 5 || limit.Hard != 1<<64-1 {
		t.Errorf("%+v %v", limit, err)
	}
	for _, kind := range []struct {
		m                Mount
		kind, path, from string
	}{
		{Mount{Type: "cgroup"}, "cgroup", "/sys/fs/cgroup", "cgroup"},
		{Mount{Source: "mqueue"}, "mqueue", "/dev/mqueue", "mqueue"},
		{Mount{Destination: "/dev"}, "tmpfs", "/dev", "tmpfs"},
		{Mount{Type: "bind", Source: "/a", Destination: "/b"}, "bind", "/b", "/a"},
		{Mount{Source: "/a"}, "", "", "/a"},
	} {
		if kind.m.Kind() != kind.kind || kind.m.Path() != kind.path || kind.m.From() != kind.from {
			t.Errorf("%+v: %q %q %q", kind.m, kind.m.Kind(), kind.m.Path(), kind.m.From())
		}
	}
}
