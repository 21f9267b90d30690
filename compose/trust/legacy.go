package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	sigbundle "github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/composeos/compose/spec"
)

// See cosign, specs/SIGNATURE_SPEC.md, and containers/image, docs/atomic-signature.md.
const (
	legacyType      = spec.SimpleSigningKind
	legacyMediaType = "application/vnd.dev.sigstore.bundle+json;version=0.1"
)

// readLegacy reads a signature in cosign's older format. One with a certificate is put
// into a bundle of version 0.1, which holds the same, and is checked as one. The chain
// is not used: what vouches for the certificate is in the pinned root.
func (e *evidence) readLegacy(s spec.Signature) error {
	var err error
	if e.payload, err = base64.StdEncoding.DecodeString(s.Payload); err != nil {
		return fmt.Errorf("its payload: %w", err)
	}
	if e.signature, err = base64.StdEncoding.DecodeString(s.Signature); err != nil {
		return fmt.Errorf("its signature: %w", err)
	}
	if len(e.signature) == 0 {
		return errors.New("it has no signature")
	}
	signed, err := parseSimpleSigning(e.payload)
	if err != nil {
		return err
	}
	e.kind, e.of = spec.SignatureType, []spec.Digest{signed}
	if s.Certificate == "" {
		return nil
	}
	block, rest := pem.Decode([]byte(s.Certificate))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return errors.New("its certificate is not one certificate in PEM")
	}
	if e.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("its certificate: %w", err)
	}
	e.bundle, err = e.legacyBundle(s)
	return err
}

// parseSimpleSigning returns the digest that a payload is about. The name in it is who
// signed's own: it is not the manifest's where there are mirrors, and not believed.
func parseSimpleSigning(payload []byte) (spec.Digest, error) {
	if err := spec.CheckJSON(payload); err != nil {
		return "", fmt.Errorf("its payload: %w", err)
	}
	var all, critical, image map[string]json.RawMessage
	var kind, digest string
	if json.Unmarshal(payload, &all) != nil || member(all, "critical", &critical) != nil {
		return "", errors.New("its payload has no part critical")
	}
	if member(critical, "type", &kind) != nil || kind != legacyType {
		return "", fmt.Errorf("its payload is of the type %s, not %q", printable(kind), legacyType)
	}
	if member(critical, "image", &image) != nil || member(image, "docker-manifest-digest", &digest) != nil {
		return "", errors.New("its payload names no digest")
	}
	signed, err := spec.ParseDigest(digest)
	if err != nil {
		return "", fmt.Errorf("its payload: %w", err)
	}
	return signed, nil
}

// legacyBundle puts the parts of a signature by an identity into a bundle.
func (e *evidence) legacyBundle(s spec.Signature) (*sigbundle.Bundle, error) {
	sum := sha256.Sum256(e.payload)
	b := &bundlepb.Bundle{
		MediaType: legacyMediaType,
		VerificationMaterial: &bundlepb.VerificationMaterial{
			Content: &bundlepb.VerificationMaterial_Certificate{Certificate: &commonpb.X509Certificate{RawBytes: e.cert.Raw}},
		},
		Content: &bundlepb.Bundle_MessageSignature{MessageSignature: &commonpb.MessageSignature{
			MessageDigest: &commonpb.HashOutput{Algorithm: commonpb.HashAlgorithm_SHA2_256, Digest: sum[:]},
			Signature:     e.signature,
		}},
	}
	if s.Rekor != "" {
		entry, err := parseRekor(s.Rekor)
		if err != nil {
			return nil, fmt.Errorf("its log entry: %w", err)
		}
		b.VerificationMaterial.TlogEntries = []*rekorpb.TransparencyLogEntry{entry}
	}
	if s.Timestamp != "" {
		stamp, err := parseTimestamp(s.Timestamp)
		if err != nil {
			return nil, fmt.Errorf("its timestamp: %w", err)
		}
		b.VerificationMaterial.TimestampVerificationData = &bundlepb.TimestampVerificationData{
			Rfc3161Timestamps: []*commonpb.RFC3161SignedTimestamp{{SignedTimestamp: stamp}},
		}
	}
	if err := checkMaterial(b.VerificationMaterial); err != nil {
		return nil, err
	}
	out, err := sigbundle.NewBundle(b)
	if err != nil {
		return nil, plain(err)
	}
	return out, nil
}

// parseRekor reads the log's promise from the annotation dev.sigstore.cosign/bundle.
func parseRekor(text string) (*rekorpb.TransparencyLogEntry, error) {
	if err := spec.CheckJSON([]byte(text)); err != nil {
		return nil, err
	}
	var promise struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	if err := json.Unmarshal([]byte(text), &promise); err != nil {
		return nil, plain(err)
	}
	var kind struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if err := json.Unmarshal(promise.Payload.Body, &kind); err != nil {
		return nil, fmt.Errorf("its body: %w", plain(err))
	}
	id, err := hex.DecodeString(promise.Payload.LogID)
	if err != nil || len(id) == 0 || len(promise.SignedEntryTimestamp) == 0 {
		return nil, errors.New("it names no log, or nothing is signed")
	}
	return &rekorpb.TransparencyLogEntry{
		LogIndex:          promise.Payload.LogIndex,
		LogId:             &commonpb.LogId{KeyId: id},
		KindVersion:       &rekorpb.KindVersion{Kind: kind.Kind, Version: kind.APIVersion},
		IntegratedTime:    promise.Payload.IntegratedTime,
		InclusionPromise:  &rekorpb.InclusionPromise{SignedEntryTimestamp: promise.SignedEntryTimestamp},
		CanonicalizedBody: promise.Payload.Body,
	}, nil
}

// parseTimestamp reads the annotation dev.sigstore.cosign/rfc3161timestamp.
func parseTimestamp(text string) ([]byte, error) {
	if err := spec.CheckJSON([]byte(text)); err != nil {
		return nil, err
	}
	var stamp struct{ SignedRFC3161Timestamp []byte }
	if err := json.Unmarshal([]byte(text), &stamp); err != nil {
		return nil, plain(err)
	}
	if len(stamp.SignedRFC3161Timestamp) == 0 {
		return nil, errors.New("it is empty")
	}
	return stamp.SignedRFC3161Timestamp, nil
}
