package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// compiledBy runs a compose that this release of Go compiled.
func compiledBy(release string) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		program, err := r.lab.compile(ctx, r.lab.root, release, "GOTOOLCHAIN="+release)
		if err != nil {
			return err
		}
		r.program = []string{program}
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return err
		}
		if info.GoVersion != release {
			return fmt.Errorf("%s was compiled by %s, not %s", program, info.GoVersion, release)
		}
		return nil
	}
}

// compiledFor runs a compose for another processor, through an emulator where
// this one does not understand it.
func compiledFor(arch string) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		program, err := r.lab.compile(ctx, r.lab.root, arch, "GOARCH="+arch)
		r.program = []string{program}
		native := arch == runtime.GOARCH || arch == "386" && runtime.GOARCH == "amd64"
		if err != nil || native {
			return err
		}
		names := map[string]string{"arm64": "qemu-aarch64-static", "386": "qemu-i386-static", "amd64": "qemu-x86_64-static"}
		emulator, err := exec.LookPath(names[arch])
		if err != nil {
			return skipped("no " + names[arch])
		}
		r.program = []string{emulator, program}
		return nil
	}
}

// compile compiles compose in the folder root as `make build` does, once for each name.
func (l *lab) compile(ctx context.Context, root, name string, env ...string) (string, error) {
	program := filepath.Join(l.scratch, "compose-"+name)
	return program, goBuild(ctx, program, root, "./cmd/compose", env...)
}

// goBuild compiles a static program of the repository in the folder root, unless it
// is there.
func goBuild(ctx context.Context, program, root, folder string, env ...string) error {
	if _, err := os.Stat(program); err == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", program, folder)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), append([]string{"CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOAMD64=v1"}, env...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s (%s): %w\n%s", folder, strings.Join(env, " "), err, out)
	}
	return nil
}

// twoFoldersLine is the line of twoFolders.
const twoFoldersLine = "compiler: in two folders, the same compose"

// twoFolders compiles compose in the repository and in a copy of it elsewhere,
// and wants the same bytes.
func (l *lab) twoFolders(ctx context.Context) error {
	watch := start()
	elsewhere := filepath.Join(l.scratch, "some", "where else")
	for _, name := range []string{"cmd", "compose", "outputs", "spec", "go.mod", "go.sum"} {
		from, to := filepath.Join(l.root, name), filepath.Join(elsewhere, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := copyTree(from, to, l.shuffleNames); err != nil {
			return err
		}
	}
	here, err := l.compile(ctx, l.root, "here")
	if err != nil {
		return err
	}
	there, err := l.compile(ctx, elsewhere, "there")
	if err != nil {
		return err
	}
	a, errA := sum(here)
	b, errB := sum(there)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	s := &subject{name: "compose"}
	if a != b {
		l.wrong++
		l.line(s, twoFoldersLine, b, "DIFFERENT  "+watch.stop())
		return fmt.Errorf("compose compiled in two folders differs: %s and %s", a, b)
	}
	l.right++
	l.line(s, twoFoldersLine, b, "equal      "+watch.stop())
	return nil
}
