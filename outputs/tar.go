package outputs

import (
	"context"
	"errors"
	"slices"

	"github.com/composeos/compose/compose/rootfs"
)

// Tar is the format "tar": the whole root filesystem as one tar archive, every
// entry but the root in path order, in the encoding of [rootfs.Tar].
type Tar struct{}

// Name implements [Format].
func (Tar) Name() string { return "tar" }

// Summary implements [Format].
func (Tar) Summary() string { return "the root filesystem as a tar archive" }

// Files implements [Format].
func (Tar) Files(name string) []string { return []string{name + ".tar"} }

// Compresses implements [Format].
func (Tar) Compresses() bool { return false }

// Sized implements [Format].
func (Tar) Sized() bool { return false }

// Check implements [Format]. It finds what no tar archive can hold.
func (Tar) Check(t *rootfs.Tree, o Options) ([]Notice, error) {
	return nil, errors.Join(o.Validate(), encodable(t.Entries(), rootfs.Tar{}))
}

// Write implements [Format].
func (f Tar) Write(ctx context.Context, t *rootfs.Tree, env Env) error {
	a, err := newArchive(section{slices.Collect(t.Entries()), rootfs.Tar{}, true})
	if err != nil {
		return err
	}
	return writeFile(ctx, env, f.Files(env.Name)[0], a)
}
