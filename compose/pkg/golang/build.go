package golang

import (
	"cmp"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// Binary is a program that was made.
type Binary struct {
	Package  string    // import path of its main package
	Go       string    // version of the toolchain: "go1.26.8"
	Main     Module    // that the main package is of; built from a folder it has no version
	Modules  []Module  // what else is linked in, in the order of their paths
	Licences []Licence // of the toolchain, Main and Modules, as far as their folders have them, in the order of their paths
	Size     int64     // bytes
	SHA256   string    // of the file, hexadecimal
}

// Module is one that a program is made of.
type Module struct {
	Path, Version string
	Sum           string // as in go.sum, "h1:…"; "" where it is a folder on disk
	Replaces      string // the module that it stands in for, "PATH@VERSION"; "" if none
}

// flags are those of every build and of every list: they decide bytes, and so are
// part of [Sources]. Profiles are not used, for their guidance would be one more
// input.
var flags = []string{"-mod=readonly", "-trimpath", "-buildvcs=false", "-pgo=off"}

// linking leaves out symbols, debug information and the build id, which no bytes
// hang on but its own.
const linking = "-ldflags=-s -w -buildid="

// Build makes b.Out, with mode 0755, whole or not at all. Errors are the
// compiler's, with paths relative to the module, or wrap [ErrNoGo], [ErrOffline]
// or [ErrSum].
func (g *Go) Build(ctx context.Context, b Build) (Binary, error) {
	binary, err := g.build(ctx, &b)
	if err != nil {
		return Binary{}, fmt.Errorf("build %s for %s: %w", b.name(), b.Arch, err)
	}
	return binary, nil
}

func (g *Go) build(ctx context.Context, b *Build) (binary Binary, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(b.Out), ".go-build-")
	if err != nil {
		return binary, err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	out := filepath.Join(dir, "program")
	err = g.with(ctx, b, func(program string, at where) error {
		args := append([]string{"build"}, flags...)
		if g.o.Jobs > 0 {
			args = append(args, "-p", strconv.Itoa(g.o.Jobs))
		}
		args = append(args, linking, "-o", out, at.pkg)
		if _, err := g.o.run(ctx, command{program: program, dir: at.root, arch: b.Arch, args: args}); err != nil {
			return err
		}
		if binary, err = read(out, b); err != nil {
			return err
		}
		packages, err := g.list(ctx, b, program, at)
		if err != nil {
			return err
		}
		binary.Licences, err = b.licences(filepath.Dir(filepath.Dir(program)), packages)
		return err
	})
	if err != nil {
		return binary, err
	}
	if err := os.Chmod(out, 0o755); err != nil {
		return binary, err
	}
	return binary, os.Rename(out, b.Out)
}

// read returns what a program says of itself.
func read(path string, b *Build) (Binary, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil { // a package that is not main makes an archive
		return Binary{}, fmt.Errorf("no program was made: is it a main package? (%w)", err)
	}
	if info.GoVersion != b.Toolchain.Version {
		return Binary{}, fmt.Errorf("built by %s, not by %s", info.GoVersion, b.Toolchain.Version)
	}
	binary := Binary{Package: info.Path, Go: info.GoVersion, Main: Module{Path: info.Main.Path}}
	if b.Module != "" {
		_, version, _ := strings.Cut(b.Module, "@")
		binary.Main.Version, binary.Main.Sum = version, b.Sum
	}
	for _, m := range info.Deps {
		binary.Modules = append(binary.Modules, linked(m))
	}
	slices.SortFunc(binary.Modules, func(x, y Module) int { return cmp.Compare(x.Path, y.Path) })
	f, err := os.Open(path)
	if err != nil {
		return Binary{}, err
	}
	defer f.Close()
	h := sha256.New()
	if binary.Size, err = io.Copy(h, f); err != nil {
		return Binary{}, err
	}
	binary.SHA256 = hex.EncodeToString(h.Sum(nil))
	return binary, nil
}

// linked is a module as a program names it.
func linked(m *debug.Module) Module {
	if m.Replace == nil {
		return Module{Path: m.Path, Version: m.Version, Sum: m.Sum}
	}
	by := Module{Path: m.Replace.Path, Version: m.Replace.Version, Sum: m.Replace.Sum, Replaces: m.Path + "@" + m.Version}
	if by.Sum == "" { // a folder: its path is this machine's
		by.Path, by.Version = m.Path, ""
	}
	return by
}
