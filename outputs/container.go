package outputs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// InputsLabel is the label by which a container image names what it was made of.
const InputsLabel = "org.composeos.inputs"

// tag is what the image is called behind its name.
const tag = "latest"

// container is a tree as a container image: its layers and its configuration
// (image-spec config.md), but not how it is packed.
type container struct {
	config []byte
	blobs  []layerBlob // lowest first
}

// layerBlob is a layer as it is stored.
type layerBlob struct {
	stream
	diffID rootfs.Digest // of the layer uncompressed
	digest rootfs.Digest // of the layer as it is stored
}

// close lets go of all layers.
func (c *container) close() {
	for _, b := range c.blobs {
		if b.stream != nil {
			b.close()
		}
	}
}

// newContainer makes the layers of t.
func newContainer(ctx context.Context, env Env, t *rootfs.Tree, c Compression) (*container, error) {
	all := layers(t)
	image := &container{blobs: make([]layerBlob, len(all))}
	err := image.compress(ctx, env, all, c)
	if err == nil {
		image.config, err = configOf(t, all, image.blobs)
	}
	if err != nil {
		image.close()
		return nil, err
	}
	return image, nil
}

// compress makes the layers' blobs. One layer is compressed on all processors
// before the next; their digests are worked out side by side.
func (c *container) compress(ctx context.Context, env Env, all []*layer, how Compression) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, l := range all {
		b := &c.blobs[i]
		s := section{l.entries, rootfs.Tar{}, true}
		plain, err := newArchive(s)
		if err == nil {
			b.stream, err = compressed(ctx, env, how, s)
		}
		if err != nil {
			cancel() // all digests that are being worked out
			if first := g.Wait(); first != nil && !errors.Is(first, context.Canceled) {
				return first
			}
			return fmt.Errorf("layer %d, %s: %w", i, l.name, err)
		}
		g.Go(func() (err error) {
			if b.diffID, err = sumOf(ctx, env, plain); err != nil || how == Uncompressed {
				b.digest = b.diffID
				return err
			}
			b.digest, err = sumOf(ctx, env, b.stream)
			return err
		})
	}
	return g.Wait()
}

// What follows is image-spec v1.1: config.md, manifest.md, image-index.md and
// descriptor.md. The documents have what compose means to say and nothing else;
// their bytes are [spec.MarshalCanonical]'s.

type configFile struct {
	Architecture string          `json:"architecture"`
	Config       containerConfig `json:"config"`
	Created      string          `json:"created"`
	History      []historyEntry  `json:"history"`
	OS           string          `json:"os"`
	RootFS       rootFS          `json:"rootfs"`
	Variant      string          `json:"variant,omitempty"`
}

type containerConfig struct {
	Entrypoint []string          `json:"Entrypoint"`
	Labels     map[string]string `json:"Labels,omitempty"`
}

type historyEntry struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

type rootFS struct {
	DiffIDs []string `json:"diff_ids"`
	Type    string   `json:"type"`
}

// configOf is the image's configuration.
func configOf(t *rootfs.Tree, all []*layer, blobs []layerBlob) ([]byte, error) {
	created := time.Unix(t.Epoch, 0).UTC().Format(time.RFC3339)
	c := configFile{
		Architecture: t.Arch, Variant: t.Variant, OS: "linux", Created: created,
		Config: containerConfig{Entrypoint: []string{"/init"}},
		RootFS: rootFS{Type: "layers", DiffIDs: []string{}}, History: []historyEntry{},
	}
	if t.Inputs != (rootfs.Digest{}) {
		c.Config.Labels = map[string]string{InputsLabel: t.Inputs.String()}
	}
	for i, l := range all {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, blobs[i].diffID.String())
		c.History = append(c.History, historyEntry{created, l.name})
	}
	return spec.MarshalCanonical(c)
}

// checkContainer returns what keeps t from being a container image.
func checkContainer(t *rootfs.Tree, o Options) ([]Notice, error) {
	err := errors.Join(o.Validate(), encodable(t.Entries(), rootfs.Tar{}), checkWhiteouts(t))
	if t.At("init") == nil {
		return []Notice{{Text: "there is no /init for a container of this image to run"}}, err
	}
	return nil, err
}

// whiteout begins the names by which a layer hides what is in lower ones
// (image-spec layer.md, "Whiteouts").
const whiteout = ".wh."

// checkWhiteouts finds entries that would hide others. A device 0,0 does so where
// layers are unpacked for overlayfs.
func checkWhiteouts(t *rootfs.Tree) error {
	var errs []error
	for e := range t.Entries() {
		switch {
		case strings.HasPrefix(path.Base(e.Path), whiteout):
			errs = append(errs, entryError(e, fmt.Errorf("no layer can hold a name that begins with %s, which hides another", whiteout)))
		case e.Type == rootfs.Char && e.Major == 0 && e.Minor == 0:
			errs = append(errs, entryError(e, errors.New("no layer can hold the device 0,0, which hides what has its name")))
		}
		if len(errs) == maxReasons {
			break
		}
	}
	return errors.Join(errs...)
}

// repository is what Docker takes as the name of an image
// (distribution reference, "path-component").
var repository = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)
