package compose

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/spec"
)

func TestChanges(t *testing.T) {
	amd64 := map[string]spec.LockedPlatform{"linux/amd64": {Manifest: "sha256:a"}}
	both := map[string]spec.LockedPlatform{"linux/amd64": {Manifest: "sha256:a"}, "linux/arm64": {Manifest: "sha256:b"}}
	old := &spec.Lock{
		Epoch: 100, Timestamps: spec.Clamp, IDs: map[string]uint32{"a": 100},
		Images: []spec.LockedImage{
			{Name: "docker.io/library/gone:1", Digest: "sha256:1"},
			{Name: "docker.io/library/moved:1", Digest: "sha256:2"},
			{Name: "docker.io/library/more:1", Digest: "sha256:3", Platforms: amd64},
			{Name: "oci:here", Digest: "sha256:4"},
		},
		Files: []spec.LockedFile{{Source: "edited", Digest: "sha256:5"}, {Source: "left", Digest: "sha256:6"}, {Source: "now-there", Absent: true}},
	}
	lock := &spec.Lock{
		Epoch: 0, Timestamps: spec.Fixed, IDs: map[string]uint32{"a": 100, "b": 101},
		Images: []spec.LockedImage{
			{Name: "docker.io/library/moved:1", Digest: "sha256:20"},
			{Name: "docker.io/library/more:1", Digest: "sha256:3", Platforms: both},
			{Name: "docker.io/library/new:1", Digest: "sha256:7"},
			{Name: "oci:here", Digest: "sha256:40"},
		},
		Files: []spec.LockedFile{{Source: "edited", Digest: "sha256:50"}, {Source: "now-there", Digest: "sha256:8"}},
	}
	want := []Change{
		{"image docker.io/library/moved:1", "sha256:2", "sha256:20", false},
		{"image docker.io/library/more:1 for linux/arm64", "", "sha256:b", true},
		{"image docker.io/library/new:1", "", "sha256:7", false},
		{"image oci:here", "sha256:4", "sha256:40", true},
		{"image docker.io/library/gone:1", "sha256:1", "", false},
		{"source edited", "sha256:5", "sha256:50", true},
		{"source now-there", "absent", "sha256:8", true},
		{"source left", "sha256:6", "", true},
		{"timestamps", "clamp", "fixed", true},
		{"ids", "[a:100]", "[a:100 b:101]", true},
		{"epoch", "1970-01-01T00:01:40Z", "1970-01-01T00:00:00Z", false},
	}
	if d := cmp.Diff(want, changes(old, lock)); d != "" {
		t.Error(d)
	}
	if c := changes(old, old); c != nil {
		t.Errorf("a lock differs from itself: %v", c)
	}
	if c := changes(nil, lock); c != nil {
		t.Errorf("a first lock differs from none: %v", c)
	}
}
