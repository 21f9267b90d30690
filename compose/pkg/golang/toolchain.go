package golang

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// toolchainModule is the module that toolchains are versions of
// (go.dev/doc/toolchain, "Downloading toolchains").
const toolchainModule = "golang.org/toolchain@v0.0.1-"

// release is what a toolchain may be called: "go1.26.8", "go1.27rc1". A language
// version, "go1.26", is not one.
var release = regexp.MustCompile(`^go1\.[1-9][0-9]*(\.[0-9]+|rc[1-9][0-9]*)$`)

// host is this machine in the words of a toolchain's version: "linux-amd64".
func (o *Options) host() string { return o.HostOS + "-" + o.HostArch }

// Toolchain fetches the toolchain for this machine and returns its folder, whose
// bin/go can be run. Errors wrap [ErrNoGo], [ErrOffline] or [ErrSum].
func (g *Go) Toolchain(ctx context.Context, t Toolchain) (goroot string, err error) {
	if !release.MatchString(t.Version) {
		return "", fmt.Errorf("toolchain %q: not a release of Go, as go1.26.8 is", t.Version)
	}
	want, key := t.Sums[g.o.host()], g.key(t)
	g.mu.Lock()
	defer g.mu.Unlock()
	if dir := g.ready[key]; dir != "" {
		return dir, nil
	}
	if want == "" && g.o.Offline && g.o.Vendor != "" {
		return "", fmt.Errorf("toolchain %s for %s: no sum is recorded, and offline there is no checksum database to ask", t.Version, g.o.host())
	}
	m, err := g.o.fetch(ctx, g.o.Go, toolchainModule+t.Version+"."+g.o.host())
	if err != nil {
		return "", fmt.Errorf("toolchain %s: %w", t.Version, err)
	}
	if want != "" && m.Sum != want {
		return "", fmt.Errorf("toolchain %s for %s is %s, not %s: %w", t.Version, g.o.host(), m.Sum, want, ErrSum)
	}
	if err := settle(m.Dir); err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
			err = fmt.Errorf("its module cache cannot be changed by this user, choose another: %w", err)
		}
		return "", fmt.Errorf("toolchain %s: make it runnable: %w", t.Version, err)
	}
	g.ready[key] = m.Dir
	return m.Dir, nil
}

// key names a toolchain that was checked.
func (g *Go) key(t Toolchain) string { return t.Version + " " + t.Sums[g.o.host()] }

// ToolchainSum returns the sum of a toolchain's module for a host, as
// "linux-arm64", for [Toolchain].Sums. It downloads it.
func (g *Go) ToolchainSum(ctx context.Context, version, host string) (sum string, err error) {
	m, err := g.o.fetch(ctx, g.o.Go, toolchainModule+version+"."+host)
	return m.Sum, err
}

// settle does to a toolchain in the module cache what the go command does before
// it runs one (cmd/go/internal/toolchain, Exec): a module's files have no execute
// bit, and a module cannot hold go.mod files, so they are called _go.mod. Other
// processes of ours wait. A go command may be doing the same: each step can be done
// twice, and the file that tells others that all is done comes last.
func settle(dir string) error {
	lock, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	info, err := os.Stat(filepath.Join(dir, "bin", "go"))
	if err != nil {
		return err
	}
	if info.Mode()&0o111 == 0 {
		for _, step := range []struct{ in, names string }{
			{"pkg/tool", "*"}, {"lib", "go_?*_?*_exec"}, {"bin", "gofmt"}, {"bin", "go"},
		} {
			if err := allowRun(filepath.Join(dir, step.in), step.names); err != nil {
				return err
			}
		}
	}
	last := filepath.Join(dir, "src", "_go.mod")
	if same(last) {
		return nil
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "_go.mod" || path == last {
			return err
		}
		return copyModFile(path)
	})
	if err != nil {
		return err
	}
	return copyModFile(last)
}

// allowRun sets the execute bits of the files below dir with such names.
func allowRun(dir, names string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ok, err := filepath.Match(names, d.Name()); err != nil || !ok {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Mode()&0o111 == 0o111 {
			return err
		}
		return os.Chmod(path, info.Mode().Perm()|0o111)
	})
}

// same tells whether the file beside a _go.mod is there, whole.
func same(from string) bool {
	a, err := os.Stat(from)
	if err != nil {
		return false
	}
	b, err := os.Stat(strings.TrimSuffix(from, "_go.mod") + "go.mod")
	return err == nil && a.Size() == b.Size()
}

// copyModFile copies a _go.mod to the go.mod beside it. Folders of the module
// cache are read-only, and another process may make this one so again at any
// moment: then it is tried again.
func copyModFile(from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	dir := filepath.Dir(from)
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	for range 20 {
		if same(from) {
			return nil
		}
		if err = os.Chmod(dir, info.Mode().Perm()|0o200); err != nil {
			return err
		}
		if err = place(filepath.Join(dir, "go.mod"), content); !errors.Is(err, fs.ErrPermission) {
			break
		}
	}
	if restore := os.Chmod(dir, info.Mode().Perm()); err == nil {
		err = restore
	}
	return err
}

// place makes a read-only file at once.
func place(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "go.mod.tmp-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if e := f.Chmod(0o444); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name()) //nolint:errcheck // the error that matters is the first
	}
	return err
}
