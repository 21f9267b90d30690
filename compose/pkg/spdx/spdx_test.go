package spdx_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/composeos/compose/compose/pkg/spdx"
)

var update = flag.Bool("update", false, "write the golden files")

// web is an image with some of everything.
func web() spdx.Image {
	sum := "h1:" + strings.Repeat("A", 43) + "="
	return spdx.Image{
		Name: "web", Version: "0123abcd", Arch: "amd64", Created: 1790000000, Tool: "compose", Distro: "debian-13",
		Debs: []spdx.Deb{
			{Name: "libstdc++6", Version: "14.2.0-19", Arch: "amd64", Source: "gcc-14", SHA256: strings.Repeat("ab", 32), Supplier: "Debian GCC Maintainers <debian-gcc@lists.debian.org>"},
			{Name: "libgcc-s1", Version: "14.2.0-19", Arch: "amd64", Source: "gcc-14", SHA256: strings.Repeat("CD", 32), Supplier: "Debian GCC Maintainers <debian-gcc@lists.debian.org>"},
			{Name: "nginx", Version: "1:1.26.3-3+deb13u1", Arch: "amd64", SourceVersion: "1.26.3-3+deb13u1"},
		},
		Binaries: []spdx.Binary{
			{
				Path: "usr/bin/x", Package: "example.com/x/cmd/x", SHA256: strings.Repeat("0f", 32), Go: "go1.26.8", Main: spdx.Module{Path: "example.com/x", Version: "v1.0.0", Sum: sum},
				Modules: []spdx.Module{{Path: "github.com/Upper/case/v2", Version: "v2.0.0+incompatible", Sum: sum}, {Path: "golang.org/x/sys", Version: "v0.49.0", Sum: sum}},
			},
			{Path: "usr/bin/y", Package: "example.com/own/y", Go: "go1.26.8", Main: spdx.Module{Path: "example.com/own"}, Modules: []spdx.Module{{Path: "golang.org/x/sys", Version: "v0.49.0", Sum: sum}}},
		},
	}
}

func marshal(t *testing.T, i spdx.Image) string {
	t.Helper()
	b, err := spdx.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestMarshal holds the whole of a document.
func TestMarshal(t *testing.T) {
	golden := filepath.Join("testdata", "web.spdx.json")
	got := marshal(t, web())
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestOrder holds that the order of an image's lists is nothing, and that what is
// in them is something.
func TestOrder(t *testing.T) {
	first, i := marshal(t, web()), web()
	slices.Reverse(i.Debs)
	slices.Reverse(i.Binaries)
	slices.Reverse(i.Binaries[1].Modules)
	i.Debs = append(i.Debs, i.Debs[0])
	if d := cmp.Diff(first, marshal(t, i)); d != "" {
		t.Errorf("in another order (-first +second):\n%s", d)
	}
	namespaces := map[string]bool{namespace(t, first): true}
	for _, edit := range []func(*spdx.Image){
		func(i *spdx.Image) { i.Version += "x" },
		func(i *spdx.Image) { i.Arch = "arm64" },
		func(i *spdx.Image) { i.Created++ },
		func(i *spdx.Image) { i.Debs[0].SHA256 = "" },
		func(i *spdx.Image) { i.Binaries[0].Modules[1].Version = "v0.50.0" },
	} {
		i := web()
		edit(&i)
		namespaces[namespace(t, marshal(t, i))] = true
	}
	if len(namespaces) != 6 {
		t.Errorf("%d namespaces of 6 images", len(namespaces))
	}
}

func namespace(t *testing.T, doc string) string {
	t.Helper()
	var d struct{ DocumentNamespace string }
	if err := json.Unmarshal([]byte(doc), &d); err != nil {
		t.Fatal(err)
	}
	return d.DocumentNamespace
}

// TestStructure holds what the specification demands of every document.
func TestStructure(t *testing.T) {
	for name, image := range map[string]spdx.Image{"web": web(), "empty": {Name: "Ünï köde", Arch: "arm64", Tool: "compose"}} {
		t.Run(name, func(t *testing.T) {
			var d struct {
				DocumentNamespace string
				CreationInfo      struct{ Created string }
				Packages          []struct {
					SPDXID, Name, DownloadLocation string
					ExternalRefs                   []struct{ ReferenceLocator string }
				}
				Relationships []struct {
					From string `json:"spdxElementId"`
					To   string `json:"relatedSpdxElement"`
				}
			}
			if err := json.Unmarshal([]byte(marshal(t, image)), &d); err != nil {
				t.Fatal(err)
			}
			ids := map[string]bool{"SPDXRef-DOCUMENT": true}
			related := map[string]bool{}
			for _, p := range d.Packages {
				if !regexp.MustCompile(`^SPDXRef-[a-zA-Z0-9.-]+$`).MatchString(p.SPDXID) || ids[p.SPDXID] || p.Name == "" || p.DownloadLocation == "" {
					t.Errorf("%+v", p)
				}
				ids[p.SPDXID] = true
				for _, r := range p.ExternalRefs {
					if !regexp.MustCompile(`^pkg:(deb/debian|golang|oci)/[\w.~%/-]+(@[\w.~%:-]+)?(\?[\w.~%=&:-]+)?$`).MatchString(r.ReferenceLocator) {
						t.Errorf("package URL %s", r.ReferenceLocator)
					}
				}
			}
			for _, r := range d.Relationships {
				if !ids[r.From] || !ids[r.To] {
					t.Errorf("%+v relates what is not there", r)
				}
				related[r.To] = true
			}
			if len(related) != len(ids)-1 {
				t.Errorf("%d of %d packages are reached", len(related), len(ids)-1)
			}
			if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`).MatchString(d.CreationInfo.Created) || !strings.HasPrefix(d.DocumentNamespace, "https://") || strings.ContainsAny(d.DocumentNamespace, "# ") {
				t.Errorf("created %s, namespace %s", d.CreationInfo.Created, d.DocumentNamespace)
			}
		})
	}
}

// TestMarshalRefuses a sum that is none.
func TestMarshalRefuses(t *testing.T) {
	i := web()
	i.Binaries[0].Modules[0].Sum = "h1:short"
	if _, err := spdx.Marshal(i); err == nil || !strings.Contains(err.Error(), `github.com/Upper/case/v2: sum "h1:short"`) {
		t.Errorf("%v", err)
	}
}
