// Package runc starts bundles that compose has made, with the runc of this
// machine. Around it, it does what the init of a composed system does: it makes
// the composed tree the root of a mount namespace, read-only as in a running
// system, mounts what runtime.json says, and runs the container.
//
// Nothing of that reaches the machine: the namespaces for mounts, network, host
// name and IPC are the test's own, and /dev has the harmless devices only.
package runc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// machine is what is used of the machine inside a composed system.
type machine struct {
	runc []byte
	libs map[string][]byte // shared libraries and the loader by absolute path
}

// findMachine reads runc, or skips the test where it cannot run.
func findMachine(t *testing.T) machine {
	t.Helper()
	path, err := exec.LookPath("runc")
	switch {
	case os.Geteuid() != 0:
		skip(t, "starting containers needs root")
	case err != nil:
		skip(t, "runc is not installed")
	}
	// An ldd that fails says that runc is static.
	out, _ := exec.Command("ldd", path).Output()
	m := machine{runc: mustRead(t, path), libs: map[string][]byte{}}
	for _, lib := range regexp.MustCompile(`(?m)(/\S+) \(0x`).FindAllStringSubmatch(string(out), -1) {
		m.libs[lib[1]] = mustRead(t, lib[1])
	}
	return m
}

// skip leaves the test out, but where everything must have been installed.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// result is what a container has left behind.
type result struct {
	exit           int
	stdout, stderr string
}

// run starts the bundle at a path below root, and waits for its end.
func (m machine) run(t *testing.T, root, bundle string) result {
	t.Helper()
	name := fmt.Sprintf("compose-test-%d-%s", os.Getpid(), strings.ReplaceAll(bundle, "/", "-"))
	type outcome struct {
		result
		err error
	}
	done := make(chan outcome)
	go func() {
		// The namespaces and the root are this thread's; it ends with the goroutine.
		runtime.LockOSThread()
		r, err := m.runHere(root, "/"+bundle, name)
		done <- outcome{r, err}
	}()
	o := <-done
	if o.err != nil {
		t.Fatalf("%s: %v", bundle, o.err)
	}
	return o.result
}

// runHere gives the thread the system's root and starts the bundle in it.
func (m machine) runHere(root, bundle, name string) (result, error) {
	const own = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC
	if err := unix.Unshare(own); err != nil {
		return result{}, fmt.Errorf("unshare: %w", err)
	}
	if err := enter(root); err != nil {
		return result{}, err
	}
	if err := m.install(); err != nil {
		return result{}, err
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return result{}, fmt.Errorf("make / read-only: %w", err)
	}
	if err := prepare(bundle); err != nil {
		return result{}, err
	}
	return start(bundle, name)
}

// enter makes root the root filesystem, with the mounts that init makes.
func enter(root string) error {
	type mount struct {
		source, target, kind string
		flags                uintptr
	}
	for _, m := range []mount{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE},
		{root, root, "", unix.MS_BIND},
		{"proc", root + "/proc", "proc", 0},
		{"/sys", root + "/sys", "", unix.MS_BIND | unix.MS_REC},
		{"tmpfs", root + "/dev", "tmpfs", 0},
		{"tmpfs", root + "/run", "tmpfs", 0},
		{"tmpfs", root + "/tmp", "tmpfs", 0},
		{"tmpfs", root + "/var", "tmpfs", 0},
	} {
		if m.source != root && m.target != "/" {
			if err := os.MkdirAll(m.target, 0o755); err != nil {
				return err
			}
		}
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	for minor, name := range map[int]string{3: "null", 5: "zero", 7: "full", 8: "random", 9: "urandom"} {
		if err := unix.Mknod(root+"/dev/"+name, unix.S_IFCHR|0o666, int(unix.Mkdev(1, uint32(minor)))); err != nil {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
	}
	// pivot_root(2), "pivot_root(".", ".")": the old root ends up below the new one, and goes.
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the machine's root: %w", err)
	}
	return unix.Chdir("/")
}

// runcPath is where the machine's runc lies in the system.
const runcPath = "/run/bin/runc"

// install brings runc into the system, and those of its libraries that are not there.
func (m machine) install() error {
	if err := os.MkdirAll(filepath.Dir(runcPath), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(runcPath, m.runc, 0o755); err != nil {
		return err
	}
	for path, data := range m.libs {
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// runtimeFile is what of runtime.json these tests carry out.
type runtimeFile struct {
	Cgroups    []string          `json:"cgroups"`
	Mounts     []specs.Mount     `json:"mounts"`
	Mkdir      []string          `json:"mkdir"`
	Interfaces []json.RawMessage `json:"interfaces"`
	BindNS     map[string]string `json:"bindNS"`
}

// prepare does what runtime.json says before the container is made, in init's
// order: mounts, then directories.
func prepare(bundle string) error {
	data, err := os.ReadFile(bundle + "/runtime.json")
	if err != nil {
		return err
	}
	var r runtimeFile
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("runtime.json: %w", err)
	}
	if len(r.Cgroups)+len(r.Interfaces) > 0 {
		return errors.New("runtime.json: control groups and interfaces are not made by this test")
	}
	inside := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(bundle, "rootfs", path)
	}
	for _, m := range r.Mounts {
		if err := mount(m, inside(m.Destination)); err != nil {
			return fmt.Errorf("runtime.json: mount %s: %w", m.Destination, err)
		}
	}
	for _, dir := range r.Mkdir {
		if err := os.MkdirAll(inside(dir), 0o755); err != nil {
			return fmt.Errorf("runtime.json: mkdir: %w", err)
		}
	}
	return nil
}

func mount(m specs.Mount, target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	var flags uintptr
	var data []string
	for _, o := range m.Options {
		switch o {
		case "bind":
			flags |= unix.MS_BIND
		case "rbind":
			flags |= unix.MS_BIND | unix.MS_REC
		case "private":
			flags |= unix.MS_PRIVATE
		case "remount":
			flags |= unix.MS_REMOUNT
		case "ro":
			flags |= unix.MS_RDONLY
		case "rw":
		default:
			data = append(data, o)
		}
		if key, path, _ := strings.Cut(o, "="); key == "upperdir" || key == "workdir" {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
		}
	}
	return unix.Mount(m.Source, target, m.Type, flags, strings.Join(data, ","))
}

// start runs the container. The sources of its binds that are still missing are
// made where init's tmpfs let it, as the services of a system would do.
func start(bundle, name string) (result, error) {
	data, err := os.ReadFile(bundle + "/config.json")
	if err != nil {
		return result{}, err
	}
	var c specs.Spec
	if err := json.Unmarshal(data, &c); err != nil {
		return result{}, fmt.Errorf("config.json: %w", err)
	}
	for _, m := range c.Mounts {
		if m.Type == "bind" {
			// An error shows when runc misses it.
			_ = os.MkdirAll(m.Source, 0o755)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, runcPath, "--root", "/run/runc", "run", "--bundle", bundle, name)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	// A container that ended has deleted itself; this is for one that did not.
	_ = exec.Command(runcPath, "--root", "/run/runc", "delete", "--force", name).Run()
	r := result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return r, err
	}
	return r, ctx.Err()
}
