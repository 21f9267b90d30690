package compose

import (
	"path"
	"strings"
)

// Accept are patterns of the images that may be taken unsigned. "*" alone is
// every image; elsewhere * matches within a part between slashes, and a last
// part of ** everything below.
type Accept []string

// Match tells whether a reference, as [spec.Ref.String] spells it, is accepted.
// A pattern without tag and digest matches all of the image's.
func (a Accept) Match(name string) bool {
	for _, pattern := range a {
		if pattern == "*" || pattern == "**" || pattern == name || matchParts(pattern, name) {
			return true
		}
	}
	return false
}

func matchParts(pattern, name string) bool {
	if below, ok := strings.CutSuffix(pattern, "/**"); ok {
		dirs := strings.Count(below, "/") + 1
		parts := strings.SplitN(name, "/", dirs+1)
		return len(parts) > dirs && matchParts(below, strings.Join(parts[:dirs], "/"))
	}
	if ok, err := path.Match(pattern, name); ok && err == nil {
		return true
	}
	bare, _, _ := strings.Cut(name, "@")
	if i := strings.LastIndexByte(bare, ':'); i > strings.LastIndexByte(bare, '/') {
		bare = bare[:i]
	}
	ok, err := path.Match(pattern, bare)
	return ok && err == nil
}
