package trust

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// phrase is a part of what sigstore-go says, and what this package says for it.
type phrase struct{ theirs, ours string }

// phrases is the table of them, for sigstore-go has no types for its errors; the first
// that fits is taken. What is not there is passed on as it is.
func phrases() []phrase {
	return []phrase{
		{"SCT entries", "fewer promises of certificate logs (SCT) are good than the policy demands"},
		{"not enough verified log entries", "fewer log entries are good than the policy demands, by the logs of the pinned root"},
		{"threshold not met for verified signed", "fewer signed times are good than the policy demands, by the pinned root"},
		{"transparency log signature does not match", "the log entry is of another signature"},
		{"transparency log certificate does not match", "the log entry is of another certificate"},
		{"does not match envelope payload hash", "the log entry is of another payload"},
		{"entry digest", "the log entry is of other bytes"},
		{"recognizable Rekor v1 or Rekor v2 type: verifying signature", "the log entry is signed by another key than it names"},
		{"recognizable Rekor v1 or Rekor v2 type: could not verify envelope", "the envelope in the log entry is not as it was signed"},
		{"signature on checkpoint did not verify", "the log's checkpoint is not signed by the log"},
		{"does not match signed tree head", "the log's checkpoint is of another tree than the proof"},
		{"malformed note", "the log's checkpoint cannot be read"},
		{"verify signatures on checkpoint", "the log's checkpoint is not signed by the log"},
		{"verifying log entry: verifying inclusion", "the proof that the log has this signature is not good"},
		{"calculated root", "the proof that the log has the entry is not good"},
		{"missing required checkpoint", "the proof that the log has the entry has no checkpoint"},
		{"inclusion proof missing", "the proof that the log has the entry is missing"},
		{"could not verify envelope", notByCertificate},
		{"could not verify message", notByCertificate},
	}
}

const notByCertificate = "the signature is not by the certificate's key, or what is signed was changed"

// words returns the error in plain words, with what sigstore-go said where that tells more.
func words(err error) error {
	if err == nil {
		return nil
	}
	for _, s := range phrases() {
		if strings.Contains(err.Error(), s.theirs) {
			return errors.New(s.ours + cause(err))
		}
	}
	return plain(err)
}

// cause is the innermost part of an error, in brackets, where it says more than that
// something was not enough.
func cause(err error) string {
	text := err.Error()
	if _, after, found := strings.Cut(text, "; error: "); found && after != "" && after != "%!w(<nil>)" {
		return " (" + printable(after) + ")"
	}
	return ""
}

// plain returns an error as one short line that is safe on a terminal.
func plain(err error) error {
	text := strings.NewReplacer("failed to ", "", "\u00a0", " ").Replace(err.Error())
	return errors.New(printable(text))
}

// maxShown is the most that is shown of a text of others, in bytes.
const maxShown = 240

// printable returns the text of others as one short line without control characters;
// "nothing" for none.
func printable(s string) string {
	if s == "" {
		return "nothing"
	}
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// guarded runs what reads the bytes of others with the code of others: a fault there
// is a signature that does not count, not the end of the program.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it cannot be read: %s", printable(fmt.Sprint(r)))
		}
	}()
	return f()
}
