package compose

import (
	"testing"

	"github.com/composeos/compose/spec"
)

func TestAccept(t *testing.T) {
	const digest = "@sha256:0123456789012345678901234567890123456789012345678901234567890123"
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "docker.io/anchor/kernel:v1", true},
		{"*", "oci:../build/fixture:init", true},
		{"**", "docker.io/anchor/kernel:v1", true},
		{"docker.io/anchor/kernel:v1", "docker.io/anchor/kernel:v1", true},
		{"docker.io/anchor/kernel", "docker.io/anchor/kernel:v1", true},
		{"docker.io/anchor/kernel", "docker.io/anchor/kernel:v1" + digest, true},
		{"docker.io/anchor/kernel", "docker.io/anchor/kernel" + digest, true},
		{"docker.io/anchor/kernel:v2", "docker.io/anchor/kernel:v1", false},
		{"docker.io/anchor/kernel", "docker.io/anchor/kernel-dev:v1", false},
		{"docker.io/anchor/*", "docker.io/anchor/kernel:v1", true},
		{"docker.io/*", "docker.io/anchor/kernel:v1", false},
		{"anchor/*", "docker.io/anchor/kernel:v1", true},
		{"anchor/**", "docker.io/anchor/a/b:v1", true},
		{"kernel", "docker.io/library/kernel:v1", true},
		{"docker.io/**", "docker.io/anchor/kernel:v1", true},
		{"docker.*/anchor/**", "docker.io/anchor/a/b:v1", true},
		{"docker.io/anchor/**", "docker.io/other/a:v1", false},
		{"localhost:5000/*", "localhost:5000/a:v1", true},
		{"localhost", "localhost:5000/a:v1", false},
		{"oci:../build/fixture:*", "oci:../build/fixture:init", true},
		{"[", "docker.io/anchor/kernel:v1", false},
		{"", "docker.io/anchor/kernel:v1", false},
	} {
		ref, err := spec.ParseRef(c.name, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := (Accept{c.pattern}).Match(ref); got != c.want {
			t.Errorf("Accept{%q}.Match(%q) = %t", c.pattern, c.name, got)
		}
	}
	if (Accept{}).Match(spec.Ref{Name: "docker.io/library/a", Tag: "1"}) {
		t.Error("no pattern accepts something")
	}
}
