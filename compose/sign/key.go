package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // crypto.SHA256
	_ "crypto/sha512" // crypto.SHA384 and SHA512
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"github.com/composeos/compose/spec"
)

// The kinds of failure that callers tell apart.
var (
	ErrPassphrase = errors.New("the passphrase is wrong")            // or the key is damaged, which looks the same
	ErrKey        = errors.New("not a private key that can be used") // what is there is said behind it
)

// The types of PEM blocks that hold private keys.
const (
	typeSigstore = "ENCRYPTED SIGSTORE PRIVATE KEY" // PKCS #8, encrypted by scrypt and secretbox
	typeCosign   = "ENCRYPTED COSIGN PRIVATE KEY"   // the same, as older releases of cosign wrote it
	typePKCS8    = "PRIVATE KEY"
	typeEC       = "EC PRIVATE KEY"
	typeRSA      = "RSA PRIVATE KEY"
	typePublic   = "PUBLIC KEY"
)

// maxKey is the largest file that is read as a key, in bytes.
const maxKey = 64 << 10

// NewKey makes a pair of ed25519 keys, both in PEM: the private one encrypted by
// the passphrase, as cosign does and reads it, the public one in PKIX. The key is
// the first 32 bytes of rand; the encryption takes its salt from the system.
func NewKey(rand io.Reader, passphrase []byte) (private, public []byte, err error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, nil, fmt.Errorf("read randomness for a key: %w", err)
	}
	k := &Key{ed25519.NewKeyFromSeed(seed), 0}
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, nil, fmt.Errorf("write private key: %w", err)
	}
	box, err := encrypted.Encrypt(der, passphrase)
	if err != nil {
		return nil, nil, fmt.Errorf("encrypt private key: %w", err)
	}
	public, err = k.PublicPEM()
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: typeSigstore, Bytes: box}), public, nil
}

// Key is a private key. It signs the same message the same way each time:
// ed25519; ECDSA by RFC 6979; RSA by PKCS #1 v1.5. It may be used by many
// goroutines at once.
type Key struct {
	signer crypto.Signer
	hash   crypto.Hash // 0: the message itself is signed
}

// LoadKey reads a private key in PEM: one that NewKey or cosign made, or a plain
// one (PKCS #8, SEC 1 or PKCS #1) of ed25519, ECDSA (P-256, P-384, P-521) or RSA
// (2048 to 8192 bits). The passphrase is asked for only where the key is
// encrypted. The error wraps [ErrPassphrase] or [ErrKey] where it is one of them.
func LoadKey(data []byte, passphrase func() ([]byte, error)) (*Key, error) {
	if len(data) > maxKey {
		return nil, fmt.Errorf("%w: %d bytes; at most %d are read", ErrKey, len(data), maxKey)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%w: it is not PEM", ErrKey)
	}
	if block.Headers["DEK-Info"] != "" {
		return nil, fmt.Errorf("%w: it is encrypted in the old way of OpenSSL", ErrKey)
	}
	der := block.Bytes
	if block.Type == typeSigstore || block.Type == typeCosign {
		secret, err := passphrase()
		if err != nil {
			return nil, err
		}
		if der, err = decrypt(block.Bytes, secret); err != nil {
			return nil, err
		}
	}
	key, err := parse(block.Type, der)
	if err != nil {
		return nil, err
	}
	signer, hash, err := signerOf(key)
	if err != nil {
		return nil, err
	}
	return &Key{signer, hash}, nil
}

// decrypt opens what [encrypted.Encrypt] closed.
func decrypt(box, passphrase []byte) ([]byte, error) {
	der, err := encrypted.Decrypt(box, passphrase)
	switch {
	case err == nil:
		return der, nil
	case err.Error() == "encrypted: decryption failed":
		return nil, ErrPassphrase
	}
	return nil, fmt.Errorf("%w: %w", ErrKey, err)
}

// parse reads a key in DER, of a block of that type.
func parse(kind string, der []byte) (any, error) {
	var key any
	var err error
	switch kind {
	case typeSigstore, typeCosign, typePKCS8:
		key, err = x509.ParsePKCS8PrivateKey(der)
	case typeEC:
		key, err = x509.ParseECPrivateKey(der)
	case typeRSA:
		key, err = x509.ParsePKCS1PrivateKey(der)
	case typePublic:
		return nil, fmt.Errorf("%w: it is a public key; what signs is the private one", ErrKey)
	case "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("%w: it is encrypted in OpenSSL's way", ErrKey)
	default:
		return nil, fmt.Errorf("%w: it is %q", ErrKey, kind)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return key, nil
}

// signerOf returns the key as what signs, and the hash that it signs: none for
// ed25519, that of the curve's size for ECDSA, as sigstore's algorithm registry has it.
func signerOf(key any) (crypto.Signer, crypto.Hash, error) {
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return k, 0, nil
	case *ecdsa.PrivateKey:
		switch k.Curve {
		case elliptic.P256():
			return k, crypto.SHA256, nil
		case elliptic.P384():
			return k, crypto.SHA384, nil
		case elliptic.P521():
			return k, crypto.SHA512, nil
		}
		return nil, 0, fmt.Errorf("%w: the curve is %s; want P-256, P-384 or P-521", ErrKey, k.Params().Name)
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA {
			return nil, 0, fmt.Errorf("%w: an RSA key of %d bits; want %d to %d", ErrKey, bits, minRSA, maxRSA)
		}
		return k, crypto.SHA256, nil
	}
	return nil, 0, fmt.Errorf("%w: a %T; want ed25519, ECDSA or RSA", ErrKey, key)
}

// The sizes of RSA keys, in bits.
const (
	minRSA = 2048
	maxRSA = 8192
)

// Sign returns the signature of a message, as DSSE and simple signing carry it.
func (k *Key) Sign(message []byte) ([]byte, error) {
	if k.hash != 0 {
		h := k.hash.New()
		h.Write(message)
		message = h.Sum(nil)
	}
	sig, err := k.signer.Sign(nil, message, k.hash) // without chance: RFC 6979
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sig, nil
}

// Public returns the public key.
func (k *Key) Public() crypto.PublicKey { return k.signer.Public() }

// PublicPEM returns the public key in PEM (PKIX).
func (k *Key) PublicPEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return nil, fmt.Errorf("write public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: typePublic, Bytes: der}), nil
}

// Fingerprint is the SHA-256 of the public key in DER (PKIX), as a policy's
// "deny: keys:" names it.
func (k *Key) Fingerprint() (spec.Digest, error) {
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return "", fmt.Errorf("write public key: %w", err)
	}
	return spec.DigestOf(der), nil
}
