package pkg

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/composeos/compose/compose/pkg/spdx"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// SourceAnnotation is the annotation of an index and of its manifests that holds
// the digest of the package source.
const SourceAnnotation = "org.composeos.package.source"

// The words of in-toto and BuildKit by which an index attaches a statement to an
// image in it.
const (
	statementLayer   = "application/vnd.in-toto+json"
	statementType    = "https://in-toto.io/Statement/v0.1"
	spdxPredicate    = "https://spdx.dev/Document"
	predicateKey     = "in-toto.io/predicate-type"
	referenceTypeKey = "vnd.docker.reference.type"
	referenceKey     = "vnd.docker.reference.digest"
	attestationWord  = "attestation-manifest"
	unknownPlatform  = "unknown"
)

// defaultPath is where programs are looked for in a container whose source does not
// say.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// image makes the layer, the image of it, and the statement of what is in it, and
// puts them into the cache. It returns their descriptors as an index has them.
func (w *work) image(ctx context.Context, m *made) ([]v1.Descriptor, error) {
	layer, diffID, err := w.layer(ctx, m.tree)
	if err != nil {
		return nil, fmt.Errorf("write the layer: %w", err)
	}
	created := v1.Time{Time: time.Unix(m.tree.Epoch, 0).UTC()}
	config, err := w.config(m, diffID, created)
	if err != nil {
		return nil, err
	}
	image, err := w.manifest(ctx, config, []v1.Descriptor{layer}, nil)
	if err != nil {
		return nil, err
	}
	image.Platform = &v1.Platform{OS: "linux", Architecture: w.arch}
	statement, err := w.statement(ctx, m, image, created)
	return []v1.Descriptor{image, statement}, err
}

// layer writes the tree as a gzipped tar, in path order.
func (w *work) layer(ctx context.Context, t *rootfs.Tree) (v1.Descriptor, v1.Hash, error) {
	stored, plain := newDigester(), newDigester()
	f, err := w.temp("layer")
	if err != nil {
		return v1.Descriptor{}, v1.Hash{}, err
	}
	out := bufio.NewWriterSize(io.MultiWriter(f, stored), 1<<20)
	z := gzip.NewWriter(out)
	err = rootfs.WriteArchive(ctx, io.MultiWriter(z, plain), rootfs.Tar{}, t.Entries())
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return v1.Descriptor{}, v1.Hash{}, err
	}
	d := v1.Descriptor{MediaType: types.OCILayer, Digest: stored.sum(), Size: stored.size}
	_, err = w.Lease.Put(ctx, d.Digest, d.Size, io.NewSectionReader(f, 0, d.Size))
	return d, plain.sum(), err
}

// config returns the image configuration (image-spec config.md).
func (w *work) config(m *made, diffID v1.Hash, created v1.Time) ([]byte, error) {
	p := w.source.Package
	label, err := p.Label()
	if err != nil {
		return nil, err
	}
	m.labels[spec.Label] = label
	env := p.Env
	if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		env = append([]string{defaultPath}, env...)
	}
	return spec.MarshalCanonical(v1.ConfigFile{
		Architecture: w.arch, OS: "linux", Created: created,
		Config:  v1.Config{Entrypoint: p.Entrypoint, Cmd: p.Cmd, Env: env, WorkingDir: p.Workdir, Labels: m.labels},
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{diffID}},
		History: []v1.History{{Created: created, CreatedBy: "compose pkg"}},
	})
}

// manifest puts a manifest of a config and layers into the cache.
func (w *work) manifest(ctx context.Context, config []byte, layers []v1.Descriptor, about map[string]string) (v1.Descriptor, error) {
	c, err := w.put(ctx, types.OCIConfigJSON, config)
	if err != nil {
		return v1.Descriptor{}, err
	}
	data, err := spec.MarshalCanonical(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: c, Layers: layers,
		Annotations: map[string]string{SourceAnnotation: string(w.digest)},
	})
	if err != nil {
		return v1.Descriptor{}, err
	}
	d, err := w.put(ctx, types.OCIManifestSchema1, data)
	d.Annotations = about
	return d, err
}

// statement says what the image is made of, as BuildKit attaches it: an SPDX
// document in an in-toto statement, in a manifest of its own.
func (w *work) statement(ctx context.Context, m *made, image v1.Descriptor, created v1.Time) (v1.Descriptor, error) {
	p := w.source.Package
	about := spdx.Image{
		Name: p.Image, Version: Tag(w.digest), Arch: w.arch, Created: created.Unix(), Tool: "compose", Binaries: m.binaries,
		Distro: strings.TrimSuffix("debian-"+release(p.Debs.Suite), "-"),
	}
	for _, d := range m.debs {
		about.Debs = append(about.Debs, spdx.Deb{
			Name: d.Name, Version: d.Version, Arch: d.Arch, Source: d.Source, SourceVersion: d.SourceVersion,
			SHA256: strings.TrimPrefix(string(d.Digest), "sha256:"), Supplier: d.control.Get("Maintainer"),
		})
	}
	document, err := spdx.Marshal(about)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("SBOM: %w", err)
	}
	text, err := spec.MarshalCanonical(map[string]any{
		"_type": statementType, "predicateType": spdxPredicate, "predicate": rawJSON(document),
		"subject": []any{map[string]any{"name": p.Image, "digest": map[string]string{"sha256": image.Digest.Hex}}},
	})
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("SBOM: %w", err)
	}
	layer, err := w.put(ctx, statementLayer, text)
	if err != nil {
		return v1.Descriptor{}, err
	}
	layer.Annotations = map[string]string{predicateKey: spdxPredicate}
	config, err := spec.MarshalCanonical(v1.ConfigFile{
		Architecture: unknownPlatform, OS: unknownPlatform, Created: created,
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{layer.Digest}},
	})
	if err != nil {
		return v1.Descriptor{}, err
	}
	d, err := w.manifest(ctx, config, []v1.Descriptor{layer}, map[string]string{
		referenceTypeKey: attestationWord, referenceKey: image.Digest.String(),
	})
	d.Platform = &v1.Platform{OS: unknownPlatform, Architecture: unknownPlatform}
	return d, err
}

// index puts an index of manifests into the cache.
func (b *Builder) index(ctx context.Context, source spec.Digest, manifests []v1.Descriptor) (v1.Descriptor, error) {
	data, err := spec.MarshalCanonical(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests,
		Annotations: map[string]string{SourceAnnotation: string(source)},
	})
	if err != nil {
		return v1.Descriptor{}, err
	}
	return b.put(ctx, types.OCIImageIndex, data)
}

// put keeps a small blob.
func (b *Builder) put(ctx context.Context, is types.MediaType, data []byte) (v1.Descriptor, error) {
	h, size, err := v1.SHA256(bytes.NewReader(data))
	if err != nil {
		return v1.Descriptor{}, err
	}
	_, err = b.Lease.Put(ctx, h, size, bytes.NewReader(data))
	return v1.Descriptor{MediaType: is, Digest: h, Size: size}, err
}

// digester hashes and counts what is written to it.
type digester struct {
	hash.Hash
	size int64
}

func newDigester() *digester { return &digester{Hash: sha256.New()} }

func (d *digester) Write(p []byte) (int, error) {
	d.size += int64(len(p))
	return d.Hash.Write(p)
}

func (d *digester) sum() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(d.Sum(nil))}
}
