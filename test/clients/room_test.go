// Package clients gives composed container images to the programs that people
// give them to, and looks at what those make of them: whether they read the file,
// name the same layers and configuration, run /init, and unpack the very tree
// that "compose inspect" lists.
//
// What of the outputs each can read, as Debian 12 has it:
//
//	                              docker  oci: gzip  zstd  none
//	docker 20.10  load, run         x       -         -     -     reads no OCI layout
//	podman 4.3    load, run         x       x         x     x
//	skopeo 1.9    inspect, copy     x       x         x     x
//	skopeo 1.9    copy to docker            x         -     x     docker's images know no zstd
//	umoci 0.4     unpack            -       x         -     x     knows no zstd
//	go-containerregistry            x       x         x     x
//
// The test of a client skips where the client or a right is missing, and fails
// there if CI=true.
//
// Nothing of it stays on the machine. The Docker daemon and everything else runs
// in a mount namespace of the test's own ([room]) that hides the folders in which
// such programs keep what they know of the machine; containers have no network.
package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// missing leaves the test out, but where everything must have been installed.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// need asks for root and for a program.
func need(t *testing.T, program string) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "%s needs root: for owners, devices and mounts", program)
	}
	if _, err := exec.LookPath(program); err != nil {
		missing(t, "%s is not installed", program)
	}
}

// room is a mount namespace with one thread in it. What is mounted there goes
// with the thread and what it has started, however they end.
type room struct {
	dir string // for what the programs write
	do  func(func() error) error
}

// hidden are folders that the programs in a room write to without being asked.
func hidden() []string {
	return []string{"/run", "/dev/shm", "/var/lib", "/etc/docker", "/etc/cni"}
}

// newRoom makes a room that lasts as long as the test. A tree that is unpacked in
// its folder can be as large as the disk allows.
func newRoom(t *testing.T) *room {
	t.Helper()
	todo, done := make(chan func() error), make(chan error)
	go func() {
		runtime.LockOSThread() // and it ends with the goroutine
		for f := range todo {
			done <- f()
		}
		close(done)
	}()
	r := &room{dir: t.TempDir(), do: func(f func() error) error {
		todo <- f
		return <-done
	}}
	t.Cleanup(func() {
		close(todo)
		<-done
	})
	if err := r.do(r.furnish); err != nil {
		missing(t, "a mount namespace of its own: %v", err)
	}
	return r
}

func (r *room) furnish() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	for _, dir := range hidden() {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	return os.Mkdir(r.path("tmp"), 0o700)
}

// path is a path in the room's folder.
func (r *room) path(name string) string { return filepath.Join(r.dir, name) }

// command is a program in the room, which ends with the room's thread at the latest.
func (r *room) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = r.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "TMPDIR=" + r.path("tmp"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// alone is a program that is the first process of a namespace for processes: all
// that it has started ends with it. Nobody else sees what it mounts.
func (r *room) alone(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := r.command(ctx, "sh", append([]string{"-c", `mount -t proc proc /proc && exec "$0" "$@"`, name}, args...)...)
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS
	return cmd
}

// patience is how long a program may take. The slowest is unpacking the workload.
const patience = 5 * time.Minute

// run runs a program and returns what it writes to its standard output.
func (r *room) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return r.finish(t, r.command(ctx, name, args...))
}

// finish runs a command to its end.
func (r *room) finish(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := r.do(cmd.Run); err != nil {
		t.Fatalf("%q: %v\n%s%s", cmd.Args, err, &stdout, &stderr)
	}
	return stdout.String()
}

// cgroup is the name of the control group that containers of this test are below.
func cgroup() string { return fmt.Sprintf("compose-test-%d", os.Getpid()) }

// dropCgroups removes what runtimes leave of it, in every hierarchy.
func dropCgroups(t *testing.T) {
	const top = "/sys/fs/cgroup"
	hierarchies, err := os.ReadDir(top)
	if err != nil {
		return // there are none
	}
	tops := []string{top}
	for _, h := range hierarchies {
		tops = append(tops, filepath.Join(top, h.Name()))
	}
	for _, h := range tops {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(h, cgroup()), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append([]string{path}, dirs...)
			}
			return nil
		})
		for _, d := range dirs {
			if err := unix.Rmdir(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("control group %s stays: %v", d, err)
			}
		}
	}
}

// lines are the lines of a text.
func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }
