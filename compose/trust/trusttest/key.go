// Package trusttest makes keys, identities and signatures for tests: what a key's
// owner, a certificate authority, a transparency log and a time authority would have
// made, without asking any of them.
//
//	key := trusttest.NewKey(t, trusttest.Ed25519)
//	sig := trusttest.SignBundle(t, key, digest)
//
//	world := trusttest.NewSigstore(t) // world.TrustedRootJSON is the pinned root's file
//	sig = world.SignBundle(t, trusttest.By{Identity: "ci@example.com", Issuer: "https://example.com"}, digest)
//
// Keys are new each time. Times are fixed: certificates are of [Day] unless they are
// told otherwise.
package trusttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"testing"

	"github.com/composeos/compose/spec"
)

// Kind is a kind of key.
type Kind string

// The kinds of keys. RSA keys have 2048 bits; [WeakRSA] has 1024, which nothing takes.
const (
	Ed25519 Kind = "ed25519"
	P224    Kind = "P-224"
	P256    Kind = "P-256"
	P384    Kind = "P-384"
	P521    Kind = "P-521"
	RSA     Kind = "RSA-2048"
	WeakRSA Kind = "RSA-1024"
)

// Key is a pair of keys.
type Key struct {
	PublicPEM   []byte      // PKIX, "PUBLIC KEY"
	PrivatePEM  []byte      // PKCS #8, "PRIVATE KEY", not encrypted
	Fingerprint spec.Digest // of the public key's DER, as deny names it
	Signer      crypto.Signer
}

// NewKey returns a new key.
func NewKey(tb testing.TB, kind Kind) *Key {
	tb.Helper()
	signer, err := generate(kind)
	check(tb, err)
	public, err := x509.MarshalPKIXPublicKey(signer.Public())
	check(tb, err)
	private, err := x509.MarshalPKCS8PrivateKey(signer)
	check(tb, err)
	return &Key{
		PublicPEM:   pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		PrivatePEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		Fingerprint: spec.DigestOf(public),
		Signer:      signer,
	}
}

func generate(kind Kind) (crypto.Signer, error) {
	switch kind {
	case Ed25519:
		_, private, err := ed25519.GenerateKey(nil)
		return private, err
	case P224:
		return ecdsa.GenerateKey(elliptic.P224(), nil)
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), nil)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), nil)
	case P521:
		return ecdsa.GenerateKey(elliptic.P521(), nil)
	case RSA:
		return rsa.GenerateKey(nil, 2048)
	case WeakRSA:
		return rsa.GenerateKey(nil, 1024)
	}
	return nil, fmt.Errorf("no kind of key is called %q", kind)
}

// hint is how a bundle names the key that signed it.
func (k *Key) hint() string {
	block, _ := pem.Decode(k.PublicPEM)
	sum := sha256.Sum256(block.Bytes)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// sign signs a message: with SHA-256, or the hash that is usual for the curve.
func sign(tb testing.TB, key crypto.Signer, message []byte) []byte {
	tb.Helper()
	hash := crypto.SHA256
	switch public := key.Public().(type) {
	case ed25519.PublicKey:
		hash = 0
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P384():
			hash = crypto.SHA384
		case elliptic.P521():
			hash = crypto.SHA512
		}
	}
	return signWith(tb, key, hash, message)
}

// signWith signs a message that is hashed before; 0 is for keys that do it themselves.
func signWith(tb testing.TB, key crypto.Signer, hash crypto.Hash, message []byte) []byte {
	tb.Helper()
	if hash != 0 {
		h := hash.New()
		h.Write(message)
		message = h.Sum(nil)
	}
	signature, err := key.Sign(nil, message, hash)
	check(tb, err)
	return signature
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
