package spec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestGrants(t *testing.T) {
	tests := []struct {
		name, label string
		want        Grants
	}{
		{"none", ``, Grants{}},
		{"plain", `{"command": ["/a"], "env": ["A=1"], "tmpfs": ["/tmp"], "readonly": true, "net": "new", "pid": "new", "capabilities": ["none"], "mounts": [{"type": "proc"}]}`, Grants{}},
		{
			"binds", `{"binds": ["/b:/b:ro", "data:/data"], "binds.add": ["/a:/a", "/b:/b:ro"]}`,
			Grants{Binds: []string{"/a:/a", "/b:/b:ro", "data:/data"}},
		},
		{
			"mounts", `{"mounts": [{"type": "bind", "source": "/a", "destination": "/b", "options": ["rw", "rbind"]}, {"type": "ext4", "source": "/dev/sda1", "destination": "/c"}, {"type": "tmpfs", "destination": "/d"}, {"type": "none", "source": "x", "destination": "/e", "options": ["bind"]}]}`,
			Grants{Binds: []string{"/a:/b:rw,rbind", "ext4 /dev/sda1:/c", "none x:/e:bind"}},
		},
		{
			"capabilities", `{"capabilities": ["CAP_SYS_ADMIN"], "capabilities.add": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN", "CAP_BPF"]}`,
			Grants{Capabilities: []string{"CAP_BPF", "CAP_CHOWN", "CAP_SYS_ADMIN"}},
		},
		{"all capabilities", `{"capabilities": ["ALL"], "ambient": ["CAP_BPF"]}`, Grants{Capabilities: []string{"all"}}},
		{
			"devices", `{"devices": [{"path": "all", "type": "b"}, {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}], "resources": {"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "access": "rwm"}]}}`,
			Grants{Devices: []string{"/dev/fuse c 10:229", "all b", "allow c 1:* rwm"}},
		},
		{
			"namespaces", `{"net": "host", "pid": "root", "ipc": "new", "uts": "/run/ns/uts", "userns": "host"}`,
			Grants{Namespaces: []string{"net=host", "pid=host", "userns=host", "uts=/run/ns/uts"}},
		},
		{
			"system", `{"rootfsPropagation": "shared", "cgroupsPath": "x", "sysctl": {"net.ipv4.ip_forward": "1"}, "runtime": {"cgroups": ["c"], "mkdir": ["/run/a"], "mounts": [{"type": "bind", "source": "/a", "destination": "/b"}], "interfaces": [{"name": "eth0"}], "bindNS": {"net": "/run/netns/a"}}}`,
			Grants{System: []string{"cgroupsPath=x", "rootfsPropagation=shared", "runtime.bindNS.net=/run/netns/a", "runtime.cgroups=c", "runtime.interfaces=eth0", "runtime.mkdir=/run/a", "runtime.mounts=/a:/b", "sysctl.net.ipv4.ip_forward=1"}},
		},
		{"private mounts", `{"rootfsPropagation": "private"}`, Grants{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := (&Container{}).Configure(Config{Command: []string{"/x"}}, tt.label)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, c.Grants(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestGrantsLeaveConfig holds that Grants sorts no list of the configuration.
func TestGrantsLeaveConfig(t *testing.T) {
	c := Config{Binds: []string{"/b:/b", "/a:/a"}, Capabilities: []string{"CAP_SYS_ADMIN", "CAP_BPF"}, Ambient: []string{NoCapabilities}}
	c.Grants()
	if diff := cmp.Diff(Config{Binds: []string{"/b:/b", "/a:/a"}, Capabilities: []string{"CAP_SYS_ADMIN", "CAP_BPF"}, Ambient: []string{NoCapabilities}}, c); diff != "" {
		t.Errorf("the configuration is another: %s", diff)
	}
}
