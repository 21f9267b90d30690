package isodisk

import (
	"errors"
	"runtime/debug"
	"testing"
)

func TestReleaseOf(t *testing.T) {
	build := func(deps ...*debug.Module) *debug.BuildInfo { return &debug.BuildInfo{Deps: deps} }
	other := &debug.Module{Path: "github.com/google/uuid", Version: "v1.6.0"}
	for name, test := range map[string]struct {
		info *debug.BuildInfo
		file string
		want string
	}{
		"a program":                   {build(other, &debug.Module{Path: module, Version: "v1.9.4"}), "", "v1.9.4"},
		"another release":             {build(other, &debug.Module{Path: module, Version: "v1.9.5"}), "/mod/" + module + "@v1.9.4/x.go", "v1.9.5"},
		"replaced by a folder":        {build(&debug.Module{Path: module, Version: "v1.9.4", Replace: &debug.Module{Path: "../fork"}}), "", "../fork "},
		"replaced by a module":        {build(&debug.Module{Path: module, Version: "v1.9.4", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.9.4"}}), "", "example.com/fork v1.9.4"},
		"replaced by itself":          {build(&debug.Module{Path: module, Version: "v1.9.3", Replace: &debug.Module{Path: module, Version: "v1.9.4"}}), "", module + " v1.9.4"},
		"of a workspace":              {build(&debug.Module{Path: module, Version: "(devel)"}), "", "(devel)"},
		"a test":                      {build(), "/root/go/pkg/mod/" + module + "@v1.9.4/filesystem/iso9660/iso9660.go", "v1.9.4"},
		"a test with -trimpath":       {nil, module + "@v1.9.4/filesystem/iso9660/iso9660.go", "v1.9.4"},
		"a test with another":         {nil, "/root/go/pkg/mod/" + module + "@v2.0.0/iso9660.go", "v2.0.0"},
		"a test with a vendor folder": {build(), "/src/vendor/" + module + "/filesystem/iso9660/iso9660.go", ""},
		"nothing":                     {nil, "", ""},
	} {
		if got := releaseOf(test.info, test.file); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestCheckRelease(t *testing.T) {
	if err := checkRelease(release()); err != nil {
		t.Errorf("this test: %v", err)
	}
	for _, release := range []string{"", "v1.9.5", "v1.9.4-rc1", "v1.9.4+incompatible", "v0.0.0-20260101000000-0123456789ab", "(devel)", "../fork ", module + " v1.9.4"} {
		err := checkRelease(release)
		if !errors.Is(err, ErrEnvelope) {
			t.Errorf("%q: %v", release, err)
		}
		o := boots()
		if err := errors.Join(o.check(release), o.Volume.check(release, asIs)); !errors.Is(err, ErrEnvelope) {
			t.Errorf("%q: %v", release, err)
		}
	}
	want := `outside of what can be laid out: this compose was built with github.com/diskfs/go-diskfs "v1.9.5", and knows v1.9.4 alone: build it with that`
	if err := checkRelease("v1.9.5"); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
