package trusttest

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/composeos/compose/spec"
)

// Day is when certificates are issued unless they are told otherwise.
var Day = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

// Sigstore is a certificate authority with its log, a transparency log and a time
// authority: what sigstore.dev runs, in one value, and known to nobody.
type Sigstore struct {
	TrustedRootJSON []byte // the file of the trusted root

	ca, issuer *authority // issuer signs the certificates, and ca signs issuer
	tsa        *authority // the time authority's certificate
	log, ct    *Key
}

// By is an identity, when it signed, and what is amiss with the signature.
type By struct {
	Identity string    // an address of mail, or a URI
	Issuer   string    // who vouches for the identity
	At       time.Time // from when the certificate is valid, ten minutes long; [Day] for none

	Expired     bool // signed an hour after the certificate was valid
	NoSCT       bool // the certificate is in no log
	NoTlog      bool // the signature is in no log
	NoTimestamp bool // no time authority saw the signature
	NoPromise   bool // the log gives a proof alone, and so no signed time
	Kind        Kind // of the key; P-256 for none
}

// NewSigstore returns a new sigstore.
func NewSigstore(tb testing.TB) *Sigstore {
	tb.Helper()
	s := &Sigstore{log: NewKey(tb, P256), ct: NewKey(tb, P256)}
	s.ca = newAuthority(tb, nil, "test root", nil)
	s.issuer = newAuthority(tb, s.ca, "test intermediate", []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning})
	tsaIssuer := newAuthority(tb, s.ca, "test time intermediate", []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping})
	s.tsa = newTimeAuthority(tb, tsaIssuer)
	log := func(key *Key) map[string]*root.TransparencyLog {
		id := sum(spki(tb, key.Signer))
		return map[string]*root.TransparencyLog{string(id): {
			BaseURL: logHost, ID: id, ValidityPeriodStart: begin, ValidityPeriodEnd: end,
			HashFunc: crypto.SHA256, PublicKey: key.Signer.Public(), SignatureHashFunc: crypto.SHA256,
		}}
	}
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{
			URI: "https://ca.example.com", Root: s.ca.cert, Intermediates: []*x509.Certificate{s.issuer.cert},
			ValidityPeriodStart: begin, ValidityPeriodEnd: end,
		}},
		log(s.ct),
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{
			URI: "https://time.example.com", Root: s.ca.cert, Intermediates: []*x509.Certificate{tsaIssuer.cert}, Leaf: s.tsa.cert,
			ValidityPeriodStart: begin, ValidityPeriodEnd: end,
		}},
		log(s.log))
	check(tb, err)
	s.TrustedRootJSON, err = trusted.MarshalJSON()
	check(tb, err)
	return s
}

// SignBundle signs an image by an identity, as "cosign sign" does.
func (s *Sigstore) SignBundle(tb testing.TB, by By, digest spec.Digest) spec.Signature {
	tb.Helper()
	return s.Attest(tb, by, digest, spec.SignatureType, struct{}{})
}

// Attest says something about an image by an identity, as "cosign attest" does.
func (s *Sigstore) Attest(tb testing.TB, by By, digest spec.Digest, predicateType string, predicate any) spec.Signature {
	tb.Helper()
	return s.SignStatement(tb, by, Statement(tb, StatementV1, predicateType, predicate, digest))
}

// SignStatement signs any payload as a statement by an identity.
func (s *Sigstore) SignStatement(tb testing.TB, by By, payload []byte) spec.Signature {
	tb.Helper()
	leaf := s.certify(tb, by)
	envelope := seal(tb, leaf.key, PayloadType, payload)
	signature := envelope.Signatures[0].Sig
	envelopeJSON, err := json.Marshal(map[string]any{
		"payloadType": PayloadType, "payload": payload, "signatures": []any{map[string]any{"sig": signature}},
	})
	check(tb, err)
	return bundleOf(tb, &bundlepb.Bundle{
		MediaType:            mediaTypeV03,
		VerificationMaterial: s.material(tb, by, leaf, dsseEntry(tb, leaf, envelopeJSON, payload, signature), signature),
		Content:              &bundlepb.Bundle_DsseEnvelope{DsseEnvelope: envelope},
	})
}

// SignArtifact signs the bytes themselves by an identity, as "cosign sign-blob" does.
func (s *Sigstore) SignArtifact(tb testing.TB, by By, artifact []byte) spec.Signature {
	tb.Helper()
	leaf := s.certify(tb, by)
	signature := signWith(tb, leaf.key, crypto.SHA256, artifact)
	return bundleOf(tb, &bundlepb.Bundle{
		MediaType:            mediaTypeV03,
		VerificationMaterial: s.material(tb, by, leaf, hashedEntry(tb, leaf, artifact, signature), signature),
		Content:              messageSignature(artifact, signature),
	})
}

// SignLegacy signs an image by an identity in cosign's older format.
func (s *Sigstore) SignLegacy(tb testing.TB, by By, ref string, digest spec.Digest) spec.Signature {
	tb.Helper()
	return s.SignLegacyPayload(tb, by, SimpleSigning(tb, ref, digest))
}

// SignLegacyPayload signs any payload by an identity in cosign's older format.
func (s *Sigstore) SignLegacyPayload(tb testing.TB, by By, payload []byte) spec.Signature {
	tb.Helper()
	leaf := s.certify(tb, by)
	signature := signWith(tb, leaf.key, crypto.SHA256, payload)
	out := spec.Signature{
		Format:      spec.FormatLegacy,
		Payload:     base64.StdEncoding.EncodeToString(payload),
		Signature:   base64.StdEncoding.EncodeToString(signature),
		Certificate: string(leaf.pem()),
		Chain:       string(s.issuer.pem()) + string(s.ca.pem()),
	}
	if !by.NoTlog {
		e := s.entry(tb, by, hashedEntry(tb, leaf, payload, signature))
		data, err := json.Marshal(map[string]any{
			"SignedEntryTimestamp": e.InclusionPromise.SignedEntryTimestamp,
			"Payload":              logPayload(e),
		})
		check(tb, err)
		out.Rekor = string(data)
	}
	if !by.NoTimestamp {
		data, err := json.Marshal(map[string]any{"SignedRFC3161Timestamp": s.timestamp(tb, by, signature)})
		check(tb, err)
		out.Timestamp = string(data)
	}
	return out
}

// material is what a bundle carries besides the signature and what is signed.
func (s *Sigstore) material(tb testing.TB, by By, leaf *authority, body, signature []byte) *bundlepb.VerificationMaterial {
	tb.Helper()
	m := &bundlepb.VerificationMaterial{
		Content: &bundlepb.VerificationMaterial_Certificate{Certificate: &commonpb.X509Certificate{RawBytes: leaf.cert.Raw}},
	}
	if !by.NoTlog {
		m.TlogEntries = []*rekorpb.TransparencyLogEntry{s.entry(tb, by, body)}
	}
	if !by.NoTimestamp {
		m.TimestampVerificationData = &bundlepb.TimestampVerificationData{
			Rfc3161Timestamps: []*commonpb.RFC3161SignedTimestamp{{SignedTimestamp: s.timestamp(tb, by, signature)}},
		}
	}
	return m
}

// issued is when the certificate was.
func (by By) issued() time.Time {
	if by.At.IsZero() {
		return Day
	}
	return by.At
}

// signed is when the signature was made, as the log and the time authority say.
func (by By) signed() time.Time {
	if by.Expired {
		return by.issued().Add(time.Hour)
	}
	return by.issued().Add(time.Minute)
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}
