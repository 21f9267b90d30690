package bundle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/bundle"
	"github.com/composeos/compose/spec"
)

func testVolumes() map[string]bundle.Volume {
	return map[string]bundle.Volume{"data": {}, "web": {Readonly: true}}
}

func TestVolumes(t *testing.T) {
	c := minimal()
	c.Binds = []string{"/web:/a", "web:/var/www:ro", "data:/data", "data:/data2:rw,rshared"}
	c.Mounts = []spec.Mount{
		{Destination: "/m", Type: "bind", Source: "data"},
		{Destination: "/n", Type: "none", Source: "web", Options: []string{"rbind", "rw", "ro"}},
		{Destination: "/o", Type: "bind", Source: "/web"},
		{Destination: "/p", Type: "tmpfs", Source: "data"},
		{Destination: "/q", Type: "bind"},
	}
	got, err := bundle.Volumes(c, testVolumes())
	if err != nil {
		t.Fatal(err)
	}
	const data, web = "/containers/volumes/data/merged", "/containers/volumes/web/merged"
	binds := []string{"/web:/a", web + ":/var/www:ro", data + ":/data", data + ":/data2:rw,rshared"}
	if diff := cmp.Diff(binds, got.Binds); diff != "" {
		t.Errorf("binds (-want +got):\n%s", diff)
	}
	var sources []string
	for _, m := range got.Mounts {
		sources = append(sources, m.Source)
	}
	if diff := cmp.Diff([]string{data, web, "/web", "data", ""}, sources); diff != "" {
		t.Errorf("sources of mounts (-want +got):\n%s", diff)
	}
	if c.Binds[1] != "web:/var/www:ro" || c.Mounts[0].Source != "data" {
		t.Error("Volumes wrote to its argument")
	}
	again, err := bundle.Volumes(got, testVolumes())
	if diff := cmp.Diff(got, again); err != nil || diff != "" {
		t.Errorf("Volumes a second time: %v (-once +twice):\n%s", err, diff)
	}
}

func TestVolumesRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		c    spec.Config
		want string
	}{
		{
			"unknown",
			spec.Config{Binds: []string{"cache:/c"}},
			`binds: cache:/c: no volume is called "cache" (there are data, web): a path begins with /`,
		},
		{
			"unknown among the mounts",
			spec.Config{Mounts: []spec.Mount{{Destination: "/c", Type: "bind", Source: "cache"}}},
			`mounts: [0] /c: no volume is called "cache" (there are data, web): a path begins with /`,
		},
		{
			"read-only, bound without options",
			spec.Config{Binds: []string{"web:/w"}},
			"binds: web:/w: the volume web is read-only: bind it with the option ro",
		},
		{
			"read-only, writable in the end",
			spec.Config{Binds: []string{"web:/w:ro,rw"}},
			"binds: web:/w:ro,rw: the volume web is read-only: bind it with the option ro",
		},
		{
			"read-only, among the mounts",
			spec.Config{Mounts: []spec.Mount{{Destination: "/w", Type: "bind", Source: "web"}}},
			"mounts: [0] /w: the volume web is read-only: bind it with the option ro",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := bundle.Volumes(tc.c, testVolumes())
			if err == nil || err.Error() != tc.want {
				t.Errorf("Volumes: %v\n    want: %s", err, tc.want)
			}
		})
	}
	_, err := bundle.Volumes(spec.Config{Binds: []string{"cache:/c"}}, nil)
	if want := `binds: cache:/c: no volume is called "cache" (the manifest has none): a path begins with /`; err == nil || err.Error() != want {
		t.Errorf("Volumes without volumes: %v\n    want: %s", err, want)
	}
	if _, err := bundle.Volumes(spec.Config{Binds: []string{"x"}}, nil); err == nil {
		t.Error("Volumes took a bind without a destination")
	}
}
