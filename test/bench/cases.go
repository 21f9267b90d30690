package main

import (
	"context"
	"slices"
)

// benchCase is one thing that is measured.
type benchCase struct {
	name, what string
	run        func(ctx context.Context, s *stand) (usage, error)
	once       bool // it is run in the first round only: no limit of time hangs on it
}

// cases are run in this order; each finds what the one before has left. The
// first ones begin with an empty cache; the last leave a changed package in it.
func cases() []benchCase {
	return slices.Concat(programCases(), registryCases(), tarCases(), containerCases(), encodeCases(), mediaCases(), bootCases(), initrdCases())
}

// started is the case of a program that has nothing to do.
const started = "version"

// programCases look at the program itself.
func programCases() []benchCase {
	return []benchCase{{name: started, what: "compose version; its size is the program's", run: func(ctx context.Context, s *stand) (usage, error) {
		u, err := measure(ctx, s.compose, "version")
		if err != nil {
			return u, err
		}
		u.size, err = sizeOf(s.compose)
		return u, err
	}}}
}

// warm is a build into new files, with the cache and the lock of the build before.
func warm(name, what string, flags ...string) benchCase {
	return benchCase{name: name, what: what, run: func(ctx context.Context, s *stand) (usage, error) {
		return s.fresh(ctx, flags...)
	}}
}

// cold is the end of the names of all cases that begin with the images' blobs:
// that is how the limit of memory finds them.
const cold = " cold"

// fromBlobs is a build into new files that finds the images' blobs and nothing
// made of them, and no lock.
func fromBlobs(name string, flags ...string) benchCase {
	return benchCase{name: name + cold, what: "build from the images' blobs, without a lock", run: func(ctx context.Context, s *stand) (usage, error) {
		return s.fromBlobs(ctx, flags...)
	}}
}

// once makes a case one that is run in the first round only.
func once(c benchCase) benchCase {
	c.once = true
	return c
}
