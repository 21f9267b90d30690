package trusttest

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
)

// When the authorities are valid.
var (
	begin = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	end   = time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
)

// The extensions of certificates; see RFC 5280, 4.2.1.12, RFC 6962, 3.3, and Fulcio's oid-info.md.
var (
	extendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	timeStamping     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	sctList          = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
	issuerV1         = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	issuerV2         = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
)

// authority is a certificate and its key.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority returns an authority that parent vouches for; its own root without one.
func newAuthority(tb testing.TB, parent *authority, name string, usage []x509.ExtKeyUsage) *authority {
	tb.Helper()
	return issue(tb, parent, NewKey(tb, P256).Signer, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{"example"}},
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage: usage, BasicConstraintsValid: true, IsCA: true,
	})
}

// newTimeAuthority returns the certificate that signs times: of that use alone, said
// to be critical, see RFC 3161, 2.3.
func newTimeAuthority(tb testing.TB, parent *authority) *authority {
	tb.Helper()
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{timeStamping})
	check(tb, err)
	return issue(tb, parent, NewKey(tb, P256).Signer, &x509.Certificate{
		Subject:         pkix.Name{CommonName: "test time", Organization: []string{"example"}},
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: extendedKeyUsage, Critical: true, Value: usage}},
	})
}

// issue signs a certificate. One that says no time is valid as long as the authorities are.
func issue(tb testing.TB, parent *authority, key crypto.Signer, template *x509.Certificate) *authority {
	tb.Helper()
	template.SerialNumber = big.NewInt(4711)
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = begin, end
	}
	out := &authority{cert: template, key: key}
	if parent == nil {
		parent = out
	}
	data, err := x509.CreateCertificate(nil, template, parent.cert, key.Public(), parent.key)
	check(tb, err)
	out.cert, err = x509.ParseCertificate(data)
	check(tb, err)
	return out
}

// certify issues a certificate to an identity for ten minutes.
func (s *Sigstore) certify(tb testing.TB, by By) *authority {
	tb.Helper()
	kind := by.Kind
	if kind == "" {
		kind = P256
	}
	key := NewKey(tb, kind).Signer
	v2, err := asn1.MarshalWithParams(by.Issuer, "utf8")
	check(tb, err)
	template := func(more ...pkix.Extension) *x509.Certificate {
		c := &x509.Certificate{
			NotBefore: by.issued(), NotAfter: by.issued().Add(10 * time.Minute),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
			ExtraExtensions: append([]pkix.Extension{{Id: issuerV1, Value: []byte(by.Issuer)}, {Id: issuerV2, Value: v2}}, more...),
		}
		if uri, err := url.Parse(by.Identity); err == nil && strings.Contains(by.Identity, "://") {
			c.URIs = []*url.URL{uri}
		} else {
			c.EmailAddresses = []string{by.Identity}
		}
		return c
	}
	plain := issue(tb, s.issuer, key, template())
	if by.NoSCT {
		return plain
	}
	return issue(tb, s.issuer, key, template(s.sct(tb, plain.cert, by.issued())))
}

// sct is the log's word that it has the certificate, as an extension of it; see RFC 6962, 3.2 and 3.3.
func (s *Sigstore) sct(tb testing.TB, cert *x509.Certificate, at time.Time) pkix.Extension {
	tb.Helper()
	stamp := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli()))
	issuerKey := sum(s.issuer.cert.RawSubjectPublicKeyInfo)
	tbs := cert.RawTBSCertificate
	said := append([]byte{0, 0}, stamp...) // v1, certificate_timestamp
	said = append(said, 0, 1)              // precert_entry
	said = append(said, issuerKey...)
	said = append(said, byte(len(tbs)>>16), byte(len(tbs)>>8), byte(len(tbs)))
	said = append(said, tbs...)
	said = append(said, 0, 0) // no extensions
	signature := signWith(tb, s.ct.Signer, crypto.SHA256, said)

	sct := append([]byte{0}, sum(spki(tb, s.ct.Signer))...)
	sct = append(sct, stamp...)
	sct = append(sct, 0, 0, 4, 3) // no extensions; SHA-256, ECDSA
	sct = append(binary.BigEndian.AppendUint16(sct, uint16(len(signature))), signature...)
	list := append(binary.BigEndian.AppendUint16(nil, uint16(len(sct))), sct...)
	list = append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...)
	value, err := asn1.Marshal(list)
	check(tb, err)
	return pkix.Extension{Id: sctList, Value: value}
}

// timestamp is the time authority's word when it saw the signature; see RFC 3161, 2.4.2.
func (s *Sigstore) timestamp(tb testing.TB, by By, signature []byte) []byte {
	tb.Helper()
	t := timestamp.Timestamp{
		HashAlgorithm: crypto.SHA256,
		HashedMessage: sum(signature),
		Time:          by.signed(),
		Policy:        asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2},
		SerialNumber:  big.NewInt(42),
	}
	data, err := t.CreateResponseWithOpts(s.tsa.cert, s.tsa.key, crypto.SHA256)
	check(tb, err)
	return data
}

func spki(tb testing.TB, key crypto.Signer) []byte {
	tb.Helper()
	data, err := x509.MarshalPKIXPublicKey(key.Public())
	check(tb, err)
	return data
}

func sum(data []byte) []byte {
	s := sha256.Sum256(data)
	return s[:]
}
