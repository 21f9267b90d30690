package trust

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
)

// How much a signature may bring along. What is in log entries and timestamps is
// checked by keys that they bring themselves, before anybody has vouched for those.
const (
	maxWitnesses = 16       // entries of logs, and timestamps
	maxTimestamp = 16 << 10 // bytes of one
)

// checkMaterial refuses what sigstore-go does not mind or says in other words: no
// certificates, a root among them, which belongs into the trusted root alone, entries
// of a log at no place; and what would keep it busy for hours. See protobuf-specs,
// sigstore_bundle.proto, "VerificationMaterial".
func checkMaterial(m *bundlepb.VerificationMaterial) error {
	if chain := m.GetX509CertificateChain(); chain != nil {
		if len(chain.GetCertificates()) == 0 {
			return errors.New("its chain of certificates is empty")
		}
		for _, c := range chain.GetCertificates() {
			cert, err := x509.ParseCertificate(c.GetRawBytes())
			if err != nil {
				return fmt.Errorf("its chain of certificates: %w", plain(err))
			}
			if bytes.Equal(cert.RawSubject, cert.RawIssuer) {
				return errors.New("its chain of certificates holds a root")
			}
		}
	}
	entries, stamps := m.GetTlogEntries(), m.GetTimestampVerificationData().GetRfc3161Timestamps()
	if len(entries) > maxWitnesses || len(stamps) > maxWitnesses {
		return fmt.Errorf("it has more than %d log entries or timestamps", maxWitnesses)
	}
	for _, entry := range entries {
		if entry.GetLogIndex() < 0 {
			return errors.New("its log entry has a negative index")
		}
		if err := checkEntryKeys(entry.GetCanonicalizedBody()); err != nil {
			return fmt.Errorf("its log entry: %w", err)
		}
	}
	for _, stamp := range stamps {
		if n := len(stamp.GetSignedTimestamp()); n > maxTimestamp {
			return fmt.Errorf("its timestamp has %d bytes; at most %d can be", n, maxTimestamp)
		}
	}
	return nil
}

// checkEntryKeys holds the keys in a log entry to the kinds that are taken of others:
// RSA of a million bits is checked for minutes. An entry that is no JSON is left to
// the parser, which says so.
func checkEntryKeys(body []byte) error {
	var entry any
	if json.Unmarshal(body, &entry) != nil {
		return nil
	}
	var walk func(v any) error
	walk = func(v any) error {
		switch v := v.(type) {
		case map[string]any:
			for _, one := range v {
				if err := walk(one); err != nil {
					return err
				}
			}
		case []any:
			for _, one := range v {
				if err := walk(one); err != nil {
					return err
				}
			}
		case string:
			data, err := base64.StdEncoding.DecodeString(v)
			if err != nil {
				data = []byte(v)
			}
			return checkPEMKeys(data)
		}
		return nil
	}
	return walk(entry)
}

// checkPEMKeys checks all keys and certificates in a text.
func checkPEMKeys(data []byte) error {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key crypto.PublicKey
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		} else if key, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			continue
		}
		if err := checkKey(key); err != nil {
			return err
		}
	}
	return nil
}
