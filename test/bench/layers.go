package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layers returns the files of the gzip and of the zstd layers that the images
// of a layout have, each once.
func layers(layout string) (gzip, zstd []string, err error) {
	var top v1.IndexManifest
	if err := parse(filepath.Join(layout, "index.json"), &top); err != nil {
		return nil, nil, fmt.Errorf("workload: %w", err)
	}
	var found []v1.Descriptor
	for _, d := range top.Manifests {
		if found, err = below(layout, d, found); err != nil {
			return nil, nil, err
		}
	}
	for _, d := range found {
		file := blob(layout, d)
		if d.MediaType == types.OCILayerZStd {
			zstd = append(zstd, file)
		} else {
			gzip = append(gzip, file)
		}
	}
	slices.Sort(gzip)
	slices.Sort(zstd)
	return slices.Compact(gzip), slices.Compact(zstd), nil
}

// imageNames returns the names of the images of a layout, sorted.
func imageNames(layout string) ([]string, error) {
	var top v1.IndexManifest
	if err := parse(filepath.Join(layout, "index.json"), &top); err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	var names []string
	for _, d := range top.Manifests {
		names = append(names, d.Annotations[refName])
	}
	slices.Sort(names)
	return names, nil
}

// below appends the layers of the image or index that d describes to found;
// attestations have none that a build reads.
func below(layout string, d v1.Descriptor, found []v1.Descriptor) ([]v1.Descriptor, error) {
	if d.MediaType.IsIndex() {
		var index v1.IndexManifest
		if err := parse(blob(layout, d), &index); err != nil {
			return nil, err
		}
		for _, inner := range index.Manifests {
			var err error
			if found, err = below(layout, inner, found); err != nil {
				return nil, err
			}
		}
		return found, nil
	}
	var m v1.Manifest
	if err := parse(blob(layout, d), &m); err != nil {
		return nil, err
	}
	for _, l := range m.Layers {
		if strings.Contains(string(l.MediaType), ".layer.") {
			found = append(found, l)
		}
	}
	return found, nil
}

func blob(layout string, d v1.Descriptor) string {
	return filepath.Join(layout, "blobs", d.Digest.Algorithm, d.Digest.Hex)
}

// parse reads a JSON file.
func parse(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
