package compose

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/image"
	"github.com/composeos/compose/compose/store"
	"github.com/composeos/compose/spec"
)

// description is what a lock and a build need to know of an image.
type description struct {
	digest  v1.Hash // of the manifest
	config  *v1.ConfigFile
	sources []store.LayerSource // lowest first
	locked  spec.LockedPlatform
}

// describe reads manifest and config of an image, and no layer.
func describe(ctx context.Context, img *image.Image) (description, error) {
	var d description
	var err error
	if d.digest, err = img.Digest(); err != nil {
		return d, fmt.Errorf("manifest: %w", err)
	}
	configName, err := img.ConfigName()
	if err != nil {
		return d, fmt.Errorf("config: %w", err)
	}
	if d.config, err = img.ConfigFile(); err != nil {
		return d, fmt.Errorf("config: %w", err)
	}
	if d.sources, err = img.LayerSources(ctx); err != nil {
		return d, err
	}
	d.locked = spec.LockedPlatform{Manifest: digest(d.digest), Config: digest(configName), SBOM: digest(img.SBOM), Layers: []spec.LockedLayer{}}
	for _, s := range d.sources {
		d.locked.Layers = append(d.locked.Layers, spec.LockedLayer{Digest: digest(s.Digest), Size: s.Size, DiffID: digest(s.DiffID)})
	}
	d.locked.Grants = grants(d.config)
	return d, nil
}

// unreadable stands among the grants of a label that cannot be read: it gives nothing,
// and where a container is made of the image it is a fault.
const unreadable = "a label that cannot be read"

// grants returns what the label of an image gives its container.
func grants(config *v1.ConfigFile) *spec.Grants {
	c, err := new(spec.Container).Configure(spec.Config{}, config.Config.Labels[spec.Label])
	if err != nil {
		return &spec.Grants{System: []string{unreadable}}
	}
	g := c.Grants()
	return &g
}

// hash is d as images spell it.
func hash(d spec.Digest) (v1.Hash, error) {
	h, err := v1.NewHash(string(d))
	if err != nil {
		return h, fmt.Errorf("lock: %w", err)
	}
	return h, nil
}

// digest is h as locks spell it; "" for the zero hash.
func digest(h v1.Hash) spec.Digest {
	if h == (v1.Hash{}) {
		return ""
	}
	return spec.Digest(h.String())
}
