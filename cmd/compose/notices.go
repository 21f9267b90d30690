package main

import (
	"errors"
	"fmt"

	"github.com/composeos/compose/compose"
)

// notice is something that a build says, and that -strict may make an error.
type notice struct {
	text   string
	strict bool
	info   bool // tells, rather than warns
}

// noticesOf returns what a result has to say: its notices, then the paths that
// two packages brought.
func noticesOf(r *compose.Result) []notice {
	var all []notice
	for _, n := range r.Notices {
		all = append(all, notice{text: n.Where + ": " + n.What, strict: n.Strict})
	}
	for _, c := range r.Conflicts {
		all = append(all, notice{fmt.Sprintf("%s: the file of %s is replaced by that of %s", c.Path, c.Loser, c.Winner), true, false})
	}
	return all
}

// manyNotices is how many lines a build says at most; inspect -json has all.
const manyNotices = 20

// sayNotices warns of each that is a warning, or refuses those that strictness
// refuses.
func sayNotices(u *ui, all []notice, strict bool) error {
	var refused []error
	var said int
	for _, n := range all {
		if n.info {
			continue
		}
		if strict && n.strict {
			refused = append(refused, fmt.Errorf("-strict: %s", n.text))
			continue
		}
		if said++; said <= manyNotices {
			u.warnf("%s", n.text)
		}
	}
	if said > manyNotices {
		u.warnf("and %d more; \"compose inspect -json\" has all", said-manyNotices)
	}
	return errors.Join(refused...)
}
