package trust

import (
	"errors"
	"fmt"
	"strings"
	"time"

	sigbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/composeos/compose/spec"
)

// signer is the authority in the words of the lock: spec.Verified.Signer.
func (a *authority) signer() string {
	if a.key != nil {
		return "key " + string(a.fingerprint)
	}
	return a.identity + " of " + a.issuer
}

// check tells why a signature of an artifact is not the authority's; nil where it is.
func (a *authority) check(e *evidence, of artifact) error {
	return guarded(func() error {
		switch {
		case a.key != nil && e.cert != nil:
			return fmt.Errorf("signed by an identity (%s), not by a key", printable(strings.Join(namesOf(e.cert), ", ")))
		case a.key == nil && e.cert == nil:
			return errors.New("signed by a key, not by an identity")
		case a.key == nil:
			return a.checkIdentity(e, of)
		case e.bundle == nil:
			return a.checkBytes(e.payload, e.signature)
		}
		return a.checkKey(e, of)
	})
}

// entity is a bundle of a version that sigstore-go has no old habits for: keys on P-384
// and P-521 in certificates hash with what suits the curve. It would otherwise try
// SHA-256 too, and say so on the standard error for every bundle that somebody made up.
type entity struct{ *sigbundle.Bundle }

// Version returns a version that is none of the old ones.
func (entity) Version() (string, error) { return "checked", nil }

// checkKey checks a bundle by a key. Logs and times are not asked for: the key says who.
func (a *authority) checkKey(e *evidence, of artifact) error {
	key := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		return root.NewExpiringKey(keyVerifier{a.key}, time.Time{}, time.Time{}), nil
	})
	v, err := verify.NewVerifier(key, verify.WithNoObserverTimestamps(), verify.WithoutStatementPredicate())
	if err != nil {
		return err
	}
	_, err = v.Verify(entity{e.bundle}, verify.NewPolicy(of.option(), verify.WithKey()))
	switch {
	case err == nil:
		return nil
	case !notByKey(err):
		return words(err)
	case e.hint == "":
		return errors.New("signed by another key, or changed since")
	case e.hint != a.fingerprint:
		return fmt.Errorf("signed by another key: %s", e.hint)
	}
	return errors.New("changed since it was signed")
}

// notByKey tells whether sigstore-go refused the signature itself.
func notByKey(err error) bool {
	return strings.Contains(err.Error(), "could not verify envelope") || strings.Contains(err.Error(), "could not verify message")
}

// checkBytes checks a signature over bytes by a key.
func (a *authority) checkBytes(payload, sig []byte) error {
	if (keyVerifier{a.key}).verify(sig, payload) != nil {
		return errors.New("signed by another key, or changed since")
	}
	return nil
}

// checkIdentity checks a bundle by an identity: who vouched for whom, then all of it.
func (a *authority) checkIdentity(e *evidence, of artifact) error {
	summary, err := certificate.SummarizeCertificate(e.cert)
	switch {
	case err != nil:
		return fmt.Errorf("its certificate: %w", plain(err))
	case summary.SubjectAlternativeName != a.identity:
		return fmt.Errorf("identity is %s, not %s", printable(summary.SubjectAlternativeName), a.identity)
	case summary.Issuer != a.issuer:
		return fmt.Errorf("issuer is %s, not %s", printable(summary.Issuer), a.issuer)
	}
	options := []verify.VerifierOption{verify.WithObserverTimestamps(a.timestamps), verify.WithoutStatementPredicate()}
	if a.tlog > 0 {
		options = append(options, verify.WithTransparencyLog(a.tlog))
	}
	if a.sct > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(a.sct))
	}
	v, err := verify.NewVerifier(a.root, options...)
	if err != nil {
		return err
	}
	identity, err := verify.NewShortCertificateIdentity(a.issuer, "", a.identity, "")
	if err != nil {
		return err
	}
	_, err = v.Verify(entity{e.bundle}, verify.NewPolicy(of.option(), verify.WithCertificateIdentity(identity)))
	if err == nil {
		return nil
	}
	return a.why(e, of, err)
}

// verified is what the lock says of a signature that was found good.
func (a *authority) verified(e *evidence, subject spec.Digest) spec.Verified {
	return spec.Verified{
		Subject: subject, Type: e.kind, Authority: a.name, Format: e.format,
		Signer: a.signer(), TrustedRoot: a.rootDigest, Evidence: e.digest,
	}
}
