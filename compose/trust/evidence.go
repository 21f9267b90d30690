package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	sigbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/composeos/compose/spec"
)

// evidence is a signature that was read. Nothing that it says is true before an
// authority has checked it.
type evidence struct {
	format string
	digest spec.Digest // of the spec.Signature

	kind string        // the predicate type; SignatureType of a legacy signature; "" of one over bytes
	of   []spec.Digest // what it says it is of

	cert *x509.Certificate // of who signed; nil for a key
	hint spec.Digest       // the fingerprint of the key, where it says so

	bundle             *sigbundle.Bundle // nil of a legacy signature by a key
	payload, signature []byte            // of a legacy one
}

// readEvidence reads a signature strictly. It returns an evidence with digest and
// format in any case, for the reason why it does not count.
func readEvidence(s spec.Signature) (*evidence, error) {
	e := &evidence{format: printable(s.Format), digest: new(spec.Evidence).Add(s)}
	if e.digest == "" {
		return e, fmt.Errorf("it is no text that an evidence file can hold, or has more than %d bytes", spec.MaxSignature)
	}
	return e, guarded(func() error {
		if s.Format == spec.FormatLegacy {
			return e.readLegacy(s)
		}
		return e.readBundle(s.Bundle)
	})
}

// readBundle reads a sigstore bundle of version 0.1 to 0.3.
func (e *evidence) readBundle(text string) error {
	if err := spec.CheckJSON([]byte(text)); err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	b := new(bundlepb.Bundle)
	if err := protojson.Unmarshal([]byte(text), b); err != nil {
		return fmt.Errorf("it is not a sigstore bundle: %w", plain(err))
	}
	m := b.GetVerificationMaterial()
	if m.GetPublicKey() != nil {
		m.TlogEntries, m.TimestampVerificationData = nil, nil // the key says who, whenever
	}
	err := checkMaterial(m)
	if err != nil {
		return err
	}
	if e.bundle, err = sigbundle.NewBundle(b); err != nil {
		return fmt.Errorf("it is not a sigstore bundle: %w", words(err))
	}
	material, err := e.bundle.VerificationContent()
	if err != nil {
		return fmt.Errorf("it is not a sigstore bundle: %w", plain(err))
	}
	if e.cert = material.Certificate(); e.cert == nil {
		e.hint = hinted(material.PublicKey().Hint())
	}
	content, err := e.bundle.SignatureContent()
	if err != nil {
		return fmt.Errorf("it is not a sigstore bundle: %w", plain(err))
	}
	envelope := content.EnvelopeContent()
	if envelope == nil {
		if m := content.MessageSignatureContent(); m.DigestAlgorithm() == commonpb.HashAlgorithm_SHA2_256.String() {
			e.of = []spec.Digest{spec.Digest("sha256:" + hex.EncodeToString(m.Digest()))}
		}
		return nil
	}
	raw := envelope.RawEnvelope()
	if raw.PayloadType != payloadType {
		return fmt.Errorf("it signs a payload of the type %s, not %s", printable(raw.PayloadType), payloadType)
	}
	payload, err := raw.DecodeB64Payload()
	if err != nil {
		return fmt.Errorf("its payload: %w", err)
	}
	e.kind, e.of, err = parseStatement(payload)
	return err
}

// hinted reads how bundles name a key: by the SHA-256 of its DER in base64. Others may
// name it otherwise; it is for messages alone.
func hinted(hint string) spec.Digest {
	sum, err := base64.StdEncoding.DecodeString(hint)
	if err != nil || len(sum) != sha256.Size {
		return ""
	}
	return spec.Digest("sha256:" + hex.EncodeToString(sum))
}

// The types of statements; see in-toto attestation, spec/v1/statement.md and spec/v0.1.0.
const (
	payloadType   = spec.StatementPayload
	statementV1   = spec.StatementType
	statementV01  = spec.StatementTypeV01
	maxSubjects   = 1024
	digestSubject = "sha256"
)

// parseStatement reads the type and the subjects of an in-toto statement. Keys are as
// the specification writes them, in their case too: readers that are more lenient
// must not find another statement in the same bytes.
func parseStatement(payload []byte) (kind string, of []spec.Digest, err error) {
	if err := spec.CheckJSON(payload); err != nil {
		return "", nil, fmt.Errorf("its statement: %w", err)
	}
	var statement map[string]json.RawMessage
	var version string
	if err := json.Unmarshal(payload, &statement); err != nil {
		return "", nil, errors.New("its statement is not an object")
	}
	if err := member(statement, "_type", &version); err != nil || version != statementV1 && version != statementV01 {
		return "", nil, fmt.Errorf("its statement is of the type %s, not %s", printable(version), statementV1)
	}
	if err := member(statement, "predicateType", &kind); err != nil || kind == "" {
		return "", nil, errors.New("its statement has no predicateType")
	}
	var subjects []map[string]json.RawMessage
	if err := member(statement, "subject", &subjects); err != nil || len(subjects) == 0 {
		return "", nil, errors.New("its statement has no subject")
	}
	if len(subjects) > maxSubjects {
		return "", nil, fmt.Errorf("its statement has %d subjects; at most %d can be", len(subjects), maxSubjects)
	}
	for _, s := range subjects {
		var digests map[string]string
		if err := member(s, "digest", &digests); err != nil {
			return "", nil, errors.New("a subject of its statement has no digest")
		}
		if digest, err := spec.ParseDigest("sha256:" + digests[digestSubject]); err == nil {
			of = append(of, digest)
		}
	}
	return kind, of, nil
}

// member reads one key of an object.
func member(object map[string]json.RawMessage, key string, into any) error {
	raw, there := object[key]
	if !there || string(raw) == "null" {
		return fmt.Errorf("no %s", key)
	}
	return json.Unmarshal(raw, into)
}

// namesOf returns all names in a certificate.
func namesOf(cert *x509.Certificate) []string {
	names := slices.Concat(cert.EmailAddresses, cert.DNSNames)
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	if other, err := cryptoutils.UnmarshalOtherNameSAN(cert.Extensions); err == nil && other != "" {
		names = append(names, other)
	}
	return names
}
