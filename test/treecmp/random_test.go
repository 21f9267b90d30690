package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// randomSeeds is how many systems TestRandom makes up unless COMPOSE_SEEDS says
// "first,number".
const randomSeeds = 60

// TestRandom composes systems of made-up images, and compares each as treecmp does.
// A seed is a system: the same on every machine.
func TestRandom(t *testing.T) {
	needTools(t)
	first, number := 0, randomSeeds
	if s := os.Getenv("COMPOSE_SEEDS"); s != "" {
		if n, err := fmt.Sscanf(s, "%d,%d", &first, &number); n != 2 {
			t.Fatalf("COMPOSE_SEEDS is %q, not first,number: %v", s, err)
		}
	}
	c := newComposer(t)
	for seed := first; seed < first+number; seed++ {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			dir := filepath.Join(c.dir, strconv.Itoa(seed))
			if err := os.Mkdir(dir, 0o711); err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			c.random(t, dir, seed)
		})
	}
}

// random compares the tar of a system with its images, and what GNU cpio and the
// kernel's rules make of its initramfs with the tar.
func (c composer) random(t *testing.T, dir string, seed int) {
	s := makeSystem(rand.New(rand.NewPCG(uint64(seed), 1)))
	s.boot()
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	made := &composed{dir: dir, name: "m", how: []string{"none"}, odd: true, least: 50, work: dir}
	o := options{
		tar: made.file("none", ".tar"), layout: filepath.Join(dir, "oci"), manifest: filepath.Join(dir, "m.yml"),
		lock: filepath.Join(dir, "m.lock.json"), platform: "linux/amd64", work: dir, extract: true,
		dirs: s.dirs,
	}
	cmd := exec.Command(c.program, "build", "-format", "tar,kernel+initrd", "-compress", "none", "-accept-unsigned", "*", "-arch", "amd64",
		"-cache", filepath.Join(dir, "cache"), "-progress", "none", "-dir", filepath.Join(dir, "none"), o.manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), " brings a ") {
			t.Skipf("the init images contradict each other, which is refused:\n%s", out)
		}
		t.Fatalf("compose build: %v\n%s\n%s", err, out, s.text(string(out)))
	}
	var out bytes.Buffer
	if err := run(o, &out); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), s.text(out.String()))
	}
	made.load(t)
	for _, r := range made.initramfsReadings("none")[:2] {
		t.Run(r.name, func(t *testing.T) { noFaults(t, r.read(t)) })
	}
}

// system is a manifest and its images.
type system struct {
	manifest string
	images   []randomImage
	dirs     map[string]map[string]int64 // of each image, by its highest layer
}

type randomImage struct {
	name   string
	layers []randomLayer
	dirs   map[string]int64 // those that the layers name and leave, with their times
}

type randomLayer struct {
	entries []made
	as      int // how it is compressed
}

// makeSystem makes up a system.
func makeSystem(r *rand.Rand) *system {
	s := &system{dirs: map[string]map[string]int64{}}
	var b strings.Builder
	image := func(name string, paths func(*imageMaker) string) string {
		entries, dirs := makeImage(r, 1+r.IntN(4), paths)
		im := randomImage{name: name, dirs: dirs}
		for _, entries := range entries {
			im.layers = append(im.layers, randomLayer{entries, r.IntN(4)})
		}
		s.images = append(s.images, im)
		return "oci:oci:" + name
	}
	b.WriteString("init:\n")
	for i := range 1 + r.IntN(3) {
		fmt.Fprintf(&b, "  - %s\n", image(fmt.Sprint("init", i), typedPath(i)))
	}
	b.WriteString("volumes:\n")
	fmt.Fprintf(&b, "  - {name: data, image: %q}\n  - {name: empty}\n", image("volume", anyPath))
	b.WriteString("onboot:\n")
	one := image("one", anyPath)
	fmt.Fprintf(&b, "  - {name: a, image: %q, command: [/a], readonly: true, binds: %s}\n", one, binds(r))
	fmt.Fprintf(&b, "  - {name: b, image: %q, command: [/a]}\n", image("two", anyPath))
	b.WriteString("services:\n")
	fmt.Fprintf(&b, "  - {name: c, image: %q, command: [/a], readonly: %v, binds: %s}\n", image("three", anyPath), r.IntN(2) == 0, binds(r))
	fmt.Fprintf(&b, "  - {name: d, image: %q, command: [/a], readonly: %v, binds: %s}\n", one, r.IntN(2) == 0, binds(r))
	fmt.Fprintf(&b, "  - {name: e, image: %q, command: [/a]}\n", one)
	s.manifest = b.String()
	return s
}

// binds are places that a container may lack.
func binds(r *rand.Rand) string {
	all := []string{"/etc/hosts:/etc/hosts", "/d0:/mnt/deep/er", "data:/data", "empty:/srv/empty", "/nowhere:/n/o", "/dev:/dev", "/f0:/opt/f0"}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	text, _ := json.Marshal(all[:r.IntN(len(all))])
	return string(text)
}

