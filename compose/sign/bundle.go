package sign

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/composeos/compose/spec"
)

// statement is an in-toto statement (in-toto attestation framework, v1).
type statement struct {
	Type          string          `json:"_type"`
	Subject       []subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

type subject struct {
	Digest map[string]string `json:"digest"`
}

// Statement says of an image's digest what predicate, a JSON object, says. A nil
// one is {}: with [spec.SignatureType], the statement that the image is signed.
func Statement(of v1.Hash, predicateType string, predicate []byte) ([]byte, error) {
	if predicate == nil {
		predicate = []byte("{}")
	}
	var object map[string]any
	switch err := json.Unmarshal(predicate, &object); {
	case err != nil:
		return nil, fmt.Errorf("predicate: not a JSON object: %w", err)
	case object == nil:
		return nil, fmt.Errorf("predicate: null is not a JSON object")
	case !strings.Contains(predicateType, ":"):
		return nil, fmt.Errorf("predicate type %q is not a URI", predicateType)
	}
	return spec.MarshalCanonical(statement{
		Type:          spec.StatementType,
		Subject:       []subject{{map[string]string{of.Algorithm: of.Hex}}},
		PredicateType: predicateType,
		Predicate:     predicate,
	})
}

// bundle is a sigstore bundle of a DSSE envelope that a key signed.
type bundle struct {
	MediaType string `json:"mediaType"`
	Material  struct {
		PublicKey struct {
			Hint string `json:"hint"`
		} `json:"publicKey"`
	} `json:"verificationMaterial"`
	Envelope envelope `json:"dsseEnvelope"`
}

type envelope struct {
	Payload     []byte      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	Sig []byte `json:"sig"`
}

// Bundle signs a statement, and returns the bundle in JSON. It names the key by
// the SHA-256 of it, as cosign does.
func Bundle(k *Key, statement []byte) ([]byte, error) {
	sig, err := k.Sign(authenticated(spec.StatementPayload, statement))
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return nil, fmt.Errorf("write public key: %w", err)
	}
	b := bundle{MediaType: spec.BundleType, Envelope: envelope{statement, spec.StatementPayload, []signature{{sig}}}}
	b.Material.PublicKey.Hint = base64.StdEncoding.EncodeToString(sha256Of(der))
	return spec.MarshalCanonical(b)
}

// authenticated is what DSSE signs (DSSE protocol, "Signature Definition": PAE).
func authenticated(kind string, body []byte) []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(kind), kind, len(body)), body...)
}
