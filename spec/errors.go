package spec

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Pos is a place in a file that somebody wrote. Line and Col count from 1; Col
// counts characters. The zero Pos is nowhere.
type Pos struct {
	File      string
	Line, Col int
}

// String returns "file:line:col", as much of it as is known, "" for nowhere.
func (p Pos) String() string {
	s := p.File
	for _, n := range []int{p.Line, p.Col} {
		if n == 0 {
			break
		}
		if s != "" {
			s += ":"
		}
		s += strconv.Itoa(n)
	}
	return s
}

// compare orders positions of one file.
func (p Pos) compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// Error is one fault of a manifest, a lock or a label.
//
// It reads "file:line:col: where: what; did you mean …?". All faults of a file
// come at once, joined as by [errors.Join] and in the order of their positions.
type Error struct {
	Pos   Pos
	Where string // such as "services[2] nginx: mounts[0].type"; "" for the whole file
	What  string // what is wrong, and what is right instead
}

// Error returns the fault in one line.
func (e Error) Error() string {
	s := e.What
	if e.Where != "" {
		s = e.Where + ": " + s
	}
	if p := e.Pos.String(); p != "" {
		s = p + ": " + s
	}
	return s
}

// maxFaults is how many faults are reported of one file: more help nobody, and
// a file made to have millions must not fill the memory.
const maxFaults = 100

// faults collects the faults of one file.
type faults struct {
	list []Error
	more int // faults beyond maxFaults
}

func (f *faults) add(e Error) {
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, e)
}

// count returns how many faults there are.
func (f *faults) count() int {
	return len(f.list) + f.more
}

// err returns all faults in the order of their positions, nil where there is none.
func (f *faults) err() error {
	slices.SortStableFunc(f.list, func(a, b Error) int { return a.Pos.compare(b.Pos) })
	return f.errInOrder()
}

// errInOrder returns all faults in the order in which they were found.
func (f *faults) errInOrder() error {
	if len(f.list) == 0 {
		return nil
	}
	errs := make([]error, 0, len(f.list)+1)
	for _, e := range f.list {
		errs = append(errs, e)
	}
	if f.more > 0 {
		errs = append(errs, fmt.Errorf("and %d more faults", f.more))
	}
	return errors.Join(errs...)
}
