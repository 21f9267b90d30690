package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/compose/store"
)

// imageSize sums up the blobs of an image in the cache, each once: for an index,
// those of every platform that is there.
func imageSize(ctx context.Context, l *store.Lease, top v1.Descriptor) (int64, error) {
	sizes := map[v1.Hash]int64{}
	if err := addSizes(ctx, l, top, sizes); err != nil {
		return 0, err
	}
	total := int64(0)
	for _, n := range sizes {
		total += n
	}
	return total, nil
}

// addSizes adds d, and what it leads to.
func addSizes(ctx context.Context, l *store.Lease, d v1.Descriptor, sizes map[v1.Hash]int64) error {
	b, err := l.Blob(ctx, d.Digest)
	if err != nil {
		return err
	}
	var doc struct {
		Manifests []v1.Descriptor `json:"manifests"`
		Config    *v1.Descriptor  `json:"config"`
		Layers    []v1.Descriptor `json:"layers"`
	}
	if err := json.NewDecoder(io.NewSectionReader(b, 0, b.Size)).Decode(&doc); err != nil {
		return fmt.Errorf("%s: %w", d.Digest, err)
	}
	sizes[d.Digest] = b.Size
	if doc.Config != nil {
		sizes[doc.Config.Digest] = doc.Config.Size
	}
	for _, layer := range doc.Layers {
		sizes[layer.Digest] = layer.Size
	}
	for _, m := range doc.Manifests {
		// What did not travel with the index, such as another platform, does not count.
		_ = addSizes(ctx, l, m, sizes)
	}
	return nil
}
