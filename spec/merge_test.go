package spec

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parseAll reads manifests that are called a/m.yml, b/m.yml and so on.
func parseAll(t *testing.T, texts ...string) []*Manifest {
	t.Helper()
	var ms []*Manifest
	for i, text := range texts {
		m, err := Parse(string(rune('a'+i))+"/m.yml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	return ms
}

func TestMerge(t *testing.T) {
	const one, two = "services: [{name: a, image: b}]\n", "services: [{name: c, image: d}]\n"
	tests := []struct {
		name string
		in   []string
		want string // JSON without white space
	}{
		{"nothing", nil, `{}`},
		{"one", []string{one}, `{"services":[{"image":"docker.io/library/b:latest","name":"a"}]}`},
		{
			"lists append",
			[]string{one + "init: [x]\n", two + "init: [y]\n"},
			`{"init":["docker.io/library/x:latest","docker.io/library/y:latest"],"services":[{"image":"docker.io/library/b:latest","name":"a"},{"image":"docker.io/library/d:latest","name":"c"}]}`,
		},
		{
			"each field of the kernel",
			[]string{"kernel: {image: a, cmdline: x, tar: none}", "kernel: {cmdline: y, ucode: u}", "kernel: {image: b, cmdline: \"\", tar: \"\"}"},
			`{"kernel":{"cmdline":"y","image":"docker.io/library/b:latest","tar":"","ucode":"u"}}`,
		},
		{"kernel's image in another manifest", []string{"kernel: {cmdline: y}", "kernel: {image: b}"}, `{"kernel":{"cmdline":"y","image":"docker.io/library/b:latest"}}`},
		{"timestamps", []string{"timestamps: fixed", "timestamps: clamp", one}, `{"services":[{"image":"docker.io/library/b:latest","name":"a"}],"timestamps":"clamp"}`},
		{
			"names may come twice in onboot, and again in services",
			[]string{"onboot: [{name: a, image: b}, {name: a, image: b}]\n" + one},
			`{"onboot":[{"image":"docker.io/library/b:latest","name":"a"},{"image":"docker.io/library/b:latest","name":"a"}],"services":[{"image":"docker.io/library/b:latest","name":"a"}]}`,
		},
		{
			"a volume of another manifest",
			[]string{"services: [{name: a, image: b, binds: ['v:/v'], uid: c}]", two + "volumes: [{name: v}]"},
			`{"services":[{"binds":["v:/v"],"image":"docker.io/library/b:latest","name":"a","uid":"c"},{"image":"docker.io/library/d:latest","name":"c"}],"volumes":[{"name":"v"}]}`,
		},
		{"empty is given", []string{"services: [{name: a, image: b, binds: [], readonly: false}]"}, `{"services":[{"binds":[],"image":"docker.io/library/b:latest","name":"a","readonly":false}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Merge(parseAll(t, tt.in...)...)
			if err != nil {
				t.Fatal(err)
			}
			data, err := m.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, strings.Join(strings.Fields(string(data)), "")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	const one = "services: [{name: a, image: b}]\n"
	tests := []struct {
		name, want string
		in         []string
	}{
		{"a service twice", "b/m.yml:1:12: services[1] a: another service is called \"a\": see a/m.yml:1:12", []string{one, one}},
		{"a volume twice", "b/m.yml:1:11: volumes[1] v: another volume is called \"v\": see a/m.yml:1:11", []string{"volumes: [{name: v}]", "volumes: [{name: v}]"}},
		{"two policies", "b/m.yml:1:8: trust: another trust section is at a/m.yml:1:8; only one may be", []string{"trust: {default: deny}", "trust: {default: deny}"}},
		{"no kernel", "b/m.yml:1:9: kernel: the key \"image\" is missing", []string{one, "kernel: {cmdline: x}"}},
		{
			"one spelling for two places",
			"b/m.yml:1:8: init[1]: oci:x is b/x here and a/x at a/m.yml:1:8: spell one of them otherwise",
			[]string{"init: ['oci:x']", "init: ['oci:./x']"},
		},
		{"a file's owner", "a/m.yml:1:46: files[0] x: gid: no container is called \"b\"", []string{"files: [{path: x, contents: '', uid: a, gid: b}]\n" + one}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Merge(parseAll(t, tt.in...)...)
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMergeLeavesItsInput(t *testing.T) {
	ms := parseAll(t, "init: [a]\nkernel: {image: a}", "init: [b]\nkernel: {image: b}")
	if _, err := Merge(ms...); err != nil {
		t.Fatal(err)
	}
	if len(ms[0].Init) != 1 || ms[0].Kernel.Image.Name != "docker.io/library/a" {
		t.Errorf("changed: %+v", ms[0])
	}
}

func TestImagesAndContainers(t *testing.T) {
	m, err := Merge(parseAll(t, `
volumes: [{name: e}, {name: v, image: w}]
services: [{name: s, image: s}]
onshutdown: [{name: d, image: d}]
onboot: [{name: o, image: o}]
init: [i]
kernel: {image: k}
`)...)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range m.Images() {
		got = append(got, u.Where+" "+u.Ref.String()+" "+u.Pos.String())
	}
	want := []string{
		"kernel docker.io/library/k:latest a/m.yml:7:9",
		"init[0] docker.io/library/i:latest a/m.yml:6:8",
		"onboot[0] o docker.io/library/o:latest a/m.yml:5:10",
		"onshutdown[0] d docker.io/library/d:latest a/m.yml:4:14",
		"services[0] s docker.io/library/s:latest a/m.yml:3:12",
		"volumes[1] v docker.io/library/w:latest a/m.yml:2:22",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for place, c := range m.Containers() {
		if place != (Place{Onboot, 0}) || place.Where(c) != "onboot[0] o" {
			t.Errorf("first is %v", place)
		}
		break
	}
}

func TestIDs(t *testing.T) {
	manifest := func(services ...string) *Manifest {
		m := &Manifest{Onboot: []Container{{Name: "boot"}, {Name: "boot"}}, Onshutdown: []Container{{Name: "down"}}}
		for _, s := range services {
			m.Services = append(m.Services, Container{Name: s})
		}
		return m
	}
	tests := []struct {
		name       string
		m          *Manifest
		kept, want map[string]uint32
	}{
		{"fresh", manifest("a", "b"), nil, map[string]uint32{"boot": 100, "down": 101, "a": 102, "b": 103}},
		{"none", &Manifest{}, nil, map[string]uint32{}},
		{"one name in two sections", manifest("boot"), nil, map[string]uint32{"boot": 100, "down": 101}},
		{"root is no container", manifest("root", "a"), nil, map[string]uint32{"boot": 100, "down": 101, "a": 102}},
		{"all kept", manifest("b", "a"), map[string]uint32{"boot": 100, "down": 101, "a": 102, "b": 103}, map[string]uint32{"boot": 100, "down": 101, "a": 102, "b": 103}},
		{"one inserted", manifest("new", "a"), map[string]uint32{"boot": 100, "down": 101, "a": 102}, map[string]uint32{"boot": 100, "down": 101, "a": 102, "new": 103}},
		{"one gone, and none inherits", manifest("new"), map[string]uint32{"boot": 100, "down": 101, "a": 102}, map[string]uint32{"boot": 100, "down": 101, "new": 103}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kept := maps.Clone(tt.kept)
			got, err := IDs(tt.m, tt.kept)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(kept, tt.kept); diff != "" {
				t.Errorf("kept was changed: %s", diff)
			}
			numbers := slices.Sorted(maps.Values(got))
			if len(slices.Compact(numbers)) != len(got) {
				t.Error("a number is there twice")
			}
		})
	}
	for name, kept := range map[string]map[string]uint32{
		"twice":   {"a": 100, "b": 100},
		"too low": {"a": 99},
		"full":    {"a": 1<<32 - 2},
		"nobody":  {"a": 1<<32 - 1},
	} {
		if ids, err := IDs(manifest("a"), kept); err == nil {
			t.Errorf("%s: accepted as %v", name, ids)
		}
	}
}

func TestLookup(t *testing.T) {
	ids := map[string]uint32{"web": 104, "root": 9}
	for _, tt := range []struct {
		id   ID
		want uint32
		text string
	}{{ID{}, 0, "0"}, {ID{Number: 7}, 7, "7"}, {ID{Name: "web"}, 104, "web"}, {ID{Name: "root"}, 0, "root"}} {
		got, err := tt.id.Lookup(ids)
		if err != nil || got != tt.want || tt.id.String() != tt.text {
			t.Errorf("%v: %d, %v", tt.id, got, err)
		}
	}
	if _, err := (ID{Name: "ftp"}).Lookup(ids); err == nil {
		t.Error("ftp has a number")
	}
}
