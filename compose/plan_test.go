package compose

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/spec"
)

func TestPlan(t *testing.T) {
	m, err := spec.Parse("m.yml", []byte(`
kernel: {image: "k:1"}
init: ["i:1"]
onboot: [{name: a, image: "a:1"}, {name: a, image: "a:1"}]
onshutdown: [{name: z, image: "z:1"}]
services: [{name: s, image: "s:1"}]
volumes: [{name: empty}, {name: full, image: "v:1"}]
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range Plan(m) {
		ref := "-"
		if !p.Ref.IsZero() {
			ref = p.Ref.String()
		}
		got = append(got, p.Section+" "+p.Name+" "+ref+" "+p.Path)
	}
	want := []string{
		"kernel  docker.io/library/k:1 boot/kernel",
		"init  docker.io/library/i:1 ",
		"volumes empty - containers/volumes/empty",
		"volumes full docker.io/library/v:1 containers/volumes/full",
		"onboot a docker.io/library/a:1 containers/onboot/000-a",
		"onboot a docker.io/library/a:1 containers/onboot/001-a",
		"onshutdown z docker.io/library/z:1 containers/onshutdown/000-z",
		"services s docker.io/library/s:1 containers/services/s",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
