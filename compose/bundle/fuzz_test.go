package bundle_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/spec"
)

// FuzzLabel takes any text as the label of an image, which is somebody else's:
// nothing panics, and what is accepted is a bundle as the schemas want it.
func FuzzLabel(f *testing.F) {
	for _, label := range labels() {
		f.Add(label)
	}
	f.Add(`{"mounts": [{"type": "cgroup"}, {"destination": "/x", "type": "bind", "source": "web", "options": ["ro"]}], "binds": ["data:/x"]}`)
	f.Add(`{"userns": "new", "uidMappings": [{"containerID": 0, "hostID": 1, "size": 4294967295}], "gidMappings": [{"size": 1}]}`)
	f.Add(`{"binds": ["/a:/../../b"], "tmpfs": ["/x/..", "/y:mode=0"], "devices": [{"path": "all", "type": "a"}]}`)
	f.Add(`{"runtime": {"mounts": [{"destination": "../x"}], "interfaces": [{}], "bindNS": {"net": "run"}}}`)
	f.Add(`{"resources": {"devices": [{"allow": true, "major": -1}], "cpu": {"shares": 18446744073709551615}}, "oomScoreAdj": 5}`)
	s := compileSchemas(f)
	f.Fuzz(func(t *testing.T, label string) {
		container := spec.Container{Name: "fuzz"}
		c, err := container.Configure(imageDefaults(), label)
		if err != nil {
			return
		}
		if c, err = bundle.Volumes(c, testVolumes()); err != nil {
			return
		}
		points := bundle.BindMounts(c)
		if runtime, err := bundle.Runtime(c, bundle.Layout{Path: "p", Files: "p/lower"}); err == nil {
			if err := s.Runtime(runtime); err != nil {
				t.Errorf("runtime.json: %v", err)
			}
		}
		config, err := bundle.Config(c, testIDs())
		if err != nil {
			return
		}
		checkConfig(t, config, points)
		if c.Resources != nil {
			return // passed on as it is
		}
		if err := s.Config(config); err != nil {
			t.Errorf("config.json: %v", err)
		}
	})
}

// checkConfig holds what a schema cannot say.
func checkConfig(t *testing.T, data []byte, points []bundle.MountPoint) {
	t.Helper()
	var s specs.Spec
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	points = slices.DeleteFunc(points, func(p bundle.MountPoint) bool { return p.Source == "" }) // the working directory
	if len(points) != len(s.Mounts) {
		t.Fatalf("%d mounts and %d mount points", len(s.Mounts), len(points))
	}
	var seen []string
	for i, m := range s.Mounts {
		if m.Destination != points[i].Destination || m.Destination[0] != '/' || slices.Contains(seen, m.Destination) {
			t.Errorf("mount %d is at %q, the mount point at %q", i, m.Destination, points[i].Destination)
		}
		for _, before := range seen {
			if len(before) > len(m.Destination) && before[:len(m.Destination)] == m.Destination && before[len(m.Destination)] == '/' {
				t.Errorf("%s is mounted over %s, which came before it", m.Destination, before)
			}
		}
		seen = append(seen, m.Destination)
	}
}
