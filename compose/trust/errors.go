package trust

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/composeos/compose/spec"
)

// TieError says that two policies match an image and that neither is the more specific.
type TieError struct {
	Image    spec.Ref
	Policies [2]spec.TrustPolicy
}

// Error names both policies with their positions.
func (e *TieError) Error() string {
	a, b := e.Policies[0], e.Policies[1]
	return fmt.Sprintf("%s: the policies %q%s and %q%s match it, and neither is the more specific",
		e.Image, a.Match, in(a.Pos), b.Match, in(b.Pos))
}

// UncoveredError says that no policy covers an image. It is the one refusal that a word
// for the image can overrule, when it is pinned.
type UncoveredError struct{ Image spec.Ref }

// Error names the image.
func (e *UncoveredError) Error() string {
	return fmt.Sprintf("%s: no policy covers the image, and none is taken without a signature", e.Image)
}

// DeniedError says that an image is denied, or that the only one who signed it is.
type DeniedError struct {
	Image spec.Ref
	What  string   // what is denied: "the image's digest sha256:…", "the key sha256:…", "the identity …"
	Pos   spec.Pos // of the section that denies it; zero for one that was given besides
}

// Error names the image, what is denied, and where.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s: %s is denied%s", e.Image, e.What, in(e.Pos))
}

// Reason is why one signature does not count.
type Reason struct {
	Evidence  spec.Digest // of the signature; "" where none was found
	Format    string      // of the signature
	Authority string      // who should have made it; "" where it could be nobody's
	Text      string      // why not, in plain words
}

// String returns the reason as one line.
func (r Reason) String() string {
	if r.Evidence == "" {
		return r.Text
	}
	what := fmt.Sprintf("%s %.12s", r.Format, strings.TrimPrefix(string(r.Evidence), "sha256:"))
	if r.Authority != "" {
		what += " is not of " + r.Authority
	}
	return what + ": " + r.Text
}

// RefusedError says that a policy covers an image, and that what it demands was not found.
type RefusedError struct {
	Image   spec.Ref
	Digest  spec.Digest // what the lock pins
	Policy  spec.TrustPolicy
	Wanted  string   // what was demanded
	Reasons []Reason // why what was found is not that; never empty
}

// maxReasons is how many reasons an error shows.
const maxReasons = 5

// Error says what was demanded in its first line, and in at most five more why it was
// not met. A policy that stands in no file is not named.
func (e *RefusedError) Error() string {
	demanded := e.Wanted + " is demanded"
	if at := in(e.Policy.Pos); at != "" {
		demanded = fmt.Sprintf("the policy %q%s demands %s", e.Policy.Match, at, e.Wanted)
	}
	lines := []string{fmt.Sprintf("%s: %s", e.Image, demanded)}
	for _, r := range e.Reasons {
		if r.Evidence == "" && e.Digest != "" { // an exception would name it so
			r.Text += " of " + string(e.Digest)
		}
		if line := "  " + r.String(); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if more := len(lines) - 1 - maxReasons; more > 0 {
		lines = append(lines[:maxReasons], fmt.Sprintf("  …and %d more", more+1))
	}
	return strings.Join(lines, "\n")
}

// at is a position in front of a message.
func at(pos spec.Pos) string {
	if s := pos.String(); s != "" {
		return s + ": "
	}
	return ""
}

// in is a position behind the name of what is there.
func in(pos spec.Pos) string {
	if s := pos.String(); s != "" {
		return " (" + s + ")"
	}
	return ""
}

// joined is errors.Join, and the one error itself where there is one alone.
func joined(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
