package debian

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Release is what a suite's signed InRelease file says.
type Release struct {
	Name          string // as it was asked for: "trixie-security"
	Suite         string // "stable-security"
	Codename      string // "trixie-security"
	Version       string // "13.7"; not every suite has one
	Date          time.Time
	ValidUntil    time.Time // zero: for ever
	Architectures []string

	byHash bool
	noAll  bool              // packages for all architectures are in every architecture's index
	files  map[string]inFile // by path below the suite's folder
}

// inFile is a file that an InRelease file vouches for.
type inFile struct {
	size int64
	sum  string
}

// parseRelease reads the text of an InRelease file.
func parseRelease(text []byte) (Release, error) {
	var r Release
	count := 0
	err := ReadParagraphs(bytes.NewReader(text), func(p Paragraph) error {
		if count++; count > 1 {
			return errors.New("more than one paragraph")
		}
		r = Release{
			Suite: p.Get("Suite"), Codename: p.Get("Codename"), Version: p.Get("Version"),
			Architectures: strings.Fields(p.Get("Architectures")),
			byHash:        p.Get("Acquire-By-Hash") == "yes",
		}
		r.noAll = !slices.Contains(r.Architectures, "all") ||
			slices.Contains(strings.Fields(p.Get("No-Support-for-Architecture-all")), "Packages")
		var err error
		if r.Date, err = parseDate(p.Get("Date")); err != nil {
			return fmt.Errorf("field Date: %w", err)
		}
		if until := p.Get("Valid-Until"); until != "" {
			if r.ValidUntil, err = parseDate(until); err != nil {
				return fmt.Errorf("field Valid-Until: %w", err)
			}
		}
		r.files, err = parseFiles(p.Get("SHA256"))
		return err
	})
	if err == nil && count == 0 {
		err = errors.New("empty")
	}
	return r, err
}

// parseDate reads "Sat, 12 Sep 2026 07:55:41 UTC".
func parseDate(s string) (time.Time, error) {
	t, err := time.Parse("Mon, _2 Jan 2006 15:04:05 MST", s)
	if err != nil || (!strings.HasSuffix(s, " UTC") && !strings.HasSuffix(s, " GMT")) {
		return t, fmt.Errorf("%q is no date in UTC", s)
	}
	return t.UTC(), nil
}

// parseFiles reads the lines "sum size path" of the field SHA256.
func parseFiles(value string) (map[string]inFile, error) {
	files := map[string]inFile{}
	for line := range strings.Lines(value) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 || !isSum(words[0]) || !fs.ValidPath(words[2]) {
			return nil, fmt.Errorf("field SHA256: %q is no line of sum, size and path", clip(line))
		}
		size, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil || size < 0 {
			return nil, fmt.Errorf("field SHA256: %s: %q is no size", words[2], words[1])
		}
		files[words[2]] = inFile{size: size, sum: words[0]}
	}
	return files, nil
}

// isSum says that s is a SHA-256 in lower-case hexadecimal digits.
func isSum(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == 32 && s == strings.ToLower(s)
}

// check says whether the release is the one asked for, and good for use at this time.
// Since is the Date that it must at least have.
func (r *Release) check(name string, now, since time.Time) error {
	const layout = "2006-01-02 15:04 MST"
	switch {
	case name != r.Codename && name != r.Suite:
		return fmt.Errorf("%w: it is %s (%s)", ErrSuite, r.Codename, r.Suite)
	case r.Date.After(now.Add(24 * time.Hour)):
		return fmt.Errorf("%w: its date %s is still to come: is this machine's clock right?", ErrExpired, r.Date.Format(layout))
	case !r.ValidUntil.IsZero() && now.After(r.ValidUntil):
		return fmt.Errorf("%w: it expired at %s: the mirror is stale, or this machine's clock is wrong",
			ErrExpired, r.ValidUntil.Format(layout))
	case r.Date.Before(since):
		return fmt.Errorf("%w: it is of %s, the lock was made with %s: the mirror is behind",
			ErrOlder, r.Date.Format(layout), since.UTC().Format(layout))
	}
	return nil
}
