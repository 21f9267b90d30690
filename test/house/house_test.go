// Package house holds the direction of the arrows between the rooms of this
// module (docs/architecture.md), through everything that a room imports in turn.
// The linter's depguard sees direct imports only, and says it sooner.
package house_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// module is the path of this module, with a slash.
const module = "github.com/composeos/compose/"

// room is a folder and what its package may see of ours, directly or not.
type room struct {
	folder string
	sees   []string
}

// rooms lists every room of the product. A new one is added here, and to
// docs/architecture.md; test/… and pkgs/… are nobody's to import.
func rooms() []room {
	return []room{
		{"spec", nil},
		{"spec/internal/reference", []string{"spec"}},
		{"spec/internal/generate", []string{"spec", "spec/internal/reference"}},
		{"compose/rootfs", nil},
		{"compose/rootfs/rootfstest", []string{"compose/rootfs"}}, // for tests
		{"compose/store", []string{"compose/rootfs"}},
		{"compose/flatten", []string{"compose/rootfs"}},
		{"compose/registry", []string{"spec"}},
		{"compose/registry/registrytest", []string{"spec", "compose/registry"}}, // for tests
		{"compose/trust", []string{"spec"}},
		{"compose/trust/trusttest", []string{"spec", "compose/trust"}}, // for tests
		{"compose/sign", []string{"spec"}},
		{"compose/image", []string{"spec", "compose/rootfs", "compose/store", "compose/registry"}},
		{"compose/bundle", []string{"spec"}},
		{"compose/pkg/debian", []string{"compose/rootfs"}},
		{"compose/pkg/debian/debtest", []string{"compose/rootfs", "compose/pkg/debian"}}, // for tests
		{"compose/pkg/golang", nil},
		{"compose/pkg/closure", []string{"compose/rootfs"}},
		{"compose/pkg/kernel", []string{"compose/rootfs"}},
		{"compose/pkg/spdx", []string{"spec"}},
		{"compose/pkg", []string{
			"spec", "compose/rootfs", "compose/store", "compose/image", "compose/registry",
			"compose/pkg/debian", "compose/pkg/golang", "compose/pkg/closure", "compose/pkg/kernel", "compose/pkg/spdx",
		}},
		{"compose/machine", nil},
		{"compose", []string{"spec", "compose/rootfs", "compose/store", "compose/flatten", "compose/image", "compose/registry", "compose/trust", "compose/bundle"}},
		{"outputs/isodisk", nil},
		{"outputs", []string{"spec", "compose/rootfs", "outputs/isodisk"}},
		{"outputs/contents", []string{"spec", "compose/rootfs"}},
		{"cmd/compose", []string{
			"spec", "compose", "compose/rootfs", "compose/store", "compose/flatten", "compose/image", "compose/bundle",
			"compose/registry", "compose/trust", "compose/sign",
			"compose/pkg", "compose/pkg/debian", "compose/pkg/golang", "compose/pkg/closure", "compose/pkg/kernel", "compose/pkg/spdx",
			"compose/machine", "outputs", "outputs/contents", "outputs/isodisk",
		}},
	}
}

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Deps       []string
}

// list returns the module's packages with everything that each needs in turn.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Deps", "./...")
	cmd.Dir = "../.."
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &complaint)
	}
	var packages []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestArrows(t *testing.T) {
	found := list(t)
	if len(found) == 0 {
		t.Fatal("go list names no package")
	}
	for _, fault := range faults(found, rooms()) {
		t.Error(fault)
	}
}

// faults returns what in packages is against the plan, one sentence each.
func faults(packages []listed, plan []room) []string {
	var all []string
	for _, p := range packages {
		folder := strings.TrimPrefix(p.ImportPath, module)
		if isTest(folder) {
			continue
		}
		if isPackage(folder) {
			all = append(all, strangers(folder, p.Deps)...)
			continue
		}
		i := slices.IndexFunc(plan, func(r room) bool { return r.folder == folder })
		if i < 0 {
			all = append(all, folder+" is no room of the plan: say in house_test.go what it may see")
			continue
		}
		for _, d := range p.Deps {
			other, ours := strings.CutPrefix(d, module)
			if ours && !slices.Contains(plan[i].sees, other) {
				all = append(all, folder+" sees "+other+", which the plan does not allow: go list -deps ./"+folder)
			}
		}
	}
	return all
}

// isPackage reports whether a folder belongs to a package source, or is shared by
// those.
func isPackage(folder string) bool { return strings.HasPrefix(folder, "pkgs/") }

// strangers returns what the program of a package source sees that is not one's: it
// runs in a system, and knows nothing of how that is composed.
func strangers(folder string, deps []string) []string {
	var all []string
	for _, d := range deps {
		if other, ours := strings.CutPrefix(d, module); ours && !isPackage(other) {
			all = append(all, folder+" sees "+other+", which is no part of a package source")
		}
	}
	return all
}

// isTest reports whether a folder belongs to the checks of the whole.
func isTest(folder string) bool { return strings.HasPrefix(folder, "test/") }

func TestFaultsAreFound(t *testing.T) {
	plan := []room{{"a", nil}, {"b", []string{"a"}}}
	tests := []struct {
		name string
		in   listed
		want int
	}{
		{"as planned", listed{module + "b", []string{"fmt", module + "a"}}, 0},
		{"an arrow against the plan", listed{module + "a", []string{module + "b"}}, 1},
		{"a test helper in the product", listed{module + "b", []string{module + "test/fixture"}}, 1},
		{"a package source that sees another", listed{module + "pkgs/c", []string{module + "pkgs/internal/d"}}, 0},
		{"a package source that sees the product", listed{module + "pkgs/c", []string{module + "a"}}, 1},
		{"a room without a plan", listed{module + "c", nil}, 1},
		{"a test sees everything", listed{module + "test/x", []string{module + "a", module + "b"}}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := faults([]listed{tt.in}, plan); len(got) != tt.want {
				t.Errorf("faults %q, want %d", got, tt.want)
			}
		})
	}
}

func TestNoVagueNames(t *testing.T) {
	for _, p := range list(t) {
		for part := range strings.SplitSeq(strings.TrimPrefix(p.ImportPath, module), "/") {
			if slices.Contains([]string{"build", "util", "utils", "common", "helpers", "types"}, part) {
				t.Errorf("%s: a folder is not named %s", p.ImportPath, part)
			}
		}
	}
}
