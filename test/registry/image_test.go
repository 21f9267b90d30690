package registry

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/composeos/compose/spec"
)

// pushed is one of the fixture's images in a registry: an index for three platforms.
type pushed struct {
	repo     string // HOST/PATH
	index    v1.Hash
	manifest v1.Hash // for amd64
	config   v1.Hash
	layers   []v1.Hash // as stored
	diffIDs  []v1.Hash // of layers
	sizes    []int64   // of layers
}

// digest is the index's, as a signature names it.
func (p *pushed) digest() spec.Digest { return spec.Digest(p.index.String()) }

// ref is the image by its digest.
func (p *pushed) ref() string { return p.repo + "@" + p.index.String() }

// tagged is the image by its tag.
func (p *pushed) tagged() string { return p.repo + ":1" }

// fixtureIndex reads one of the images of the fixture.
func fixtureIndex(t *testing.T, image string) v1.ImageIndex {
	t.Helper()
	all, err := layout.ImageIndexFromPath(filepath.Join("..", "..", "build", "fixture"))
	if err != nil {
		t.Fatalf("make fixture writes it: %v", err)
	}
	m, err := all.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests {
		if d.Annotations["org.opencontainers.image.ref.name"] == image {
			index, err := all.ImageIndex(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			return index
		}
	}
	t.Fatalf("the fixture has no %s", image)
	return nil
}

// push puts one of the fixture's images into a registry, as HOST/PATH:1.
func push(t *testing.T, host, path, image string) *pushed {
	t.Helper()
	index := fixtureIndex(t, image)
	p := &pushed{repo: host + "/" + path}
	tag := parse(t, p.tagged())
	if err := remote.WriteIndex(tag, index, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	p.describeIndex(t, index)
	return p
}

// describeIndex notes what the index for its platforms is made of.
func (p *pushed) describeIndex(t *testing.T, index v1.ImageIndex) {
	t.Helper()
	var err error
	if p.index, err = index.Digest(); err != nil {
		t.Fatal(err)
	}
	p.manifest = amd64(t, index)
	img, err := index.Image(p.manifest)
	if err != nil {
		t.Fatal(err)
	}
	p.describe(t, img)
}

// amd64 is the digest of the manifest for it.
func amd64(t *testing.T, index v1.ImageIndex) v1.Hash {
	t.Helper()
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests {
		if d.Platform.Architecture == "amd64" {
			return d.Digest
		}
	}
	t.Fatal("the index has no image for amd64")
	return v1.Hash{}
}

// describe notes what the image for the platform is made of.
func (p *pushed) describe(t *testing.T, img v1.Image) {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	p.config, p.diffIDs = m.Config.Digest, config.RootFS.DiffIDs
	for _, l := range m.Layers {
		p.layers, p.sizes = append(p.layers, l.Digest), append(p.sizes, l.Size)
	}
}

// locked is the image for amd64 as a lock has it, without what its label grants.
func (p *pushed) locked() spec.LockedPlatform {
	l := spec.LockedPlatform{Manifest: spec.Digest(p.manifest.String()), Config: spec.Digest(p.config.String())}
	for i := range p.layers {
		l.Layers = append(l.Layers, spec.LockedLayer{
			Digest: spec.Digest(p.layers[i].String()), Size: p.sizes[i], DiffID: spec.Digest(p.diffIDs[i].String()),
		})
	}
	return l
}

func parse(t *testing.T, ref string) name.Reference {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// manifest is a system of images at the root, and a trust section. Both may be empty.
func manifest(trust string, images ...*pushed) string {
	var b strings.Builder
	b.WriteString("init:\n")
	for _, i := range images {
		b.WriteString("  - " + i.tagged() + "\n")
	}
	return b.String() + trust
}

// locked reads the lock of system.yml.
func (l *lab) locked(t *testing.T) *spec.Lock {
	t.Helper()
	lock, err := spec.ParseLock("system.lock.json", []byte(l.read(t, "system.lock.json")))
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// compact is JSON of a value.
func compact(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
