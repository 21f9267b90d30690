package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"errors"
	"io"

	"github.com/sigstore/sigstore/pkg/signature"
)

// errOtherKey says that a signature is not by a key.
var errOtherKey = errors.New("the signature is not by this key")

// keyVerifier checks signatures by a key with each hash that signers take with it.
type keyVerifier struct{ key crypto.PublicKey }

// PublicKey returns the key.
func (v keyVerifier) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return v.key, nil
}

// VerifySignature reads both to their ends.
func (v keyVerifier) VerifySignature(sig, message io.Reader, _ ...signature.VerifyOption) error {
	sigBytes, err := io.ReadAll(sig)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(message)
	if err != nil {
		return err
	}
	return v.verify(sigBytes, data)
}

func (v keyVerifier) verify(sig, data []byte) error {
	for _, one := range verifiersOf(v.key) {
		if one.VerifySignature(bytes.NewReader(sig), bytes.NewReader(data)) == nil {
			return nil
		}
	}
	return errOtherKey
}

// verifiersOf returns the ways in which a key may have signed. Bundles hash with what
// suits the curve; cosign's older format, and older bundles, with SHA-256 always. What
// is signed is SHA-512 of the bytes where Ed25519 is used for bytes in a bundle.
func verifiersOf(key crypto.PublicKey) []signature.Verifier {
	hashes := []crypto.Hash{crypto.SHA256}
	if k, ok := key.(*ecdsa.PublicKey); ok {
		switch bits := k.Curve.Params().BitSize; {
		case bits > 384:
			hashes = []crypto.Hash{crypto.SHA512, crypto.SHA256}
		case bits > 256:
			hashes = []crypto.Hash{crypto.SHA384, crypto.SHA256}
		}
	}
	var all []signature.Verifier
	for _, h := range hashes {
		if v, err := signature.LoadVerifier(key, h); err == nil {
			all = append(all, v)
		}
	}
	if k, ok := key.(ed25519.PublicKey); ok {
		if v, err := signature.LoadED25519phVerifier(k); err == nil {
			all = append(all, v)
		}
	}
	return all
}
