package debian

import (
	"fmt"
	"strings"
)

// Version is a package's version in its parts (Debian Policy 5.6.12).
type Version struct {
	Epoch    string // decimal digits; "" is 0
	Upstream string
	Revision string // "" is 0
}

// ParseVersion takes a version to its parts. It is strict about the characters that
// Policy allows; CompareVersions is not.
func ParseVersion(s string) (Version, error) {
	v := splitVersion(s)
	switch {
	case v.Upstream == "":
		return v, fmt.Errorf("version %q: no upstream version", s)
	case strings.Contains(s, ":") && v.Epoch == "":
		return v, fmt.Errorf("version %q: the epoch before %q is no number", s, ":")
	case strings.HasSuffix(s, "-"):
		return v, fmt.Errorf("version %q: nothing after the last %q", s, "-")
	}
	for i, part := range []string{v.Upstream, v.Revision} {
		for _, c := range []byte(part) {
			if !digit(c) && !letter(c) && !strings.ContainsRune(".+~-"[:4-i], rune(c)) && (i != 0 || c != ':' || v.Epoch == "") {
				return v, fmt.Errorf("version %q: the character %q is not allowed", s, c)
			}
		}
	}
	return v, nil
}

// splitVersion cuts at the first colon, if only digits stand before it, and at the last hyphen.
func splitVersion(s string) Version {
	var v Version
	if epoch, rest, ok := strings.Cut(s, ":"); ok && epoch != "" && strings.Trim(epoch, "0123456789") == "" {
		v.Epoch, s = epoch, rest
	}
	v.Upstream = s
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		v.Upstream, v.Revision = s[:i], s[i+1:]
	}
	return v
}

// String returns the version as it is written.
func (v Version) String() string {
	s := v.Upstream
	if v.Epoch != "" {
		s = v.Epoch + ":" + s
	}
	if v.Revision != "" {
		s += "-" + v.Revision
	}
	return s
}

// Compare returns a number below, equal to or above 0, as v is older than, as old as
// or newer than w.
func (v Version) Compare(w Version) int {
	if c := compareParts(v.Epoch, w.Epoch); c != 0 {
		return c
	}
	if c := compareParts(v.Upstream, w.Upstream); c != 0 {
		return c
	}
	return compareParts(v.Revision, w.Revision)
}

// CompareVersions compares two versions as Debian Policy 5.6.12 does: below 0 if a is
// older than b. Strings that are no versions have an order too, always the same.
func CompareVersions(a, b string) int { return splitVersion(a).Compare(splitVersion(b)) }

// compareParts compares by turns what is not digits, byte by byte, and numbers. A number
// that is missing is 0; what is not digits sorts as weight says.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		for (a != "" && !digit(a[0])) || (b != "" && !digit(b[0])) {
			if c := weight(a) - weight(b); c != 0 {
				return c
			}
			a, b = a[1:], b[1:]
		}
		var x, y string
		x, a = number(a)
		y, b = number(b)
		if c := len(x) - len(y); c != 0 {
			return c
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// weight orders the first byte of a part: the tilde, then the end of the part or a digit,
// then letters, then all else.
func weight(s string) int {
	switch {
	case s == "" || digit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case letter(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

// number cuts the digits off the front of s and drops their leading zeros.
func number(s string) (digits, rest string) {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return strings.TrimLeft(s[:n], "0"), s[n:]
}

func digit(c byte) bool  { return c >= '0' && c <= '9' }
func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
