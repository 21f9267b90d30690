package clients

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// docker is a Docker daemon in a room, and its client.
type docker struct {
	*room
	client string
	driver string // how it stores images: overlay2 or vfs
	socket string
}

// inDocker loads the image into Docker, compares what it has made of it, and runs it.
func (s *system) inDocker(t *testing.T) {
	d := startDocker(t)
	said := d.docker(t, "load", "-i", s.docker)
	if want := "Loaded image: " + s.name + ":latest"; !slices.Contains(lines(said), want) {
		t.Errorf("docker load says %q, want %q", said, want)
	}
	s.dockerHas(t, d, s.name)
	t.Run("tree", func(t *testing.T) {
		root, done := d.mounted(t, s.diffIDs)
		defer done()
		sameTree(t, d.room, s.entries, root)
	})
	if s.says != "" {
		t.Run("run", func(t *testing.T) {
			if got := d.docker(t, "run", "--rm", "--network", "none", "--pull", "never", s.name); got != s.says {
				t.Errorf("/init says %q, want %q", got, s.says)
			}
		})
	}
	if s.brief {
		return
	}
	t.Run("save", func(t *testing.T) {
		saved := d.path("saved.tar")
		d.docker(t, "save", "-o", saved, s.name)
		s.valid(t, fromArchive(t, saved))
	})
	t.Run("skopeo", func(t *testing.T) { s.skopeoToDocker(t, d) })
}

// dockerHas compares what docker tells of the image.
func (s *system) dockerHas(t *testing.T, d *docker, name string) {
	t.Helper()
	var told []struct {
		ID               string
		RootFS           struct{ Layers []string }
		OS, Architecture string
		Created          time.Time
		Config           struct {
			Entrypoint []string
			Labels     map[string]string
		}
	}
	unmarshal(t, []byte(d.docker(t, "image", "inspect", name)), &told)
	i := told[0]
	if i.ID != s.config.String() {
		t.Errorf("docker calls the image %s, want %s", i.ID, s.config)
	}
	if want := texts(s.diffIDs); !slices.Equal(i.RootFS.Layers, want) {
		t.Errorf("docker has layers %q, want %q", i.RootFS.Layers, want)
	}
	s.configured(t, configuration{i.OS, i.Architecture, i.Config.Entrypoint, i.Created, i.Config.Labels})
}

func texts(hashes []v1.Hash) []string {
	var all []string
	for _, h := range hashes {
		all = append(all, h.String())
	}
	return all
}

// docker runs the client.
func (d *docker) docker(t *testing.T, args ...string) string {
	t.Helper()
	return d.run(t, d.client, append([]string{"-H", "unix://" + d.socket}, args...)...)
}

// startDocker starts a daemon that lasts as long as the test, with the first way
// of storing images that works here.
func startDocker(t *testing.T) *docker {
	t.Helper()
	need(t, "dockerd")
	d := &docker{room: newRoom(t), client: dockerClient(t), socket: "/run/docker.sock"}
	if err := os.WriteFile(d.path("docker.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	var faults []string
	for _, d.driver = range []string{"overlay2", "vfs"} {
		fault := d.start(t)
		if fault == "" {
			t.Logf("dockerd stores by %s; the client is %s", d.driver, d.client)
			return d
		}
		faults = append(faults, fault)
	}
	missing(t, "dockerd does not start:\n%s", strings.Join(faults, "\n"))
	return nil
}

// dockerClient returns the client of the daemon's release, or else the first.
func dockerClient(t *testing.T) string {
	t.Helper()
	version := func(program string) string {
		out, _ := exec.Command(program, "--version").Output() // "Docker version 20.10.24+dfsg1, build 297e128"
		v, _, _ := strings.Cut(strings.TrimPrefix(string(out), "Docker version "), ",")
		return v
	}
	var clients []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(dir, "docker")); err == nil {
			clients = append(clients, path)
		}
	}
	if len(clients) == 0 {
		missing(t, "docker is not installed")
	}
	want := version("dockerd")
	return clients[max(0, slices.IndexFunc(clients, func(c string) bool { return version(c) == want }))]
}

