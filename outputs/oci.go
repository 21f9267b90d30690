package outputs

import (
	"context"
	"crypto/sha256"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// OCI is the format "oci": an OCI image layout in a tar archive, with an index of
// one image, called latest. Layers are compressed by gzip unless the user wishes
// otherwise.
type OCI struct{}

// Name implements [Format].
func (OCI) Name() string { return "oci" }

// Summary implements [Format].
func (OCI) Summary() string { return "a container image as an OCI image layout in a tar archive" }

// Files implements [Format].
func (OCI) Files(name string) []string { return []string{name + "-oci.tar"} }

// Compresses implements [Format].
func (OCI) Compresses() bool { return true }

// Sized implements [Format].
func (OCI) Sized() bool { return false }

// Check implements [Format].
func (OCI) Check(t *rootfs.Tree, o Options) ([]Notice, error) { return checkContainer(t, o) }

// The media types (image-spec media-types.md).
const (
	mediaIndex    = "application/vnd.oci.image.index.v1+json"
	mediaManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaConfig   = "application/vnd.oci.image.config.v1+json"
	mediaLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// layerMedia is the media type of a layer that is compressed so.
func layerMedia(c Compression) string {
	if c == Uncompressed {
		return mediaLayer
	}
	return mediaLayer + "+" + string(c)
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

type imageManifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type imageIndex struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

// layoutFile is "oci-layout" (image-spec image-layout.md, "oci-layout file").
const layoutFile = `{"imageLayoutVersion":"1.0.0"}`

// What names an image in a layout: to every reader (image-spec annotations.md), and
// in whole to containerd and podman, which would call it latest:latest.
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// Write implements [Format].
func (f OCI) Write(ctx context.Context, t *rootfs.Tree, env Env) error {
	how := env.Compress
	if how == "" {
		how = Gzip
	}
	image, err := newContainer(ctx, env, t, how)
	if err != nil {
		return err
	}
	defer image.close()
	manifest, err := image.manifest(how)
	if err != nil {
		return err
	}
	named := describe(mediaManifest, manifest)
	named.Platform = &platform{t.Arch, "linux", t.Variant}
	named.Annotations = map[string]string{refName: tag}
	if repository.MatchString(env.Name) {
		named.Annotations[containerdName] = "docker.io/library/" + env.Name + ":" + tag
	}
	index, err := spec.MarshalCanonical(imageIndex{2, mediaIndex, []descriptor{named}})
	if err != nil {
		return err
	}
	var w wrapper
	w.add("oci-layout", literal(layoutFile))
	w.blobs(append(image.layers(), inMemory(image.config), inMemory(manifest)))
	w.add("index.json", literal(index))
	s, err := w.stream()
	if err != nil {
		return err
	}
	return writeFile(ctx, env, f.Files(env.Name)[0], s)
}

// manifest is the image's manifest.
func (c *container) manifest(how Compression) ([]byte, error) {
	m := imageManifest{SchemaVersion: 2, MediaType: mediaManifest, Config: describe(mediaConfig, c.config), Layers: []descriptor{}}
	for _, b := range c.blobs {
		m.Layers = append(m.Layers, descriptor{MediaType: layerMedia(how), Digest: b.digest.String(), Size: b.size()})
	}
	return spec.MarshalCanonical(m)
}

// describe is the descriptor of a document (image-spec descriptor.md).
func describe(media string, text []byte) descriptor {
	return descriptor{MediaType: media, Digest: rootfs.Digest(sha256.Sum256(text)).String(), Size: int64(len(text))}
}

func inMemory(text []byte) blob { return blob{sha256.Sum256(text), literal(text)} }
