package compose

import "github.com/composeos/compose/spec"

// Accept are patterns of the images that may be taken unsigned, as
// [spec.ParsePattern] reads them, or "*" for every image. What is none matches
// nothing.
type Accept []string

// Match tells whether an image is accepted.
func (a Accept) Match(ref spec.Ref) bool {
	for _, text := range a {
		if EveryImage(text) {
			return true
		}
		if p, err := spec.ParsePattern(text); err == nil && p.Match(ref) {
			return true
		}
	}
	return false
}

// EveryImage tells whether a pattern of [Accept] is the one for every image.
func EveryImage(pattern string) bool { return pattern == "*" || pattern == "**" }
