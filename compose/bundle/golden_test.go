package bundle_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// labels are the labels of the workload's images, by the container's name.
func labels() map[string]string {
	return map[string]string{
		"sysctl":    `{"pid": "host", "readonly": true, "capabilities": ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"], "binds": ["/etc/sysctl.d:/etc/sysctl.d:ro"]}`,
		"mkfs":      `{"binds": ["/dev:/dev"], "capabilities": ["CAP_SYS_ADMIN", "CAP_MKNOD"], "net": "new", "ipc": "new"}`,
		"dhcpcd":    `{"binds": ["/run:/run", "/tmp:/etc"], "capabilities": ["CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW"], "runtime": {"mkdir": ["/run/dhcp"]}}`,
		"sshd":      `{"capabilities": ["all"], "pid": "host", "binds": ["/root/.ssh:/root/.ssh", "/etc/resolv.conf:/etc/resolv.conf"], "runtime": {"cgroups": ["sshd"], "mkdir": ["/run/sshd"]}}`,
		"toolchain": `{"tmpfs": ["/tmp:size=64m"], "rlimits": ["nofile,100,200"]}`,
		"openssl":   `{"readonly": true, "noNewPrivileges": true, "devices": [{"path": "/dev/hwrng", "type": "c", "major": 10, "minor": 183, "mode": "0666"}]}`,
		"redis":     `{"uid": 999, "gid": 999, "annotations": {"b": "2", "a": "1"}, "sysctl": {"net.core.somaxconn": "512"}}`,
	}
}

// imageDefaults is what an image's own config says in these tests.
func imageDefaults() spec.Config {
	return spec.Config{Command: []string{"/usr/bin/program", "-g"}, Env: []string{"PATH=/usr/bin:/bin"}, Cwd: "/var/lib"}
}

// container is one container of testdata/containers.yml, ready for Config.
type container struct {
	name   string
	config spec.Config
	layout bundle.Layout
}

func containers(t *testing.T) []container {
	t.Helper()
	data, err := os.ReadFile("testdata/containers.yml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := spec.Parse("containers.yml", data)
	if err != nil {
		t.Fatal(err)
	}
	var all []container
	for place, c := range m.Containers() {
		config, err := c.Configure(imageDefaults(), labels()[c.Name])
		if err == nil {
			config, err = bundle.Volumes(config, testVolumes())
		}
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		l := bundle.Layout{Path: "containers/" + place.Section + "/" + c.Name, Readonly: config.Readonly != nil && *config.Readonly}
		l.Files = l.Path + "/lower"
		if l.Readonly {
			l.Files = l.Path + "/rootfs"
		}
		all = append(all, container{c.Name, config, l})
	}
	return all
}

// files returns config.json and runtime.json by the names of their golden files.
func (c container) files(t *testing.T) map[string][]byte {
	t.Helper()
	config, err := bundle.Config(c.config, testIDs())
	if err != nil {
		t.Fatalf("%s: Config: %v", c.name, err)
	}
	runtime, err := bundle.Runtime(c.config, c.layout)
	if err != nil {
		t.Fatalf("%s: Runtime: %v", c.name, err)
	}
	return map[string][]byte{c.name + ".config.json": config, c.name + ".runtime.json": runtime}
}

func TestGolden(t *testing.T) {
	for _, c := range containers(t) {
		for name, got := range c.files(t) {
			golden := filepath.Join("testdata", "golden", name)
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}
