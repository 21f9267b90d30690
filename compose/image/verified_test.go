package image

import (
	"context"
	"errors"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// opened counts what is opened of a source.
type opened struct {
	contents
	layers []v1.Hash
}

func (o *opened) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	if d.MediaType.IsLayer() {
		o.layers = append(o.layers, d.Digest)
	}
	return o.contents.open(ctx, d)
}

func (o *opened) Image(ctx context.Context, pin Pin) (*Image, error) { return readImage(ctx, o, pin) }

func TestVerified(t *testing.T) {
	l, err := OpenLayout(t.Context(), good().dir(t))
	if err != nil {
		t.Fatal(err)
	}
	src := &opened{contents: l}
	pin := Pin{Ref: mustRef(t, "oci:x:v1"), Digest: l.index.Manifests[0].Digest, Platform: amd64()}
	refused, checked := errors.New("refused"), 0
	verified := Verified(src, func(_ context.Context, got Pin, img *Image) error {
		if checked++; got != pin || img == nil || len(src.layers) > 0 {
			t.Errorf("checked %v; %v are open", got, src.layers)
		}
		return refused
	})
	if img, err := verified.Image(t.Context(), pin); img != nil || !errors.Is(err, refused) || checked != 1 {
		t.Errorf("refused: image %v, error %v", img, err)
	}
	refused = nil
	img, err := verified.Image(t.Context(), pin)
	if err != nil {
		t.Fatal(err)
	}
	checkLayers(t, img, layerTar("file", "amd"))
	if len(src.layers) != 1 {
		t.Errorf("opened %v", src.layers)
	}
	pin.Digest = describeBytes("", nil).Digest
	if _, err := verified.Image(t.Context(), pin); !errors.Is(err, ErrNotFound) || checked != 2 {
		t.Errorf("what is not there: %v, checked %d times", err, checked)
	}
}
