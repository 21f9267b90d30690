package main

import (
	"strings"

	"github.com/composeos/compose/spec"
)

// suggest returns " (did you mean X?)" for the name that was most likely meant
// by s: one that is spelled nearly so, or the only one that begins so; "" where
// there is none. prefix is put before it.
func suggest(s string, names []string, prefix string) string {
	meant := firstOf(spec.Suggest(s, names), completion(s, names))
	if meant == "" {
		return ""
	}
	return " (did you mean " + prefix + meant + "?)"
}

// completion returns the only name that begins with s, "" where there are none or several.
func completion(s string, names []string) string {
	const short = 3 // fewer letters are no beginning
	found := ""
	for _, n := range names {
		if len(s) < short || !strings.HasPrefix(n, s) {
			continue
		}
		if found != "" {
			return ""
		}
		found = n
	}
	return found
}
