package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest names content by its SHA-256: "sha256:" and 64 lower-case hexadecimal
// digits. "" means that there is none. See image-spec descriptor.md, "Digests".
type Digest string

const digestPrefix = "sha256:"

// DigestOf returns the digest of data.
func DigestOf(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest(digestPrefix + hex.EncodeToString(sum[:]))
}

// ParseDigest checks that s is a digest as [Digest] describes it.
func ParseDigest(s string) (Digest, error) {
	digits, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(digits) != 2*sha256.Size || strings.ToLower(digits) != digits {
		return "", fmt.Errorf("%q is not a digest: want sha256: and 64 lower-case hexadecimal digits", s)
	}
	if _, err := hex.DecodeString(digits); err != nil {
		return "", fmt.Errorf("%q is not a digest: %w", s, err)
	}
	return Digest(s), nil
}
