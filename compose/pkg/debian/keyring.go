package debian

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Keyring holds the keys that may sign an archive.
type Keyring struct{ keys openpgp.EntityList }

// armorBegin begins an armored block of keys.
const armorBegin = "-----BEGIN PGP PUBLIC KEY BLOCK-----"

// ParseKeyring reads armored public keys, one block or several; text between them is
// skipped.
func ParseKeyring(armored []byte) (*Keyring, error) {
	var ring Keyring
	for rest := string(armored); ; {
		i := strings.Index(rest, armorBegin)
		if i < 0 {
			break
		}
		next := strings.Index(rest[i+len(armorBegin):], armorBegin)
		block := rest[i:]
		rest = ""
		if next >= 0 {
			block, rest = block[:len(armorBegin)+next], block[len(armorBegin)+next:]
		}
		keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(block))
		if err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
		ring.keys = append(ring.keys, keys...)
	}
	if len(ring.keys) == 0 {
		return nil, fmt.Errorf("keyring: no %q in it", armorBegin)
	}
	return &ring, nil
}

// open returns what was signed of a clear-signed file (RFC 9580 7), with CR LF as ends of
// lines, if a key of the ring that is good at the time of now signed it. Text before or after the signed part is refused.
func (k *Keyring) open(signed []byte, now time.Time) ([]byte, error) {
	if !bytes.HasPrefix(signed, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) {
		return nil, fmt.Errorf("%w: it has no signature", ErrSignature)
	}
	block, rest := clearsign.Decode(signed)
	if block == nil {
		return nil, fmt.Errorf("%w: its signature cannot be read", ErrSignature)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: something follows the signature", ErrSignature)
	}
	config := &packet.Config{Time: func() time.Time { return now }}
	if _, err := block.VerifySignature(k.keys, config); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return block.Bytes, nil
}
