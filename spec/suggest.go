package spec

import (
	"fmt"
	"slices"
	"strings"
)

// Suggest returns the word of words that somebody most likely meant by s, "" where
// none is close: equal but for case, or with few letters inserted, left out,
// changed or swapped. Of several that are as close the first counts.
func Suggest(s string, words []string) string {
	best, cost := "", change*max(1, len(s)/3)+1
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return w
		}
		if c := editCost(s, w); c < cost && c < change*len(w) {
			best, cost = w, c
		}
	}
	return best
}

// The costs of mistakes: two letters swapped are likelier than one changed.
const (
	change = 4 // a letter changed, left out or put in
	swap   = 3 // two neighbours
)

// maxSuggest is the longest word that suggestions are looked for.
const maxSuggest = 64

// editCost is what it costs to make b of a.
func editCost(a, b string) int {
	if len(a) > maxSuggest || len(b) > maxSuggest {
		return change * max(len(a), len(b))
	}
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = change * j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = change * (i + 1)
		for j := range len(b) {
			same := last[j]
			if a[i] != b[j] {
				same += change
			}
			row[j+1] = min(same, last[j+1]+change, row[j]+change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+swap)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// didYouMean ends a message with the suggestion, or else with all the words
// where they are few.
func didYouMean(s string, words []string) string {
	if w := Suggest(s, words); w != "" {
		return fmt.Sprintf("; did you mean %q?", w)
	}
	const few = 12
	if len(words) == 0 || len(words) > few {
		return ""
	}
	return "; want " + oneOf(words)
}

// oneOf lists words: "a, b or c".
func oneOf(words []string) string {
	words = slices.Clone(words)
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
