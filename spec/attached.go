package spec

import "strings"

// What is attached to images, and found at them, is written in the words of others;
// they stand here once. See in-toto attestation, spec/v1/statement.md; sigstore's
// bundle specification; cosign, specs/SIGNATURE_SPEC.md.
const (
	BundleType        = "application/vnd.dev.sigstore.bundle.v0.3+json" // what is written
	BundleTypePrefix  = "application/vnd.dev.sigstore.bundle"           // how those of every version begin
	StatementType     = "https://in-toto.io/Statement/v1"
	StatementTypeV01  = "https://in-toto.io/Statement/v0.1"
	StatementPayload  = "application/vnd.in-toto+json" // the type of a statement in a DSSE envelope
	SimpleSigningType = "application/vnd.dev.cosign.simplesigning.v1+json"
	SimpleSigningKind = "cosign container image signature" // "type" of what is signed so
)

// The annotations of a layer of [SimpleSigningType]: its signature, and what belongs
// to it.
const (
	LegacySignature   = "dev.cosignproject.cosign/signature"
	LegacyCertificate = "dev.sigstore.cosign/certificate"
	LegacyChain       = "dev.sigstore.cosign/chain"
	LegacyRekor       = "dev.sigstore.cosign/bundle"
	LegacyTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
)

// MaxDocument is the most that an index or a manifest of an image may have, in bytes;
// registries refuse larger ones as well (distribution-spec, "Pushing Manifests").
const MaxDocument = 4 << 20

// ReferrersTag is the tag of the list of what refers to an image, where a registry
// has no other way to say it (distribution-spec, "Referrers Tag Schema").
func ReferrersTag(of Digest) string { return strings.Replace(string(of), ":", "-", 1) }

// LegacyTag is the tag under which the legacy signatures of an image are.
func LegacyTag(of Digest) string { return ReferrersTag(of) + ".sig" }
