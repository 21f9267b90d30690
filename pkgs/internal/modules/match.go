package modules

import "strings"

// match tells whether a text fits a pattern of modules.alias, as fnmatch(3)
// without flags has it: "*", "?" and "[a-z]" also stand for "/". A bracket that
// is not closed is a letter like any other.
func match(pattern, text string) bool {
	star, from := -1, 0 // after the last star, and what it stands for begins there
	p, t := 0, 0
	for t < len(text) {
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p+1, t
			p++
			continue
		}
		if width := one(pattern[p:], text[t]); width > 0 {
			p += width
			t++
			continue
		}
		if star < 0 {
			return false
		}
		from++
		p, t = star, from
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// one returns how long the beginning of pattern is that fits one letter; 0 where
// it does not fit.
func one(pattern string, letter byte) int {
	if pattern == "" {
		return 0
	}
	switch pattern[0] {
	case '?':
		return 1
	case '[':
		if width, ok := bracket(pattern, letter); width > 0 {
			if ok {
				return width
			}
			return 0
		}
	}
	if pattern[0] == letter {
		return 1
	}
	return 0
}

// bracket reads "[a-z]" or "[!a-z]": how long it is, 0 where it has no end, and
// whether the letter is in it.
func bracket(pattern string, letter byte) (width int, ok bool) {
	i := 1
	not := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if not {
		i++
	}
	for first := i; i < len(pattern); i++ {
		if pattern[i] == ']' && i > first {
			return i + 1, ok != not
		}
		low, high := pattern[i], pattern[i]
		if i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']' {
			high = pattern[i+2]
			i += 2
		}
		ok = ok || low <= letter && letter <= high
	}
	return 0, false
}
