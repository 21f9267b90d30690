package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/spec"
)

// layoutVersion is the one version of image layouts there is (image-spec
// image-layout.md, "oci-layout file").
const layoutVersion = "1.0.0"

// indexFile lists what a layout has (image-spec image-layout.md, "index.json file").
const indexFile = "index.json"

// Layout is an OCI image layout, in a folder or in a tar. It may be used by
// many goroutines at once.
type Layout struct {
	path  string // where it lies
	files files
	index *v1.IndexManifest

	subjects kept[map[v1.Hash][]v1.Descriptor] // what index.json lists, by the subject of its manifest
}

var _ Place = (*Layout)(nil)

// OpenLayout opens the layout in a folder or a tar of one (also with "./"
// before its names), and checks its version and its index. The error wraps
// ErrNotFound where there is none.
func OpenLayout(ctx context.Context, path string) (*Layout, error) {
	f, err := openFiles(path)
	if err != nil {
		return nil, err
	}
	l, err := newLayout(ctx, path, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// newLayout takes f as the files of the layout at path.
func newLayout(ctx context.Context, path string, f files) (*Layout, error) {
	l := &Layout{path: path, files: f}
	if err := l.checkVersion(ctx); err != nil {
		return nil, fmt.Errorf("image layout %s: %w", path, err)
	}
	raw, err := readFile(ctx, f, indexFile)
	if err != nil {
		return nil, fmt.Errorf("image layout %s: %w", path, err)
	}
	doc, err := parseDocument(raw, types.OCIImageIndex)
	if err != nil {
		return nil, fmt.Errorf("image layout %s: index.json: %w", path, err)
	}
	l.index = doc.index
	return l, nil
}

func (l *Layout) checkVersion(ctx context.Context) error {
	raw, err := readFile(ctx, l.files, "oci-layout")
	if err != nil {
		return err
	}
	var marker struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := checkText(raw); err != nil {
		return fmt.Errorf("oci-layout: %w", err)
	}
	if err := json.Unmarshal(raw, &marker); err != nil {
		return fmt.Errorf("oci-layout: %w: %w", ErrInvalid, err)
	}
	if marker.Version != layoutVersion {
		return fmt.Errorf("oci-layout: %w: version %q; only %s is read", ErrInvalid, marker.Version, layoutVersion)
	}
	return nil
}

// Close ends the use of the layout; its images' layers cannot be opened after it.
func (l *Layout) Close() error { return l.files.Close() }

// blobName is where a layout has a blob.
func blobName(d v1.Hash) string { return "blobs/" + d.Algorithm + "/" + d.Hex }

// open gives a blob of the layout.
func (l *Layout) open(_ context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	r, size, err := l.files.open(blobName(d.Digest))
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w in the layout", ErrNotFound)
	}
	return r, size, err
}

// Resolve returns the descriptor of the index or manifest that ref's tag or
// digest names; with neither, of the only one that there is.
func (l *Layout) Resolve(ctx context.Context, ref spec.Ref) (v1.Descriptor, error) {
	d, err := l.find(ctx, ref)
	if err != nil {
		return v1.Descriptor{}, err
	}
	doc, err := readDocument(ctx, l, d)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("%s: %w", d.Digest, err)
	}
	return doc.desc, nil
}

// Image returns the image of pin.Digest, after a look whether its layers are
// there and of the size that the manifest says.
func (l *Layout) Image(ctx context.Context, pin Pin) (*Image, error) {
	img, err := readImage(ctx, l, pin)
	if err != nil {
		return nil, err
	}
	for _, d := range img.core.manifest.manifest.Layers {
		r, err := (&layer{from: l, desc: d}).Compressed()
		if err != nil {
			return nil, err
		}
		r.Close() //nolint:errcheck // nothing was written
	}
	return img, nil
}
