//go:build race

package runc_test

// underRace says that this test's program is the race detector's, and so not static.
const underRace = true
