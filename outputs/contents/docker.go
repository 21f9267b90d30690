package contents

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// dockerManifest lists the images of an archive that docker save wrote.
const dockerManifest = "manifest.json"

// readContainers reads the images of an archive: by docker's list, by that of an
// image layout, or by both, as newer docker save writes both.
func (d *reader) readContainers(l *list) error {
	d.img.Format = OCI
	d.layers = map[*member]int{}
	if m := l.by[dockerManifest]; m != nil {
		d.img.Format = Docker
		if err := d.readDocker(l, m); err != nil {
			return err
		}
	}
	if l.by[layoutFile] != nil {
		if err := d.readLayout(l); err != nil {
			return err
		}
	}
	if err := d.checkRest(l); err != nil {
		return err
	}
	for _, m := range l.all {
		if m.link == "" {
			d.img.Parts = append(d.img.Parts, m.Part)
		}
	}
	d.merge()
	return nil
}

// readDocker reads docker's list ("Combined Image JSON + Filesystem Changeset
// Format", Docker image specification v1.2).
func (d *reader) readDocker(l *list, m *member) error {
	var images []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	m.used = true
	if err := d.document(m, &images); err != nil {
		return err
	}
	if len(images) == 0 {
		return invalid("%s lists no image", dockerManifest)
	}
	for i, image := range images {
		c, stated, err := d.dockerConfig(l, image.Config)
		if err == nil && len(stated) != len(image.Layers) {
			err = invalid("%d layers, of which %s knows %d", len(image.Layers), image.Config, len(stated))
		}
		if err != nil {
			return fmt.Errorf("%s[%d]: %w", dockerManifest, i, err)
		}
		c.Tags = image.RepoTags
		for j, name := range image.Layers {
			n, err := d.dockerLayer(l, name, stated[j])
			if err != nil {
				return fmt.Errorf("%s[%d]: layers[%d] %s: %w", dockerManifest, i, j, name, err)
			}
			c.Layers = append(c.Layers, n)
		}
		d.img.Containers = append(d.img.Containers, c)
	}
	return nil
}

// dockerConfig reads the configuration of an image. If its name is a digest it is
// that of the configuration.
func (d *reader) dockerConfig(l *list, name string) (Container, []statedLayer, error) {
	m, err := l.find(name)
	if err != nil {
		return Container{}, nil, err
	}
	c, stated, err := d.config(m)
	if err != nil {
		return c, nil, err
	}
	if hex := strings.TrimSuffix(name[strings.LastIndexAny(name, "/:")+1:], ".json"); isHex(hex) {
		err = located(m.Offset, name, wants(named(hex), m.Digest))
	}
	return c, stated, err
}

// dockerLayer reads the layer of that name.
func (d *reader) dockerLayer(l *list, name string, stated statedLayer) (int, error) {
	m, err := l.find(name)
	if err != nil {
		return 0, err
	}
	head, err := d.head(m.Offset, int(min(m.Size, 4)))
	if err != nil {
		return 0, err
	}
	kind := compressionOf(head)
	if kind == plainKind {
		kind = Tar
	}
	return d.layer(m, Layer{Kind: kind}, stated)
}

// config reads a configuration (image-spec config.md).
func (d *reader) config(m *member) (Container, []statedLayer, error) {
	var f v1.ConfigFile
	if err := d.document(m, &f); err != nil {
		return Container{}, nil, err
	}
	c := Container{Config: m.Digest, Entrypoint: f.Config.Entrypoint, Cmd: f.Config.Cmd, Labels: f.Config.Labels}
	if f.OS != "" || f.Architecture != "" {
		c.Platform = f.OS + "/" + f.Architecture
	}
	if f.Variant != "" {
		c.Platform += "/" + f.Variant
	}
	if !f.Created.IsZero() {
		c.Created = f.Created.UTC().Format("2006-01-02T15:04:05.999999999Z07:00")
	}
	return c, statedLayers(&f), nil
}

// statedLayer is what a configuration says of a layer.
type statedLayer struct {
	diffID    v1.Hash
	createdBy string
}

// statedLayers are the layers of a configuration. Its history has an item for each,
// and more, which are marked as empty; one that does not fit names none.
func statedLayers(f *v1.ConfigFile) []statedLayer {
	history := slices.DeleteFunc(f.History, func(h v1.History) bool { return h.EmptyLayer })
	all := make([]statedLayer, len(f.RootFS.DiffIDs))
	for i, id := range f.RootFS.DiffIDs {
		all[i].diffID = id
		if len(history) == len(all) {
			all[i].createdBy = history[i].CreatedBy
		}
	}
	return all
}

// checkRest checks the files that no list names: blobs, which a layout may have
// and which are called by their digest, and what older docker save adds.
func (d *reader) checkRest(l *list) error {
	for _, m := range l.all {
		hex, isBlob := strings.CutPrefix(m.Name, blobsDir)
		top, base, _ := strings.Cut(m.Name, "/")
		switch {
		case m.link != "":
			if _, err := l.find(m.Name); err != nil {
				return err
			}
		case isBlob && isHex(hex):
			if err := d.sum(m); err != nil {
				return err
			}
			if err := wants(named(hex), m.Digest); err != nil {
				return located(m.Offset, m.Name, err)
			}
		case m.used:
		case m.Name == "repositories", isHex(top) && (base == "VERSION" || base == "json" || base == "layer.tar"),
			isHex(strings.TrimSuffix(m.Name, ".json")), m.Name == dockerManifest:
			if err := d.sum(m); err != nil {
				return err
			}
		default:
			return located(m.Offset, m.Name, invalid("no image names it"))
		}
	}
	return nil
}
