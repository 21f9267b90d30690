package image

import (
	"context"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/spec"
)

// readConfig reads and checks the config of an image (image-spec config.md).
func readConfig(ctx context.Context, from contents, m *v1.Manifest) ([]byte, *v1.ConfigFile, error) {
	raw, err := readBlob(ctx, from, m.Config)
	if err != nil {
		return nil, nil, fmt.Errorf("config %s: %w", m.Config.Digest, err)
	}
	config, err := parseConfig(raw)
	if err == nil {
		err = checkCount(m, config)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("config %s: %w", m.Config.Digest, err)
	}
	return raw, config, nil
}

// parseConfig checks a config by itself.
func parseConfig(raw []byte) (*v1.ConfigFile, error) {
	// A history and a builder's container_config are of no use here, and say what they like.
	err := checkText(raw, "Labels", "Volumes", "ExposedPorts", "history", "container_config")
	if err != nil {
		return nil, err
	}
	config := new(v1.ConfigFile)
	if err := json.Unmarshal(raw, config); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if t := config.RootFS.Type; t != "layers" {
		return nil, fmt.Errorf("%w: rootfs.type is %q, not \"layers\"", ErrInvalid, t)
	}
	for n, h := range config.RootFS.DiffIDs {
		if err := checkHash(h); err != nil {
			return nil, fmt.Errorf("rootfs.diff_ids[%d]: %w", n, err)
		}
	}
	return config, nil
}

// checkCount checks that each layer has its diffID.
func checkCount(m *v1.Manifest, config *v1.ConfigFile) error {
	if layers, ids := len(m.Layers), len(config.RootFS.DiffIDs); layers != ids {
		return fmt.Errorf("%w: %d layers, but %d diff_ids", ErrInvalid, layers, ids)
	}
	return nil
}

// platformOf returns the platform that a config is for.
func platformOf(config *v1.ConfigFile) spec.Platform {
	return spec.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
}
