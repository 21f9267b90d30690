package image

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/composeos/compose/spec"
)

const (
	bufferSize = 128 << 10 // bytes
	hashers    = 4         // layers that are hashed at once
)

// manifest makes the manifest of entry n, once. All of the layers are read for
// it, each once, however many images have it.
func (a *Archive) manifest(ctx context.Context, n int) (v1.Descriptor, error) {
	return one(&a.mu, a.made, n).get(func() (v1.Descriptor, error) { return a.synthesise(ctx, a.entries[n]) })
}

func (a *Archive) synthesise(ctx context.Context, e archived) (v1.Descriptor, error) {
	raw, err := readFile(ctx, a.files, e.config)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("config: %w", err)
	}
	config, err := parseConfig(raw)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("config %s: %w", e.config, err)
	}
	layers, err := a.describe(ctx, e, config)
	if err != nil {
		return v1.Descriptor{}, err
	}
	manifest := v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		Config:        describeBytes(types.OCIConfigJSON, raw),
		Layers:        layers,
	}
	text, err := spec.MarshalCanonical(manifest)
	if err != nil {
		return v1.Descriptor{}, err
	}
	made := describeBytes(manifest.MediaType, text)
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, d := range layers {
		a.blobs[d.Digest] = stored{member: e.layers[i]}
	}
	a.blobs[manifest.Config.Digest] = stored{raw: raw}
	a.blobs[made.Digest] = stored{raw: text}
	return made, nil
}

// describe makes the descriptors of an image's layers.
func (a *Archive) describe(ctx context.Context, e archived, config *v1.ConfigFile) ([]v1.Descriptor, error) {
	ids := config.RootFS.DiffIDs
	if len(e.layers) != len(ids) {
		return nil, fmt.Errorf("config %s: %w: %d layers, but %d diff_ids", e.config, ErrInvalid, len(e.layers), len(ids))
	}
	layers := make([]v1.Descriptor, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(hashers)
	for i, member := range e.layers {
		g.Go(func() (err error) {
			layers[i], err = one(&a.mu, a.layers, member).get(func() (v1.Descriptor, error) {
				return a.describeLayer(ctx, member)
			})
			if err == nil && layers[i].MediaType == types.OCIUncompressedLayer && layers[i].Digest != ids[i] {
				err = fmt.Errorf("%w: it is %s, the config says %s", ErrDigest, layers[i].Digest, ids[i])
			}
			if err != nil {
				return fmt.Errorf("layer %s: %w", member, err)
			}
			return nil
		})
	}
	return layers, g.Wait()
}

// describeLayer reads a layer to its end. Layers are plain, but for archives
// of a Docker that keeps what it pulled.
func (a *Archive) describeLayer(ctx context.Context, member string) (v1.Descriptor, error) {
	r, size, err := a.files.open(member)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer r.Close()
	in := bufio.NewReaderSize(&stoppable{ctx, r}, bufferSize)
	head, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return v1.Descriptor{}, err
	}
	mediaType := types.OCIUncompressedLayer
	switch compressionOf(head) {
	case gzipped:
		mediaType = types.OCILayer
	case zstded:
		mediaType = types.OCILayerZStd
	}
	sum := sha256.New()
	if n, err := in.WriteTo(sum); err != nil || n != size {
		return v1.Descriptor{}, errors.Join(err, checkRead(n, size))
	}
	return v1.Descriptor{MediaType: mediaType, Size: size, Digest: hashOf(sum.Sum(nil))}, nil
}

func checkRead(n, size int64) error {
	if n != size {
		return fmt.Errorf("read %d of %d bytes", n, size)
	}
	return nil
}

// describeBytes returns the descriptor of raw.
func describeBytes(mediaType types.MediaType, raw []byte) v1.Descriptor {
	sum := sha256.Sum256(raw)
	return v1.Descriptor{MediaType: mediaType, Size: int64(len(raw)), Digest: hashOf(sum[:])}
}

func hashOf(sum []byte) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum)}
}
