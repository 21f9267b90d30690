package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/composeos/compose/spec"
)

// authority is one whose signatures count, with its key or pinned root.
type authority struct {
	name string

	key         crypto.PublicKey // nil for an identity
	fingerprint spec.Digest      // of the key

	issuer, identity      string
	root                  *root.TrustedRoot
	rootDigest            spec.Digest // of the root's file
	tlog, sct, timestamps int
}

// authorityID is what decides of an authority, for the policy's digest.
type authorityID struct {
	Key        spec.Digest `json:"key,omitempty"`
	Issuer     string      `json:"issuer,omitempty"`
	Identity   string      `json:"identity,omitempty"`
	Root       spec.Digest `json:"root,omitempty"`
	Tlog       int         `json:"tlog"`
	SCT        int         `json:"sct"`
	Timestamps int         `json:"timestamps"`
}

func (a *authority) id() authorityID {
	return authorityID{a.fingerprint, a.issuer, a.identity, a.rootDigest, a.tlog, a.sct, a.timestamps}
}

// Authority is one of a policy's authorities, as far as it decides: a key, or an
// identity with a pinned root and the numbers of witnesses.
type Authority struct {
	Name   string
	Denied bool        // the key or the identity is burnt
	Key    spec.Digest // fingerprint; "" for an identity

	Issuer, Identity      string
	Root                  spec.Digest // of the file of the trusted root
	Tlog, SCT, Timestamps int         // with their defaults
}

// Authorities returns the authorities of the policy, by name.
func (p *Policy) Authorities() []Authority {
	var all []Authority
	for _, name := range slices.Sorted(maps.Keys(p.authorities)) {
		a := p.authorities[name]
		_, key := p.denied.keys[string(a.fingerprint)]
		_, identity := p.denied.identities[a.identity]
		all = append(all, Authority{
			Name: name, Denied: key || identity, Key: a.fingerprint,
			Issuer: a.issuer, Identity: a.identity, Root: a.rootDigest, Tlog: a.tlog, SCT: a.sct, Timestamps: a.timestamps,
		})
	}
	return all
}

func loadAuthorities(section *spec.Trust, read func(string) ([]byte, error)) (map[string]*authority, error) {
	all := map[string]*authority{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(section.Authorities)) {
		from := section.Authorities[name]
		a, err := loadAuthority(from, func(file string) ([]byte, error) { return read(section.Path(file)) })
		if err != nil {
			errs = append(errs, fmt.Errorf("%sauthority %s: %w", at(from.Pos), name, err))
			continue
		}
		a.name = name
		all[name] = a
	}
	return all, joined(errs...)
}

func loadAuthority(from spec.Authority, read func(string) ([]byte, error)) (*authority, error) {
	switch {
	case from.Key != nil:
		data, err := read(from.Key.File)
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		key, err := ParsePublicKey(data)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", from.Key.File, err)
		}
		fingerprint, err := Fingerprint(key)
		return &authority{key: key, fingerprint: fingerprint}, err
	case from.Keyless != nil:
		return loadKeyless(from.Keyless, read)
	}
	return nil, errors.New("neither key nor keyless")
}

func loadKeyless(k *spec.Keyless, read func(string) ([]byte, error)) (*authority, error) {
	data, err := read(k.TrustedRoot)
	if err != nil {
		return nil, fmt.Errorf("trusted root: %w", err)
	}
	trusted, err := parseRoot(data)
	if err != nil {
		return nil, fmt.Errorf("trusted root %s: %w", k.TrustedRoot, err)
	}
	number := func(n *int, usual int) int {
		if n == nil {
			return usual
		}
		return *n
	}
	a := &authority{
		issuer: k.Issuer, identity: k.Identity, root: trusted, rootDigest: spec.DigestOf(data),
		tlog:       number(k.Require.Tlog, defaultTlog),
		sct:        number(k.Require.SCT, defaultSCT),
		timestamps: number(k.Require.Timestamps, defaultTimestamps),
	}
	switch {
	case a.issuer == "" || a.identity == "":
		return nil, errors.New("want both issuer and identity")
	case a.timestamps < 1 || a.tlog < 0 || a.sct < 0:
		return nil, errors.New("require.timestamps is 1 or more: certificates live for minutes, and without a signed time nothing says that one was valid")
	}
	return a, nil
}

// parseRoot reads a trusted root strictly: an authority of certificates is in it.
func parseRoot(data []byte) (*root.TrustedRoot, error) {
	if len(data) > maxRootFile {
		return nil, fmt.Errorf("%d bytes; at most %d can be", len(data), maxRootFile)
	}
	if err := spec.CheckJSON(data); err != nil {
		return nil, err
	}
	var trusted *root.TrustedRoot
	err := guarded(func() (err error) {
		trusted, err = root.NewTrustedRootFromJSON(data)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is not a trusted root: %w", plain(err))
	case len(trusted.FulcioCertificateAuthorities()) == 0:
		return nil, errors.New("it is not a trusted root: no certificate authority is in it")
	}
	return trusted, nil
}

// The sizes of keys.
const (
	maxKeyFile = 64 << 10 // bytes
	minRSA     = 2048     // bits
	maxRSA     = 8192     // bits
)

// ParsePublicKey reads a public key in PEM: Ed25519, ECDSA on P-256, P-384 or P-521, or
// RSA of 2048 to 8192 bits. See RFC 7468, 13.
func ParsePublicKey(data []byte) (crypto.PublicKey, error) {
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%d bytes; a public key has at most %d", len(data), maxKeyFile)
	}
	block, rest := pem.Decode(data)
	switch {
	case block == nil:
		return nil, errors.New("it is not a public key in PEM: want -----BEGIN PUBLIC KEY-----")
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errors.New("it holds a private key; want the public one")
	case block.Type != "PUBLIC KEY":
		return nil, fmt.Errorf("it holds a %s; want a PUBLIC KEY", printable(block.Type))
	case strings.TrimSpace(string(rest)) != "":
		return nil, errors.New("it holds more than one key")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("it is not a public key: %w", err)
	}
	return key, checkKey(key)
}

func checkKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if c := k.Curve; c != elliptic.P256() && c != elliptic.P384() && c != elliptic.P521() {
			return fmt.Errorf("ECDSA on %s is not taken; want P-256, P-384 or P-521", c.Params().Name)
		}
		return nil
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA {
			return fmt.Errorf("RSA of %d bits is not taken; want %d to %d", bits, minRSA, maxRSA)
		}
		return nil
	}
	return fmt.Errorf("a key of the kind %T is not taken; want Ed25519, ECDSA or RSA", key)
}

// Fingerprint returns the SHA-256 of a public key's DER, as deny names keys: what
// "openssl pkey -pubin -outform DER | sha256sum" prints.
func Fingerprint(key crypto.PublicKey) (spec.Digest, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("public key: %w", err)
	}
	return spec.DigestOf(der), nil
}
