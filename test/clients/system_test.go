package clients

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/composeos/compose/test/fixture"
)

// system is one that has been composed into container images.
type system struct {
	name    string            // of the image
	docker  string            // the docker archive
	oci     map[string]string // the OCI archives, by compression
	says    string            // what its /init says; "" if it is not for a container
	brief   bool              // it is not copied from client to client
	epoch   int64             // seconds
	entries []entry           // its tree
	config  v1.Hash           // of the image's configuration
	file    *v1.ConfigFile    // the configuration
	diffIDs []v1.Hash         // the image's layers, uncompressed
}

// recipe is how a system is composed.
type recipe struct {
	manifest     string
	archive      string // of images that it names, if they lie in one
	says         string
	brief        bool
	compressions []string
}

// build composes a system, and reads what it is.
func build(t *testing.T, r recipe) *system {
	t.Helper()
	dir := t.TempDir()
	compose := filepath.Join(dir, "compose")
	output(t, exec.Command("go", "build", "-buildvcs=false", "-o", compose, "../../cmd/compose"))
	lock, cache := filepath.Join(dir, "lock.json"), []string{"-cache", filepath.Join(dir, "cache"), "-progress", "none"}
	run := func(verb string, args ...string) []byte {
		t.Helper()
		args = append(args, "-arch", "amd64", "-accept-unsigned", "*", "-lock", lock, r.manifest)
		return output(t, exec.Command(compose, append(append([]string{verb}, cache...), args...)...))
	}
	if r.archive != "" {
		output(t, exec.Command(compose, append([]string{"cache", "import", r.archive}, cache...)...))
	}
	const name = "a-system_1.0"
	s := &system{name: name, says: r.says, brief: r.brief, docker: filepath.Join(dir, name+"-docker.tar"), oci: map[string]string{}}
	run("build", "-name", name, "-dir", dir, "-format", "docker")
	for _, c := range r.compressions {
		out := filepath.Join(dir, c)
		run("build", "-name", name, "-dir", out, "-format", "oci", "-compress", c)
		s.oci[c] = filepath.Join(out, name+"-oci.tar")
	}
	s.read(t, lock, run("inspect", "-json"))
	return s
}

// read takes in what the lock, compose inspect and the docker archive say.
func (s *system) read(t *testing.T, lock string, inspected []byte) {
	t.Helper()
	text, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	var locked struct{ Epoch int64 }
	unmarshal(t, text, &locked)
	s.epoch = locked.Epoch
	var listed struct{ Entries []entry }
	unmarshal(t, inspected, &listed)
	s.entries = listed.Entries
	for i := range s.entries {
		if e := &s.entries[i]; e.Type == "symbolic link" {
			e.Mode = "0777" // no file system keeps another
		}
	}
	image, err := tarball.ImageFromPath(s.docker, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.config, s.file = configOf(t, image)
	s.diffIDs = s.file.RootFS.DiffIDs
}

// configOf returns an image's configuration and its digest.
func configOf(t *testing.T, image v1.Image) (v1.Hash, *v1.ConfigFile) {
	t.Helper()
	digest, err := image.ConfigName()
	file, err2 := image.ConfigFile()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return digest, file
}

// output runs a program and returns what it writes to its standard output.
func output(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		t.Fatalf("%q: %v\n%s", cmd.Args, err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func unmarshal(t *testing.T, text []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

// all are the compressions of an OCI image.
func all() []string { return []string{"gzip", "zstd", "none"} }

// TestExample gives test/example/minimal.yml to all clients.
func TestExample(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(
		fixture.Write(filepath.Join(dir, "build", "fixture"), fixture.Options{}),
		os.CopyFS(filepath.Join(dir, "test", "example"), os.DirFS("../example")),
	); err != nil {
		t.Fatal(err)
	}
	s := build(t, recipe{manifest: filepath.Join(dir, "test", "example", "minimal.yml"), says: "init\n", compressions: all()})
	t.Run("go-containerregistry", s.library)
	t.Run("docker", s.inDocker)
	t.Run("podman", s.inPodman)
	t.Run("skopeo", s.skopeo)
	t.Run("umoci", s.umoci)
}

// TestManyPackages gives a system of 300 packages to those clients that keep
// layers apart: an image has 100 layers at most, as Docker can stack no more than 125.
func TestManyPackages(t *testing.T) {
	s := build(t, recipe{manifest: manyPackages(t, 300), says: "init\n", brief: true, compressions: []string{"gzip"}})
	if n := len(s.diffIDs); n < 90 || n > 100 {
		t.Errorf("the image of 300 packages has %d layers", n)
	}
	t.Run("go-containerregistry", s.library)
	t.Run("docker", s.inDocker)
	t.Run("podman", s.inPodman)
	t.Run("umoci", s.umoci)
}

// TestWorkload gives clients the measuring workload that lies in COMPOSE_WORKLOAD.
// test/workload.sh makes it and sets that.
func TestWorkload(t *testing.T) {
	workload := os.Getenv("COMPOSE_WORKLOAD")
	if workload == "" {
		t.Skip("COMPOSE_WORKLOAD names no workload; test/workload.sh does")
	}
	s := build(t, recipe{manifest: filepath.Join(workload, "anchor.yml"), archive: filepath.Join(workload, "images.tar"), brief: true, compressions: []string{"gzip"}})
	t.Run("docker", s.inDocker)
	t.Run("podman", s.inPodman)
	t.Run("umoci", s.umoci)
}