// start starts the daemon, and returns why that does not work, if so.
func (d *docker) start(t *testing.T) (fault string) {
	t.Helper()
	cmd := d.alone(context.Background(), "dockerd", "--config-file", d.path("docker.json"),
		"--data-root", d.path("docker"), "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid", "-H", "unix://"+d.socket,
		"--storage-driver", d.driver, "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", "/"+cgroup(),
		"--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
	log := &journal{word: "API listen on", said: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = log, log
	if err := d.do(cmd.Start); err != nil {
		return err.Error()
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-log.said:
	case err := <-ended:
		return fmt.Sprintf("with %s: %v\n%s", d.driver, err, log.complaints())
	case <-time.After(time.Minute):
		stop(cmd, ended)
		return fmt.Sprintf("with %s: not ready within a minute\n%s", d.driver, log.complaints())
	}
	t.Cleanup(func() {
		stop(cmd, ended)
		dropCgroups(t)
		if t.Failed() {
			t.Logf("dockerd:\n%s", log.complaints())
		}
	})
	return ""
}

// stop ends the daemon and waits for its end.
func stop(cmd *exec.Cmd, ended <-chan error) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
}

// journal keeps what a program writes, and tells when it has written a word.
type journal struct {
	text bytes.Buffer
	word string
	said chan struct{}
}

func (j *journal) Write(p []byte) (int, error) {
	n, err := j.text.Write(p)
	if j.word != "" && strings.Contains(j.text.String(), j.word) {
		j.word = ""
		close(j.said)
	}
	return n, err
}

// complaints are the lines of its log that are more than information.
func (j *journal) complaints() string {
	all := lines(j.text.String())
	return strings.Join(slices.DeleteFunc(all, func(l string) bool { return strings.Contains(l, "level=info") }), "\n")
}

// mounted returns a folder with the files of an image as the daemon has unpacked
// them, and what makes an end of it.
func (d *docker) mounted(t *testing.T, diffIDs []v1.Hash) (root string, done func()) {
	t.Helper()
	top := diffIDs[0].String() // ChainID: image-spec config.md, "Layer ChainID"
	for _, id := range diffIDs[1:] {
		top = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(top+" "+id.String())))
	}
	id, err := os.ReadFile(d.path(filepath.Join("docker/image", d.driver, "layerdb/sha256", strings.TrimPrefix(top, "sha256:"), "cache-id")))
	if err != nil {
		t.Fatal(err)
	}
	if d.driver == "vfs" {
		return d.path("docker/vfs/dir/" + string(id)), func() {}
	}
	root = t.TempDir()
	if err := d.do(func() error { return overlay(d.path("docker/overlay2"), string(id), root) }); err != nil {
		t.Fatal(err)
	}
	return root, func() {
		if err := d.do(func() error { return unix.Unmount(root, 0) }); err != nil {
			t.Error(err)
		}
	}
}

// overlay lays the layers below one of overlay2's over each other, as Docker does:
// by short names, because a mount's options are one page at most.
func overlay(dir, top, root string) error {
	link, err := os.ReadFile(filepath.Join(dir, top, "link"))
	if err != nil {
		return err
	}
	lower, err := os.ReadFile(filepath.Join(dir, top, "lower"))
	if errors.Is(err, fs.ErrNotExist) { // it is the only one, and overlay wants two
		lower, err = []byte(root), nil
	}
	if err != nil {
		return err
	}
	if err := unix.Chdir(dir); err != nil { // of this thread alone, which shares nothing
		return err
	}
	options := fmt.Sprintf("lowerdir=l/%s:%s", link, lower)
	return errors.Join(unix.Mount("overlay", root, "overlay", unix.MS_RDONLY, options), unix.Chdir("/"))
}
