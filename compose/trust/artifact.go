package trust

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/composeos/compose/spec"
)

// artifact is what is signed: bytes, or of a statement a digest among its subjects.
type artifact struct {
	digest spec.Digest
	bytes  []byte // nil for a statement
}

// option says it to sigstore-go. It can be used once.
func (of artifact) option() verify.ArtifactPolicyOption {
	if of.bytes != nil {
		return verify.WithArtifact(bytes.NewReader(of.bytes))
	}
	return verify.WithArtifactDigest("sha256", of.sum())
}

func (of artifact) sum() []byte {
	sum, err := hex.DecodeString(strings.TrimPrefix(string(of.digest), "sha256:"))
	if err != nil {
		return nil // what no statement has
	}
	return sum
}

// verifyAlone checks the signature by the certificate that is with it, and nothing of
// the certificate.
func (of artifact) verifyAlone(e *evidence, trusted *root.TrustedRoot) error {
	content, err := e.bundle.SignatureContent()
	if err != nil {
		return err
	}
	material, err := e.bundle.VerificationContent()
	if err != nil {
		return err
	}
	if of.bytes != nil {
		return verify.VerifySignatureWithArtifacts(content, material, trusted, []io.Reader{bytes.NewReader(of.bytes)})
	}
	digests := []verify.ArtifactDigest{{Algorithm: "sha256", Digest: of.sum()}}
	return verify.VerifySignatureWithArtifactDigests(content, material, trusted, digests)
}

// artifactOf says what is signed: the payload of the older format; of a bundle, a
// statement that has the digest among its subjects.
func artifactOf(e *evidence, subject spec.Digest) artifact {
	if e.format == spec.FormatLegacy {
		return artifact{bytes: e.payload}
	}
	return artifact{digest: subject}
}
