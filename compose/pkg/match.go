package pkg

import (
	"path"
	"strings"
)

// patterns are patterns of paths: * and ? within a name, ** for any number of
// names.
type patterns [][]string

func parsePatterns(list []string) patterns {
	var p patterns
	for _, text := range list {
		p = append(p, strings.Split(text, "/"))
	}
	return p
}

// match tells whether one of the patterns is that of the whole path.
func (p patterns) match(name string) bool {
	names := strings.Split(name, "/")
	for _, pattern := range p {
		if matchNames(pattern, names) {
			return true
		}
	}
	return false
}

// matchNames goes back to the last ** alone: what one before it could take, that one
// can, too.
func matchNames(pattern, names []string) bool {
	at, from, resume := 0, 0, -1 // resume: behind the last **, which takes what is before from
	for i := 0; i < len(names); {
		switch {
		case at < len(pattern) && pattern[at] == "**":
			at++
			resume, from = at, i
		case at < len(pattern) && matchName(pattern[at], names[i]):
			at++
			i++
		case resume >= 0:
			from++
			at, i = resume, from
		default:
			return false
		}
	}
	for at < len(pattern) && pattern[at] == "**" {
		at++
	}
	return at == len(pattern)
}

func matchName(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil // a source that is read has good ones
}
