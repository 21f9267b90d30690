package golang

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// architectures are what programs can be built for.
var architectures = []string{"amd64", "arm64"}

// check refuses what no build can be made of.
func (b *Build) check() error {
	if !release.MatchString(b.Toolchain.Version) {
		return fmt.Errorf("toolchain %q: not a release of Go, as go1.26.8 is", b.Toolchain.Version)
	}
	if !slices.Contains(architectures, b.Arch) {
		return fmt.Errorf("architecture %q: not one of %s", b.Arch, strings.Join(architectures, ", "))
	}
	if b.Module == "" {
		if b.Dir == "" || b.Main == "" {
			return fmt.Errorf("neither a module nor the folder of a main package is given")
		}
		return nil
	}
	path, version, ok := strings.Cut(b.Module, "@")
	if !ok || module.Check(path, version) != nil {
		return fmt.Errorf("module %q: not PATH@VERSION with a whole version, as v1.2.3 is", b.Module)
	}
	if !filepath.IsLocal(filepath.FromSlash(b.folder())) {
		return fmt.Errorf("package %q: not a folder in its module", b.Package)
	}
	if !strings.HasPrefix(b.Sum, "h1:") {
		return fmt.Errorf(`module %s: sum %q: not a sum of go.sum, "h1:…"`, b.Module, b.Sum)
	}
	return nil
}

// folder is the package's in its module.
func (b *Build) folder() string {
	if b.Package == "" {
		return "."
	}
	return b.Package
}

// where is a module on disk and the folder of the main package in it, as an
// argument to the go command.
type where struct{ root, pkg string }

// find returns the module that has the main package's folder: the one whose
// go.mod is the next above it.
func (b *Build) find() (where, error) {
	dir := filepath.Join(b.Dir, filepath.FromSlash(b.Main))
	if info, err := os.Stat(dir); err != nil {
		return where{}, err
	} else if !info.IsDir() {
		return where{}, fmt.Errorf("%s is a file: a main package is named by its folder", dir)
	}
	for root := dir; ; root = filepath.Dir(root) {
		if info, err := os.Stat(filepath.Join(root, "go.mod")); err == nil && info.Mode().IsRegular() {
			rel, err := filepath.Rel(root, dir)
			return where{root, argument(filepath.ToSlash(rel))}, err
		}
		if root == filepath.Dir(root) {
			return where{}, fmt.Errorf("%s is in no module: there is no go.mod in it nor above it", dir)
		}
	}
}

// argument makes a folder an argument that go takes for one.
func argument(folder string) string {
	if folder == "." {
		return "."
	}
	return "./" + strings.TrimPrefix(folder, "./")
}

// unpack fetches b's module, checks it and lays it out below dir.
//
// It is built there as its authors build it, with its own go.mod and go.sum.
// Replacements by other modules hold; by folders outside of the module they
// cannot, and go says so.
func (g *Go) unpack(ctx context.Context, b *Build, dir string) (where, error) {
	m, err := g.o.fetch(ctx, g.o.Go, b.Module)
	if err != nil {
		return where{}, err
	}
	sum, err := dirhash.HashZip(m.Zip, dirhash.Hash1)
	if err != nil {
		return where{}, fmt.Errorf("read %s: %w", b.Module, err)
	}
	if sum != b.Sum {
		return where{}, fmt.Errorf("%s is %s, not %s: %w", b.Module, sum, b.Sum, ErrSum)
	}
	path, version, _ := strings.Cut(b.Module, "@")
	root := filepath.Join(dir, "module")
	if err := zip.Unzip(root, module.Version{Path: path, Version: version}, m.Zip); err != nil {
		return where{}, fmt.Errorf("unpack %s: %w", b.Module, err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return where{}, fmt.Errorf("%s has no go.mod: nothing pins what it needs", b.Module)
	}
	return where{root, argument(b.folder())}, nil
}

// with calls f with the toolchain, and with the place of b's sources, which is gone
// afterwards if it was made for that.
func (g *Go) with(ctx context.Context, b *Build, f func(program string, at where) error) (err error) {
	if err := b.check(); err != nil {
		return err
	}
	goroot, err := g.Toolchain(ctx, b.Toolchain)
	if err != nil {
		return err
	}
	program := filepath.Join(goroot, "bin", "go")
	if b.Module == "" {
		at, err := b.find()
		if err != nil {
			return err
		}
		return f(program, at)
	}
	dir, err := os.MkdirTemp(g.o.Scratch, "go-module-")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	at, err := g.unpack(ctx, b, dir)
	if err != nil {
		return err
	}
	return f(program, at)
}
