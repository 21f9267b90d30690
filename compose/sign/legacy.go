package sign

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/spec"
)

// payload is what is signed ("simple signing" of Red Hat's atomic signatures).
type payload struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]string `json:"optional"`
}

// Legacy signs an image in cosign's older format: repository is its name without a
// tag, such as docker.io/linuxkit/init, and old the manifest of the signatures
// that it has, or nil. What is returned has those too; it is nil where the same
// signature is among them already.
func Legacy(k *Key, repository string, of v1.Hash, old []byte) (*Artifact, error) {
	var p payload
	p.Critical.Identity.Reference = repository
	p.Critical.Image.Digest = of.String()
	p.Critical.Type = spec.SimpleSigningKind
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write payload: %w", err)
	}
	sig, err := k.Sign(text)
	if err != nil {
		return nil, err
	}
	layers, err := layersOf(old)
	if err != nil {
		return nil, err
	}
	layer := Blob{spec.SimpleSigningType, text}
	d := layer.Describe()
	d.Annotations = map[string]string{spec.LegacySignature: base64.StdEncoding.EncodeToString(sig)}
	all := join(layers, d)
	if len(all) == len(layers) {
		return nil, nil
	}
	return hold(all, spec.LegacyTag(spec.Digest(of.String())), layer)
}

// Join returns the signatures of two manifests of legacy signatures, old and more,
// under their tag; nil where old has all of them. The blobs of both are not in it.
func Join(tag string, old, more []byte) (*Artifact, error) {
	layers, err := layersOf(old)
	if err != nil {
		return nil, err
	}
	others, err := layersOf(more)
	if err != nil {
		return nil, err
	}
	all := join(layers, others...)
	if len(all) == len(layers) {
		return nil, nil
	}
	return hold(all, tag)
}

// join adds layers, but those that are there: the same text with the same signature.
func join(layers []v1.Descriptor, more ...v1.Descriptor) []v1.Descriptor {
	for _, d := range more {
		same := func(l v1.Descriptor) bool {
			return l.Digest == d.Digest && l.Annotations[spec.LegacySignature] == d.Annotations[spec.LegacySignature]
		}
		if !slices.ContainsFunc(layers, same) {
			layers = append(layers, d)
		}
	}
	return layers
}

// layersOf returns the layers of a manifest of legacy signatures.
func layersOf(old []byte) ([]v1.Descriptor, error) {
	if old == nil {
		return nil, nil
	}
	var m v1.Manifest
	if err := json.Unmarshal(old, &m); err != nil {
		return nil, fmt.Errorf("manifest of the signatures that are there: %w", err)
	}
	if !m.MediaType.IsImage() && m.MediaType != "" {
		return nil, fmt.Errorf("manifest of the signatures that are there: its media type is %q", m.MediaType)
	}
	return m.Layers, nil
}

// hold makes the manifest of layers, of which some are new, and a config as an image
// of these layers has it.
func hold(layers []v1.Descriptor, tag string, added ...Blob) (*Artifact, error) {
	var config v1.ConfigFile
	config.RootFS.Type = "layers"
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.Digest)
	}
	text, err := spec.MarshalCanonical(config)
	if err != nil {
		return nil, err
	}
	blobs := append([]Blob{{types.OCIConfigJSON, text}}, added...)
	raw, err := spec.MarshalCanonical(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: blobs[0].Describe(), Layers: layers,
	})
	if err != nil {
		return nil, err
	}
	return &Artifact{Manifest: raw, Tag: tag, Blobs: blobs}, nil
}
