package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// parts are what an image consists of, each told in a line: configurations, the
// entries of layers, statements about it; all by architecture.
type parts map[string]string

// where says in what an image of the one differs from the other's.
func (l *lab) where(ctx context.Context, one, other *maker, name string) ([]string, error) {
	a, errA := l.parts(ctx, one, name)
	b, errB := l.parts(ctx, other, name)
	return a.differences(b), errors.Join(errA, errB)
}

// differences names what is not the same in both, and how it is in each.
func (p parts) differences(others parts) (all []string) {
	names := maps.Clone(p)
	maps.Copy(names, others)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if a, b := p[name], others[name]; a != b {
			all = append(all, fmt.Sprintf("%s: %s, and %s", name, orNone(a), orNone(b)))
		}
	}
	return all
}

func orNone(s string) string {
	if s == "" {
		return "not there"
	}
	return s
}

// mostShown is how many differences are shown of an image.
const mostShown = 12

// indented are lines as they stand in an error.
func indented(lines []string) string {
	if more := len(lines) - mostShown; more > 0 {
		lines = append(slices.Clone(lines[:mostShown]), fmt.Sprintf("and %d more", more))
	}
	return "\n    " + strings.Join(lines, "\n    ")
}

// parts reads an image out of a maker's cache.
func (l *lab) parts(ctx context.Context, m *maker, name string) (p parts, err error) {
	made, ok := m.images[name]
	if !ok {
		return nil, nil
	}
	dir, err := os.MkdirTemp(l.scratch, "image-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	archive := filepath.Join(dir, "image.tar")
	export := exec.CommandContext(ctx, l.program, "cache", "export", "-cache", filepath.Join(m.dir, "cache"), "-o", archive, local+name+":"+made.tag)
	for _, cmd := range []*exec.Cmd{export, exec.CommandContext(ctx, "tar", "-xf", archive, "-C", dir)} {
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	top, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	p = parts{}
	for _, d := range top.Manifests {
		images, err := index.ImageIndex(d.Digest)
		if err != nil {
			return nil, err
		}
		if err := p.add(images); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add adds the images of an index.
func (p parts) add(index v1.ImageIndex) error {
	m, err := index.IndexManifest()
	if err != nil {
		return err
	}
	of := map[string]string{} // whose statement it is
	for _, d := range m.Manifests {
		of[d.Digest.String()] = d.Platform.Architecture
		im, err := index.Image(d.Digest)
		if err != nil {
			return err
		}
		if about := d.Annotations["vnd.docker.reference.digest"]; about != "" {
			err = p.statement(of[about], im)
		} else {
			err = p.image(d.Platform.Architecture, im)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// statement adds what is said of an image.
func (p parts) statement(arch string, im v1.Image) error {
	m, err := im.Manifest()
	if err != nil {
		return err
	}
	for _, d := range m.Layers {
		p[arch+" SBOM"] += d.Digest.String()
	}
	return nil
}

// image adds an image's configuration and all entries of its layers.
func (p parts) image(arch string, im v1.Image) error {
	config, err := im.RawConfigFile()
	if err != nil {
		return err
	}
	layers, err := im.Layers()
	if err != nil {
		return err
	}
	p[arch+" configuration"] = string(config)
	for _, l := range layers {
		if err := p.layer(arch, l); err != nil {
			return err
		}
	}
	return nil
}

// layer adds the entries of a layer.
func (p parts) layer(arch string, l v1.Layer) error {
	r, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer r.Close()
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, t); err != nil {
			return err
		}
		p[arch+" /"+h.Name] += fmt.Sprintf("%s %d:%d %d bytes %s%s %x", h.FileInfo().Mode(), h.Uid, h.Gid, h.Size,
			h.ModTime.UTC().Format("2006-01-02T15:04:05Z"), h.Linkname, sum.Sum(nil)[:6])
	}
}
