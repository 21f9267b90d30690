package golang

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"
)

// Vendor fills dir with what the builds need to be made offline ([Options].Vendor):
// the modules that are really used, and the toolchains for the hosts, each as
// "linux-amd64", where they may be made. What is there stays. dir becomes what a
// GOPROXY serves (go.dev/ref/mod, "GOPROXY protocol"); what the module cache has is
// not fetched again.
func (g *Go) Vendor(ctx context.Context, dir string, builds []Build, hosts []string) error {
	if err := g.vendor(ctx, dir, builds, hosts); err != nil {
		return fmt.Errorf("vendor Go modules: %w", err)
	}
	return nil
}

// vendor lets go do all but compile, with a module cache that is empty at first:
// what is in that afterwards is what is needed.
func (g *Go) vendor(ctx context.Context, dir string, builds []Build, hosts []string) (err error) {
	have, err := g.o.modCache(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cache, err := os.MkdirTemp(dir, ".filling-")
	if err != nil {
		return err
	}
	defer func() {
		if e := removeCache(cache); err == nil {
			err = e
		}
	}()
	o := g.o
	o.ModCache = cache
	if o.Proxy, err = g.o.goProxy(ctx); err != nil {
		return err
	}
	o.Vendor = filepath.Join(have, "cache", "download")
	inner := New(o)
	for i := range builds {
		if err := g.vendorBuild(ctx, inner, &builds[i]); err != nil {
			return fmt.Errorf("%s: %w", builds[i].name(), err)
		}
	}
	if err := g.vendorToolchains(ctx, inner, builds, hosts); err != nil {
		return err
	}
	return keep(filepath.Join(cache, "cache", "download"), dir)
}

// vendorBuild has go read all of one build's sources.
func (g *Go) vendorBuild(ctx context.Context, inner *Go, b *Build) error {
	goroot, err := g.Toolchain(ctx, b.Toolchain)
	if err != nil {
		return err
	}
	inner.ready[inner.key(b.Toolchain)] = goroot
	return inner.with(ctx, b, func(program string, at where) error {
		_, err := inner.list(ctx, b, program, at)
		return err
	})
}

// vendorToolchains fetches every toolchain of builds for every host.
func (g *Go) vendorToolchains(ctx context.Context, inner *Go, builds []Build, hosts []string) error {
	toolchains := map[string]Toolchain{}
	for _, b := range builds {
		toolchains[b.Toolchain.Version] = b.Toolchain
	}
	for _, version := range slices.Sorted(maps.Keys(toolchains)) {
		for _, host := range hosts {
			at, err := g.toolchainZip(ctx, inner, toolchains[version], host)
			if err != nil {
				return err
			}
			sum, err := dirhash.HashZip(at, dirhash.Hash1)
			if err != nil {
				return err
			}
			if want := toolchains[version].Sums[host]; want != "" && want != sum {
				return fmt.Errorf("toolchain %s for %s is %s, not %s: %w", version, host, sum, want, ErrSum)
			}
		}
	}
	return nil
}

// toolchainZip brings a toolchain into inner's module cache and returns its
// archive. This machine's own is in g's: it is copied.
func (g *Go) toolchainZip(ctx context.Context, inner *Go, t Toolchain, host string) (path string, err error) {
	if host != g.o.host() {
		m, err := inner.o.fetch(ctx, g.o.Go, toolchainModule+t.Version+"."+host)
		return m.Zip, err
	}
	goroot, err := g.Toolchain(ctx, t)
	if err != nil {
		return "", err
	}
	const folder = "cache/download/golang.org/toolchain/@v"
	_, version, _ := strings.Cut(filepath.Base(goroot), "@")
	to := filepath.Join(inner.o.ModCache, folder, version)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	for _, ext := range served {
		if err := copyFile(filepath.Join(goroot, "..", "..", folder, version)+ext, to+ext); err != nil {
			return "", err
		}
	}
	return to + ".zip", nil
}

// copyFile copies a file to where there is none.
func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// modCache is the folder of modules that go uses.
func (o *Options) modCache(ctx context.Context) (string, error) {
	if o.ModCache != "" {
		return o.ModCache, nil
	}
	if o.Go == "" {
		return "", ErrNoGo
	}
	out, err := o.run(ctx, command{program: o.Go, dir: o.Scratch, args: []string{"env", "GOMODCACHE"}})
	if dir := strings.TrimSpace(string(out)); err == nil && filepath.IsAbs(dir) {
		return dir, nil
	}
	return "", errors.Join(err, errors.New("go does not say where its module cache is"))
}

// served are the files that a GOPROXY serves.
var served = []string{".info", ".mod", ".zip"}

// keep moves what can be served from one folder to another.
func keep(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == from {
			return nil // nothing was needed
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel == "sumdb" {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains(served, filepath.Ext(path)) {
			return nil
		}
		target := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.Rename(path, target)
	})
}

// removeCache removes a module cache, whose folders are read-only.
func removeCache(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}
