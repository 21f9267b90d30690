package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// changedPackage is the image of which there is another version: what it has
// beside the base layer is one layer of 58.7 MB, in one service.
const changedPackage = "docker.io/anchor/perl:v1"

// refName is the annotation by which a layout names an image (image-spec
// annotations.md).
const refName = "org.opencontainers.image.ref.name"

// changed describes another version of an image: one file, that in the middle
// of its changed layer, has another content of the same size; or every file has.
type changed struct {
	from string // layout
	name string
	all  bool
}

// write makes a layout of that image alone in dir. The layer above the base is
// the changed one, compressed by gzip; the others stay.
func (c changed) write(dir string) error {
	from, err := layout.FromPath(c.from)
	if err != nil {
		return err
	}
	old, err := c.find(from)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	file := dir + ".layer"
	image, err := c.replaced(old, file)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", c.name, err), os.RemoveAll(file))
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{
		Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}},
	})
	to, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = to.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: c.name}))
	}
	return errors.Join(err, os.Remove(file))
}

// find returns the image for amd64.
func (c changed) find(from layout.Path) (v1.Image, error) {
	top, err := from.ImageIndex()
	if err != nil {
		return nil, err
	}
	m, err := top.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range m.Manifests {
		if d.Annotations[refName] != c.name {
			continue
		}
		index, err := top.ImageIndex(d.Digest)
		if err != nil {
			return nil, err
		}
		inner, err := index.IndexManifest()
		if err != nil {
			return nil, err
		}
		for _, d := range inner.Manifests {
			if d.Platform != nil && d.Platform.Architecture == "amd64" {
				return index.Image(d.Digest)
			}
		}
	}
	return nil, errors.New("the layout has no such image for amd64")
}

// replaced is the image with the changed layer, which is kept in file.
func (c changed) replaced(old v1.Image, file string) (v1.Image, error) {
	all, err := old.Layers()
	if err != nil {
		return nil, err
	}
	at := min(1, len(all)-1)
	if err := c.rewrite(all[at], file); err != nil {
		return nil, err
	}
	if all[at], err = tarball.LayerFromFile(file, tarball.WithMediaType(types.OCILayer)); err != nil {
		return nil, err
	}
	config, err := old.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.RootFS.DiffIDs, config.History = nil, nil
	image, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), config)
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, all...)
}

// rewrite writes the layer, changed, to file. It holds no more than a piece of it
// in memory: see [ownMemory].
func (c changed) rewrite(l v1.Layer, file string) error {
	files := 0
	if err := eachEntry(l, func(h *tar.Header, _ io.Reader) error {
		if h.Typeflag == tar.TypeReg && h.Size > 0 {
			files++
		}
		return nil
	}); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	n := 0
	err = eachEntry(l, func(h *tar.Header, body io.Reader) error {
		h.Format = tar.FormatPAX
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg && h.Size > 0 {
			if c.all || n == files/2 {
				body = &edited{Reader: body}
			}
			n++
		}
		_, err := io.Copy(w, body)
		return err
	})
	return errors.Join(err, w.Close(), z.Close(), f.Close())
}

// eachEntry calls do for each entry of a layer.
func eachEntry(l v1.Layer, do func(h *tar.Header, body io.Reader) error) error {
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
		if err == nil {
			err = do(h, t)
		}
		if err != nil {
			return err
		}
	}
}

// edited changes the first byte that is read.
type edited struct {
	io.Reader
	done bool
}

func (e *edited) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if n > 0 && !e.done {
		p[0] ^= 1
		e.done = true
	}
	return n, err
}
