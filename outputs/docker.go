package outputs

import (
	"context"
	"errors"
	"fmt"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// Docker is the format "docker": an archive for "docker load", as "docker save"
// writes it, with an image NAME:latest. Layers are not compressed: Docker would
// only have to undo it. It writes the layers again from their packages, so that
// it costs as much as a copy.
type Docker struct{}

// Name implements [Format].
func (Docker) Name() string { return "docker" }

// Summary implements [Format].
func (Docker) Summary() string { return "a container image for docker load and podman load" }

// Files implements [Format].
func (Docker) Files(name string) []string { return []string{name + "-docker.tar"} }

// Compresses implements [Format].
func (Docker) Compresses() bool { return false }

// Sized implements [Format].
func (Docker) Sized() bool { return false }

// Check implements [Format].
func (Docker) Check(t *rootfs.Tree, o Options) ([]Notice, error) {
	notices, err := checkContainer(t, o)
	if !repository.MatchString(o.Name) {
		err = errors.Join(err, fmt.Errorf("%q: %w", o.Name, ErrRepository))
	}
	return notices, err
}

// ErrRepository is what Check says of a name that Docker does not take.
var ErrRepository = errors.New("docker's names of images are lower-case letters and digits, with . _ or - between them")

// archiveManifest is an entry of manifest.json ("Combined Image JSON + Filesystem
// Changeset Format", Docker image specification v1.2).
type archiveManifest struct {
	Config   string   `json:"Config"`
	Layers   []string `json:"Layers"`
	RepoTags []string `json:"RepoTags"`
}

// Write implements [Format].
func (f Docker) Write(ctx context.Context, t *rootfs.Tree, env Env) error {
	image, err := newContainer(ctx, env, t, Uncompressed)
	if err != nil {
		return err
	}
	defer image.close()
	config := inMemory(image.config)
	m := archiveManifest{Config: blobPath(config.digest), Layers: []string{}, RepoTags: []string{env.Name + ":" + tag}}
	for _, b := range image.blobs {
		m.Layers = append(m.Layers, blobPath(b.digest))
	}
	text, err := spec.MarshalCanonical([]archiveManifest{m})
	if err != nil {
		return err
	}
	var w wrapper
	w.blobs(append(image.layers(), config))
	w.add("manifest.json", literal(text))
	s, err := w.stream()
	if err != nil {
		return err
	}
	return writeFile(ctx, env, f.Files(env.Name)[0], s)
}

// blob is a stream and its SHA-256.
type blob struct {
	digest rootfs.Digest
	stream
}

// layers are the image's layers as blobs.
func (c *container) layers() []blob {
	blobs := make([]blob, len(c.blobs))
	for i, b := range c.blobs {
		blobs[i] = blob{b.digest, b.stream}
	}
	return blobs
}

// blobPath is where a blob lies in an image layout (image-spec image-layout.md,
// "Blobs"), and in what docker save writes.
func blobPath(d rootfs.Digest) string { return fmt.Sprintf("blobs/sha256/%x", d[:]) }

// blobs appends blobs, each once.
func (w *wrapper) blobs(all []blob) {
	w.dir("blobs")
	w.dir("blobs/sha256")
	seen := map[rootfs.Digest]bool{}
	for _, b := range all {
		if !seen[b.digest] {
			seen[b.digest] = true
			w.add(blobPath(b.digest), b.stream)
		}
	}
}
