package trust

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/tlog"
)

// why looks for the first cause of a refusal of sigstore-go, which begins with the log:
// what was made to a signature shows there as an entry that is of something else.
func (a *authority) why(e *evidence, of artifact, refusal error) error {
	text := refusal.Error()
	if strings.Contains(text, "leaf certificate verification failed") || strings.Contains(text, "integrated time outside") {
		return a.whyNotLeaf(e)
	}
	if strings.Contains(text, "not enough verified log entries") {
		return a.whyNotLogged(e)
	}
	// A key that nobody vouched for may be of a size that takes hours.
	if strings.Contains(text, "log inclusion") && checkKey(e.cert.PublicKey) == nil {
		if err := of.verifyAlone(e, a.root); err != nil && notByKey(err) {
			return errors.New(notByCertificate)
		}
	}
	return words(refusal)
}

// whyNotLeaf says what is wrong with a certificate that the pinned root does not
// confirm: sigstore-go does not.
func (a *authority) whyNotLeaf(e *evidence) error {
	for _, ca := range a.root.FulcioCertificateAuthorities() {
		if _, err := ca.Verify(e.cert, e.cert.NotBefore); err == nil {
			return errors.New("the certificate was not valid at the signed time")
		}
	}
	return errors.New("the certificate is not of an authority that the pinned root has for its time")
}

// whyNotLogged says what is missing where too few entries of logs are good.
func (a *authority) whyNotLogged(e *evidence) error {
	entries, err := e.bundle.TlogEntries()
	if err != nil {
		return plain(err)
	}
	logs := a.root.RekorLogs()
	for _, entry := range entries {
		if logs[hex.EncodeToString([]byte(entry.LogKeyID()))] == nil {
			return errors.New("the log entry is of a log that the pinned root does not have")
		}
		if entry.HasInclusionPromise() && tlog.VerifySET(entry, logs) != nil {
			return errors.New("the promise of the log is not signed by it, or not at a time when the pinned root has it")
		}
	}
	return fmt.Errorf("%d logs have it; the policy demands %d", len(entries), a.tlog)
}