// anyPath is a path of a few names, so that layers meet.
func anyPath(m *imageMaker) string {
	names := [...]string{"a", "b", "c", "lib", "usr", "a-b", "a.b", "etc", "run"}
	odd := [...]string{"grüße an", "x\ny", "*?[a]", "-rf", "..x", "a\\b", strings.Repeat("long", 40), "\xff\xfe", "#", ".whx"}
	p := names[m.IntN(len(names))]
	for range m.IntN(4) {
		p += "/" + names[m.IntN(len(names))]
	}
	if m.IntN(12) == 0 {
		p += "/" + odd[m.IntN(len(odd))]
	}
	return p
}

// typedPath is a path of an init image, whose names say what they are, so that
// no image has a file where another has a directory: that is refused.
func typedPath(i int) func(m *imageMaker) string {
	return func(m *imageMaker) string { return fmt.Sprintf("own%d/%s", i, anyPath(m)) }
}

// text is the manifest, and the images whose place or name a message has.
func (s *system) text(message string) string {
	places := map[string]string{"volume": "volumes/", "one": "onboot/000", "two": "onboot/001", "three": "services/c"}
	var b strings.Builder
	b.WriteString(s.manifest)
	for _, im := range s.images {
		if !strings.Contains(message, im.name+":") && !strings.Contains(message, places[im.name]) {
			continue
		}
		for i, l := range im.layers {
			fmt.Fprintf(&b, "%s, layer %d:\n", im.name, i+1)
			for _, e := range l.entries {
				fmt.Fprintf(&b, "  %c %q -> %q %o\n", e.Typeflag, e.Name, e.Linkname, e.Mode)
			}
		}
	}
	return b.String()
}

// write makes the manifest, and the layout of the images.
func (s *system) write(dir string) error {
	u, err := newUmoci("", dir) // for its way to keep blobs
	if err != nil {
		return err
	}
	u.own = filepath.Join(dir, "oci")
	if err := os.Rename(filepath.Join(dir, "layout"), u.own); err != nil {
		return err
	}
	var index []ociDescriptor
	for _, im := range s.images {
		d, top, err := im.write(u)
		if err != nil {
			return fmt.Errorf("%s: %w", im.name, err)
		}
		index = append(index, d)
		s.dirs[top] = im.dirs
	}
	text, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": index})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(u.own, "index.json"), text, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "m.yml"), []byte(s.manifest), 0o644)
}

// write returns the image's descriptor, and the digest of its highest layer.
func (im randomImage) write(u *umoci) (d ociDescriptor, top string, err error) {
	m := ociManifest{SchemaVersion: 2, MediaType: "application/vnd.oci.image.manifest.v1+json"}
	var diffIDs []string
	for i, l := range im.layers {
		archive, err := l.archive(fmt.Sprintf("%s-%d", im.name, i))
		if err != nil {
			return d, "", err
		}
		plain, err := u.put(archive)
		if err != nil {
			return d, "", err
		}
		diffIDs = append(diffIDs, plain.Digest)
		stored, suffix, err := l.compress(archive)
		if err != nil {
			return d, "", err
		}
		if d, err = u.put(stored); err != nil {
			return d, "", err
		}
		d.MediaType = "application/vnd.oci.image.layer.v1.tar" + suffix
		m.Layers, top = append(m.Layers, d), d.Digest
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "created": "2024-01-10T00:00:00Z", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		return d, "", err
	}
	if m.Config, err = u.put(config); err != nil {
		return d, "", err
	}
	m.Config.MediaType = "application/vnd.oci.image.config.v1+json"
	text, err := json.Marshal(m)
	if err != nil {
		return d, "", err
	}
	d, err = u.put(text)
	d.MediaType = m.MediaType
	d.Annotations = map[string]string{"org.opencontainers.image.ref.name": im.name}
	return d, top, err
}

// archive is the layer as a tar, with a last file that no other layer has.
func (l randomLayer) archive(mark string) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	last := made{Header: tar.Header{Typeflag: tar.TypeReg, Name: "mark-" + mark, Mode: 0o644, ModTime: time.Unix(randomTime, 0)}}
	for _, e := range append(slices.Clip(l.entries), last) {
		h := e.Header
		h.Size = int64(len(e.data))
		if h.Typeflag == tar.TypeDir {
			h.Name += "/"
		}
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(e.data)); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// compress returns the layer as it is stored, and the end of its media type.
func (l randomLayer) compress(archive []byte) ([]byte, string, error) {
	parts := [][]byte{archive}
	switch l.as {
	case 0:
		return archive, "", nil
	case 1:
		z, err := zstd.NewWriter(nil)
		if err != nil {
			return nil, "", err
		}
		return z.EncodeAll(archive, nil), "+zstd", z.Close()
	case 2:
		half := len(archive) / 2
		parts = [][]byte{archive[:half], archive[half:]}
	}
	var b bytes.Buffer
	for _, p := range parts {
		z := gzip.NewWriter(&b)
		if _, err := z.Write(p); err != nil {
			return nil, "", err
		}
		if err := z.Close(); err != nil {
			return nil, "", err
		}
	}
	return b.Bytes(), "+gzip", nil
}
