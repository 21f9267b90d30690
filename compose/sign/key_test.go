package sign_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/composeos/compose/compose/sign"
	"github.com/composeos/compose/spec"
)

// seed is 32 bytes that are no chance.
func seed() io.Reader { return strings.NewReader(strings.Repeat("seed", 8)) }

// noPassphrase fails the test when it is asked.
func noPassphrase(t *testing.T) func() ([]byte, error) {
	return func() ([]byte, error) {
		t.Error("asked for the passphrase of a key that has none")
		return nil, nil
	}
}

func passphrase(text string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(text), nil }
}

// newKey makes a key without a passphrase: quick, and the same each time.
func newKey(t *testing.T) *sign.Key {
	t.Helper()
	return load(t, encode(t, "PRIVATE KEY", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))))
}

func load(t *testing.T, text []byte) *sign.Key {
	t.Helper()
	k, err := sign.LoadKey(text, noPassphrase(t))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// encode returns a private key in PEM (PKCS #8).
func encode(t *testing.T, kind string, key any) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: pkcs8(t, key)})
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestNewKey(t *testing.T) {
	private, public, err := sign.NewKey(seed(), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := sign.LoadKey(private, passphrase("secret"))
	if err != nil {
		t.Fatal(err)
	}
	want := ed25519.NewKeyFromSeed([]byte(strings.Repeat("seed", 8))).Public()
	if !k.Public().(ed25519.PublicKey).Equal(want) {
		t.Error("the key is not made of what rand gave")
	}
	again, err := k.PublicPEM()
	if err != nil || !bytes.Equal(again, public) {
		t.Errorf("the public key of the private one is\n%s(%v), not\n%s", again, err, public)
	}
	block, rest := pem.Decode(private)
	if block == nil || block.Type != "ENCRYPTED SIGSTORE PRIVATE KEY" || len(rest) > 0 {
		t.Errorf("the private key is no block that cosign knows:\n%s", private)
	}
	fingerprint, err := k.Fingerprint()
	block, _ = pem.Decode(public)
	if err != nil || fingerprint != spec.DigestOf(block.Bytes) {
		t.Errorf("fingerprint %s (%v), want %s", fingerprint, err, spec.DigestOf(block.Bytes))
	}
	for _, wrong := range []string{"", "Secret", "secret "} {
		if _, err := sign.LoadKey(private, passphrase(wrong)); !errors.Is(err, sign.ErrPassphrase) {
			t.Errorf("passphrase %q: %v, want %v", wrong, err, sign.ErrPassphrase)
		}
	}
	stop := errors.New("stop")
	if _, err := sign.LoadKey(private, func() ([]byte, error) { return nil, stop }); !errors.Is(err, stop) {
		t.Errorf("an error of the passphrase became %v", err)
	}
}

func TestNewKeyWithoutRandomness(t *testing.T) {
	if _, _, err := sign.NewKey(strings.NewReader("short"), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a key of 5 bytes of randomness: %v", err)
	}
}

// keys are one of each kind that can sign.
func keys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	all := map[string]crypto.Signer{"ed25519": ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = k
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	all["RSA"] = k
	return all
}

// TestSign holds signatures against sigstore's own verifiers, with the hash that
// its algorithm registry has for the kind of key, and asks for each twice.
func TestSign(t *testing.T) {
	hashes := map[string]crypto.Hash{"P-384": crypto.SHA384, "P-521": crypto.SHA512}
	for name, private := range keys(t) {
		t.Run(name, func(t *testing.T) {
			k := load(t, encode(t, "PRIVATE KEY", private))
			sig, err := k.Sign([]byte("message"))
			if err != nil {
				t.Fatal(err)
			}
			hash := hashes[name]
			if hash == 0 {
				hash = crypto.SHA256
			}
			v, err := signature.LoadVerifier(private.Public(), hash)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.VerifySignature(bytes.NewReader(sig), strings.NewReader("message")); err != nil {
				t.Errorf("sigstore does not verify it: %v", err)
			}
			if err := v.VerifySignature(bytes.NewReader(sig), strings.NewReader("massage")); err == nil {
				t.Error("it is a signature of something else too")
			}
			again, err := k.Sign([]byte("message"))
			if err != nil || !bytes.Equal(sig, again) {
				t.Errorf("the same message was signed differently: %x and %x (%v)", sig, again, err)
			}
		})
	}
}

// TestRFC6979 is the vector of RFC 6979 A.2.5 for P-256, SHA-256 and "sample".
func TestRFC6979(t *testing.T) {
	d := []byte("\xC9\xAF\xA9\xD8\x45\xBA\x75\x16\x6B\x5C\x21\x57\x67\xB1\xD6\x93\x4E\x50\xC3\xDB\x36\xE8\x9B\x12\x7B\x8A\x62\x2B\x12\x0F\x67\x21")
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := load(t, encode(t, "PRIVATE KEY", private)).Sign([]byte("sample"))
	if err != nil {
		t.Fatal(err)
	}
	r := []byte("\xEF\xD4\x8B\x2A\xAC\xB6\xA8\xFD\x11\x40\xDD\x9C\xD4\x5E\x81\xD6\x9D\x2C\x87\x7B\x56\xAA\xF9\x91\xC3\x4D\x0E\xA8\x4E\xAF\x37\x16")
	s := []byte("\xF7\xCB\x1C\x94\x2D\x65\x7C\x41\xD4\x36\xC7\xA1\xB6\xE2\x9F\x65\xF3\xE9\x00\xDB\xB9\xAF\xF4\x06\x4D\xC4\xAB\x2F\x84\x3A\xCD\xA8")
	if !bytes.Contains(sig, r) || !bytes.Contains(sig, s) {
		t.Errorf("%x is not the signature of RFC 6979", sig)
	}
}

func TestLoadKey(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalECPrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	box, err := encrypted.Encrypt(pkcs8(t, p256), []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"SEC 1":                      pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ec}),
		"PKCS 8":                     encode(t, "PRIVATE KEY", p256),
		"of cosign":                  pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: box}),
		"of an older cosign":         pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED COSIGN PRIVATE KEY", Bytes: box}),
		"with a text before the key": append([]byte("my key\n"), encode(t, "PRIVATE KEY", p256)...),
	} {
		k, err := sign.LoadKey(text, passphrase("secret"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !p256.PublicKey.Equal(k.Public()) {
			t.Errorf("%s: it is another key", name)
		}
	}
}

// weakRSA is a key that everybody can break.
const weakRSA = `-----BEGIN RSA PRIVATE KEY-----
MIIBPAIBAAJBALLqRE0aRqSSjfeV0nc22rfxw9p5PU6COmZG2avHH+b57fHAmcRM
c3k/FrdSuDC5B/PVgCGrgwou6A4FAoQ+KW0CAwEAAQJBAKqLgvXYMTSY+rjh2NCI
um6TB7WO0jCvFIn/yWfkFPXu+IIfbdzPgHtgoT7L91V1IvpKmkr3/WwmLj8bfZgX
DYUCIQDm3Gf0l4p+iYYsyssFpuxd4xM9EF76/3o525QMNu31MwIhAMZlytyq6gVQ
8+iglCV0ONr2xphc8OJkS7T9fDMlMCbfAiEA4/5aABnFIfCJfSUN2dgfaR1/+3d2
heXW/NrY3DNHUDcCIF6Od1ASuXSNL6KInfL34H0jrmVBrqEH0jlRstche0CbAiEA
skMxx7xujVTjT0IJg3ASQmj2lcl5xun3OHOHGHHz9qY=
-----END RSA PRIVATE KEY-----
`

func TestLoadKeyRefuses(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, public, err := sign.NewKey(seed(), nil)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind, body string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(body)})
	}
	params := `{"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1},"salt":""},"cipher":{"name":"nacl/secretbox","nonce":""},"ciphertext":""}`
	for _, c := range []struct {
		name string
		text []byte
		want string
	}{
		{"nothing", nil, "not PEM"},
		{"a text", []byte("hello"), "not PEM"},
		{"too much", bytes.Repeat([]byte("a"), 1<<20), "at most"},
		{"a public key", public, "the private one"},
		{"a certificate", block("CERTIFICATE", "x"), `"CERTIFICATE"`},
		{"no key in it", block("PRIVATE KEY", "x"), "asn1"},
		{"no box in it", block("ENCRYPTED SIGSTORE PRIVATE KEY", "x"), "invalid character"},
		{"scrypt with a GiB", block("ENCRYPTED SIGSTORE PRIVATE KEY", params), "scrypt parameters"},
		{"PKCS 8, encrypted", block("ENCRYPTED PRIVATE KEY", "x"), "OpenSSL"},
		{"PEM, encrypted", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES"}}), "OpenSSL"},
		{"a weak curve", encode(t, "PRIVATE KEY", p224), "P-224"},
		{"a weak RSA key", []byte(weakRSA), "512 bits"},
	} {
		if _, err := sign.LoadKey(c.text, passphrase("")); !errors.Is(err, sign.ErrKey) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want one that says %q", c.name, err, c.want)
		}
	}
}

func FuzzLoadKey(f *testing.F) {
	private, public, err := sign.NewKey(seed(), []byte("secret"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(private)
	f.Add(public)
	f.Add([]byte(weakRSA))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := sign.LoadKey(text, func() ([]byte, error) { return nil, errors.New("none") })
		if err == nil {
			if _, err := k.Sign([]byte("message")); err != nil {
				t.Errorf("it was taken, but does not sign: %v", err)
			}
		}
	})
}
