package pkg

import (
	"context"
	"fmt"

	"github.com/composeos/compose/compose/pkg/debian"
	"github.com/composeos/compose/compose/pkg/golang"
)

// Vendor fetches all that the set's sources need into a folder: Debian packages by
// their SHA-256, and below "go" the modules and toolchains. With the folder, all of
// them can be built without a network.
func (b *Builder) Vendor(ctx context.Context, s *Set, dir string, hosts []string) error {
	var builds []golang.Build
	seen := map[string]bool{}
	for _, source := range s.Sources {
		for _, arch := range source.Package.Builds() {
			builds = append(builds, source.builds(arch, b.WorkDir)...)
			pins, err := source.debs(arch)
			if err != nil {
				return err
			}
			for _, pin := range pins {
				p := pinOf(s.Lock, pin)
				if seen[p.SHA256] {
					continue
				}
				seen[p.SHA256] = true
				if err := b.vendor(ctx, p, debian.Dir(dir)); err != nil {
					return fmt.Errorf("%s: debs: %s %s: %w", source.Package.Pos, p.Name, p.Version, err)
				}
			}
		}
	}
	if len(builds) == 0 {
		return nil
	}
	defer b.begin("fetch", "Go modules")()
	return b.Go.Vendor(ctx, GoVendor(dir), builds, hosts)
}

// GoVendor is where a vendored folder has what the Go toolchain needs.
func GoVendor(dir string) string { return dir + "/go" }

// vendor fetches one package into a folder.
func (b *Builder) vendor(ctx context.Context, p debian.Pin, dir debian.Dir) error {
	defer b.begin("fetch", p.Name+" "+p.Version)()
	blob, err := b.Archive.Fetch(ctx, p)
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }() // it was only read
	return dir.Put(p.SHA256, sectionOf(blob))
}
