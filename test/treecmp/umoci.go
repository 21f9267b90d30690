package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The parts of OCI documents that are needed here.
type (
	ociDescriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int64             `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	ociManifest struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     string          `json:"mediaType,omitempty"`
		Config        ociDescriptor   `json:"config"`
		Layers        []ociDescriptor `json:"layers"`
	}
	ociConfig struct {
		Config struct {
			Labels map[string]string `json:"Labels"`
		} `json:"config"`
	}
)

// umoci flattens images of a layout.
type umoci struct {
	layout string // the one that was given
	own    string // a copy that umoci can read
	work   string
	images map[string]*flat // by digest of the image manifest
}

// flat is a flattened image.
type flat struct {
	dir     string // where its files are
	tree    *tree
	layers  []ociDescriptor
	labels  map[string]string
	settled bool
}

// discard removes the files, so that they need never get to the disk.
func (f *flat) discard() { _ = os.RemoveAll(f.dir) }

func newUmoci(layout, work string) (*umoci, error) {
	u := &umoci{layout: layout, own: filepath.Join(work, "layout"), work: work, images: map[string]*flat{}}
	if err := os.MkdirAll(filepath.Join(u.own, "blobs", "sha256"), 0o755); err != nil {
		return nil, err
	}
	return u, os.WriteFile(filepath.Join(u.own, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644)
}

// flatten unpacks the image with that manifest. umoci follows no index and knows no
// zstd: it is given an index of its own, and plain layers for those.
func (u *umoci) flatten(digest string) (*flat, error) {
	if f := u.images[digest]; f != nil {
		return f, nil
	}
	var m ociManifest
	if err := u.document(digest, &m); err != nil {
		return nil, err
	}
	var c ociConfig
	if err := u.document(m.Config.Digest, &c); err != nil {
		return nil, err
	}
	f := &flat{layers: slices.Clone(m.Layers), labels: c.Config.Labels}
	tag, err := u.tag(&m)
	if err != nil {
		return nil, err
	}
	f.dir = filepath.Join(u.work, "images", tag)
	if err := os.MkdirAll(filepath.Dir(f.dir), 0o711); err != nil {
		return nil, err
	}
	out, err := exec.Command("umoci", "raw", "unpack", "--image", u.own+":"+tag, f.dir).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("umoci raw unpack %s: %w: %s", digest, err, out)
	}
	if f.tree, err = readDisk(f.dir); err != nil {
		return nil, err
	}
	u.images[digest] = f
	return f, nil
}

// tag puts an image into the own layout, and returns its tag there.
func (u *umoci) tag(m *ociManifest) (string, error) {
	if err := u.link(m.Config.Digest); err != nil {
		return "", err
	}
	for i := range m.Layers {
		l := &m.Layers[i]
		if err := u.link(l.Digest); err != nil {
			return "", err
		}
		if strings.HasSuffix(l.MediaType, "+zstd") {
			if err := u.inflate(l); err != nil {
				return "", err
			}
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	d, err := u.put(text)
	if err != nil {
		return "", err
	}
	d.MediaType = "application/vnd.oci.image.manifest.v1+json"
	tag := d.Digest[len("sha256:"):][:16]
	d.Annotations = map[string]string{"org.opencontainers.image.ref.name": tag}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []ociDescriptor{d}})
	if err != nil {
		return "", err
	}
	return tag, os.WriteFile(filepath.Join(u.own, "index.json"), index, 0o644)
}

func blob(layout, digest string) string {
	return filepath.Join(layout, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
}

func (u *umoci) document(digest string, v any) error {
	text, err := os.ReadFile(blob(u.layout, digest))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", digest, err)
	}
	return nil
}

func (u *umoci) link(digest string) error {
	from, err := filepath.Abs(blob(u.layout, digest))
	if err != nil {
		return err
	}
	err = os.Symlink(from, blob(u.own, digest))
	if os.IsExist(err) {
		return nil
	}
	return err
}

func (u *umoci) put(b []byte) (ociDescriptor, error) {
	sum := sha256.Sum256(b)
	d := ociDescriptor{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(b))}
	return d, os.WriteFile(blob(u.own, d.Digest), b, 0o644)
}

// inflate replaces a zstd layer by a plain one.
func (u *umoci) inflate(l *ociDescriptor) error {
	b, err := os.ReadFile(blob(u.layout, l.Digest))
	if err != nil {
		return err
	}
	r, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer r.Close()
	var plain bytes.Buffer
	if _, err := r.WriteTo(&plain); err != nil {
		return fmt.Errorf("%s: %w", l.Digest, err)
	}
	d, err := u.put(plain.Bytes())
	d.MediaType = strings.TrimSuffix(l.MediaType, "+zstd")
	*l = d
	return err
}
