package sign

import (
	"crypto/sha256"
	"encoding/hex"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/composeos/compose/spec"
)

// Blob is a few bytes and what they are.
type Blob struct {
	MediaType types.MediaType
	Data      []byte
}

// Digest is the digest of the bytes.
func (b Blob) Digest() v1.Hash { return hashOf(b.Data) }

// Describe returns the blob's descriptor.
func (b Blob) Describe() v1.Descriptor {
	return v1.Descriptor{MediaType: b.MediaType, Digest: b.Digest(), Size: int64(len(b.Data))}
}

// Artifact is a manifest of a signature, and what it is of.
type Artifact struct {
	Manifest     []byte
	ArtifactType string            // "" for a legacy signature
	Annotations  map[string]string // of the manifest; nil for a legacy signature
	Tag          string            // what it is found by; "" for a referrer, which its subject finds
	Blobs        []Blob            // the config first; of a legacy signature, the new ones alone
}

// Descriptor names the manifest, as an index or a list of referrers has it.
func (a *Artifact) Descriptor() v1.Descriptor {
	d := Blob{types.OCIManifestSchema1, a.Manifest}.Describe()
	d.ArtifactType = a.ArtifactType
	d.Annotations = a.Annotations
	return d
}

const (
	emptyType = "application/vnd.oci.empty.v1+json"

	annotationContent   = "dev.sigstore.bundle.content"
	annotationPredicate = "dev.sigstore.bundle.predicateType"
	annotationCreated   = "org.opencontainers.image.created"
	noTime              = "1970-01-01T00:00:00Z" // a time would be another signature each time
)

// Referrer returns the manifest that attaches a bundle to an image, or an index
// (image-spec manifest.md, "subject"; cosign's bundle specification).
func Referrer(subject v1.Descriptor, bundle []byte, predicateType string) (*Artifact, error) {
	blobs := []Blob{{emptyType, []byte("{}")}, {spec.BundleType, bundle}}
	annotations := map[string]string{
		annotationContent: "dsse-envelope", annotationPredicate: predicateType, annotationCreated: noTime,
	}
	raw, err := spec.MarshalCanonical(v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  spec.BundleType,
		Config:        blobs[0].Describe(),
		Layers:        []v1.Descriptor{blobs[1].Describe()},
		Subject:       &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
		Annotations:   annotations,
	})
	if err != nil {
		return nil, err
	}
	return &Artifact{Manifest: raw, ArtifactType: spec.BundleType, Annotations: annotations, Blobs: blobs}, nil
}

func sha256Of(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

func hashOf(data []byte) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sha256Of(data))}
}
