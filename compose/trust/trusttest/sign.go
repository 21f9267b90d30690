package trusttest

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	dssepb "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/composeos/compose/spec"
)

// The types of statements, and how they are named in an envelope.
const (
	StatementV1  = "https://in-toto.io/Statement/v1"
	StatementV01 = "https://in-toto.io/Statement/v0.1"
	PayloadType  = "application/vnd.in-toto+json"
	mediaTypeV03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// SignBundle signs an image by a key, as "cosign sign" does.
func SignBundle(tb testing.TB, key *Key, digest spec.Digest) spec.Signature {
	tb.Helper()
	return Attest(tb, key, digest, spec.SignatureType, struct{}{})
}

// Attest says something about an image by a key, as "cosign attest" does.
func Attest(tb testing.TB, key *Key, digest spec.Digest, predicateType string, predicate any) spec.Signature {
	tb.Helper()
	return SignStatement(tb, key, Statement(tb, StatementV1, predicateType, predicate, digest))
}

// Statement returns the JSON of an in-toto statement about the digests.
func Statement(tb testing.TB, statementType, predicateType string, predicate any, digests ...spec.Digest) []byte {
	tb.Helper()
	subjects := []any{}
	for _, d := range digests {
		subjects = append(subjects, map[string]any{"digest": map[string]string{"sha256": hexOf(d)}})
	}
	data, err := json.Marshal(map[string]any{
		"_type": statementType, "subject": subjects, "predicateType": predicateType, "predicate": predicate,
	})
	check(tb, err)
	return data
}

// SignStatement signs any payload as a statement by a key.
func SignStatement(tb testing.TB, key *Key, payload []byte) spec.Signature {
	tb.Helper()
	return SignPayload(tb, key, PayloadType, payload)
}

// SignPayload signs any payload of any type by a key.
func SignPayload(tb testing.TB, key *Key, payloadType string, payload []byte) spec.Signature {
	tb.Helper()
	envelope := seal(tb, key.Signer, payloadType, payload)
	return bundleOf(tb, &bundlepb.Bundle{
		MediaType: mediaTypeV03,
		VerificationMaterial: &bundlepb.VerificationMaterial{
			Content: &bundlepb.VerificationMaterial_PublicKey{PublicKey: &commonpb.PublicKeyIdentifier{Hint: key.hint()}},
		},
		Content: &bundlepb.Bundle_DsseEnvelope{DsseEnvelope: envelope},
	})
}

// SignArtifact signs the bytes themselves, not a statement about them, by a key, as
// "cosign sign-blob" does. Keys are of the kinds that hash with SHA-256.
func SignArtifact(tb testing.TB, key *Key, artifact []byte) spec.Signature {
	tb.Helper()
	return bundleOf(tb, &bundlepb.Bundle{
		MediaType: mediaTypeV03,
		VerificationMaterial: &bundlepb.VerificationMaterial{
			Content: &bundlepb.VerificationMaterial_PublicKey{PublicKey: &commonpb.PublicKeyIdentifier{Hint: key.hint()}},
		},
		Content: messageSignature(artifact, sign(tb, key.Signer, artifact)),
	})
}

// SignLegacy signs an image by a key in cosign's older format: a payload with the
// image's name and digest, hashed with SHA-256 whatever the key.
func SignLegacy(tb testing.TB, key *Key, ref string, digest spec.Digest) spec.Signature {
	tb.Helper()
	return SignLegacyPayload(tb, key, SimpleSigning(tb, ref, digest))
}

// SignLegacyPayload signs any payload in cosign's older format.
func SignLegacyPayload(tb testing.TB, key *Key, payload []byte) spec.Signature {
	tb.Helper()
	hash := crypto.SHA256
	if _, ok := key.Signer.Public().(ed25519.PublicKey); ok {
		hash = 0
	}
	return spec.Signature{
		Format:    spec.FormatLegacy,
		Payload:   base64.StdEncoding.EncodeToString(payload),
		Signature: base64.StdEncoding.EncodeToString(signWith(tb, key.Signer, hash, payload)),
	}
}

// SimpleSigning returns the payload of cosign's older format.
func SimpleSigning(tb testing.TB, ref string, digest spec.Digest) []byte {
	tb.Helper()
	data, err := json.Marshal(map[string]any{
		"critical": map[string]any{
			"identity": map[string]string{"docker-reference": ref},
			"image":    map[string]string{"docker-manifest-digest": string(digest)},
			"type":     "cosign container image signature",
		},
		"optional": nil,
	})
	check(tb, err)
	return data
}

// seal puts a payload into a signed envelope.
func seal(tb testing.TB, key crypto.Signer, payloadType string, payload []byte) *dssepb.Envelope {
	tb.Helper()
	signature := sign(tb, key, dsse.PAE(payloadType, payload))
	return &dssepb.Envelope{PayloadType: payloadType, Payload: payload, Signatures: []*dssepb.Signature{{Sig: signature}}}
}

func messageSignature(artifact, signature []byte) *bundlepb.Bundle_MessageSignature {
	return &bundlepb.Bundle_MessageSignature{MessageSignature: &commonpb.MessageSignature{
		MessageDigest: &commonpb.HashOutput{Algorithm: commonpb.HashAlgorithm_SHA2_256, Digest: sum(artifact)},
		Signature:     signature,
	}}
}

// bundleOf returns the bundle as it would be found beside an image.
func bundleOf(tb testing.TB, b *bundlepb.Bundle) spec.Signature {
	tb.Helper()
	data, err := protojson.Marshal(b)
	check(tb, err)
	var plain bytes.Buffer // protojson puts in spaces by chance
	check(tb, json.Compact(&plain, data))
	return spec.Signature{Format: spec.FormatBundle, Bundle: plain.String()}
}

func hexOf(d spec.Digest) string { return strings.TrimPrefix(string(d), "sha256:") }
