package spec

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Match tells whether ref is one of the images that the pattern stands for. What ref
// names counts, not what it resolves to: a pattern with a tag or a digest wants a
// reference with one. A local path is compared as it is written, whatever its Base.
func (p Pattern) Match(ref Ref) bool {
	if p.ref.IsZero() || ref.IsZero() || p.ref.Transport != ref.Transport {
		return false
	}
	if p.ref.Digest != "" && p.ref.Digest != ref.Digest || p.ref.Tag != "" && !matchText(p.ref.Tag, ref.Tag) {
		return false
	}
	parts := strings.Split(ref.Name, "/")
	if ref.Transport == Registry {
		var err error
		if parts, err = withHost(parts); err != nil {
			return false // no name that ParseRef returns
		}
	}
	return matchParts(strings.Split(p.ref.Name, "/"), parts)
}

// matchParts holds the parts of a name against those of a pattern. It remembers the
// last ** alone, as a longer stretch for an earlier one could match no more.
func matchParts(pattern, parts []string) bool {
	i, j := 0, 0
	back, from := -1, 0 // behind the last **, and the first part that it does not cover yet
	for j < len(parts) {
		switch {
		case i < len(pattern) && pattern[i] == anyParts:
			i, j = i+1, j+1
			back, from = i, j
		case i < len(pattern) && matchText(pattern[i], parts[j]):
			i, j = i+1, j+1
		case back >= 0:
			from++
			i, j = back, from
		default:
			return false
		}
	}
	return i == len(pattern)
}

// matchText holds a text against one in which * stands for any characters. An empty
// text has no wildcard's match.
func matchText(pattern, s string) bool {
	pieces := strings.Split(pattern, anyText)
	if len(pieces) == 1 || s == "" {
		return pattern == s
	}
	rest, ok := strings.CutPrefix(s, pieces[0])
	if !ok {
		return false
	}
	last := len(pieces) - 1
	for _, piece := range pieces[1:last] {
		at := strings.Index(rest, piece)
		if at < 0 {
			return false
		}
		rest = rest[at+len(piece):]
	}
	return strings.HasSuffix(rest, pieces[last])
}

// Compare tells which of two patterns is the more specific: 1 if p is, -1 if q is,
// 0 if neither. Their parts are compared from the left: plain text before text with
// *, of which the one with more characters besides, before * alone, before **; then
// a digest counts before none, and a tag as a part does.
func (p Pattern) Compare(q Pattern) int {
	a, b := strings.Split(p.ref.Name, "/"), strings.Split(q.ref.Name, "/")
	if c := slices.CompareFunc(a, b, compareParts); c != 0 {
		return c
	}
	if c := cmp.Compare(len(p.ref.Digest), len(q.ref.Digest)); c != 0 {
		return c
	}
	if c := cmp.Compare(min(len(p.ref.Tag), 1), min(len(q.ref.Tag), 1)); c != 0 {
		return c
	}
	return compareParts(p.ref.Tag, q.ref.Tag)
}

// compareParts tells which of two parts is the more specific.
func compareParts(a, b string) int {
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(plainLength(a), plainLength(b)))
}

// The ranks of parts of patterns.
const (
	rankParts = iota // **
	rankAny          // *
	rankMixed        // text with *
	rankPlain        // text
)

func rank(part string) int {
	switch {
	case part == anyParts:
		return rankParts
	case part == anyText:
		return rankAny
	case strings.Contains(part, anyText):
		return rankMixed
	}
	return rankPlain
}

// plainLength returns how many characters of a part with wildcards are none; 0 of
// plain text, of which none is more specific than another.
func plainLength(part string) int {
	if rank(part) == rankPlain {
		return 0
	}
	return utf8.RuneCountInString(strings.ReplaceAll(part, anyText, ""))
}
