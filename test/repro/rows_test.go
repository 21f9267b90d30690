package main

import (
	"slices"
	"strings"
	"testing"
)

func TestRowsAreNamedOnceAndTheFirstIsFirst(t *testing.T) {
	seen := map[string]bool{}
	for i, r := range rows() {
		if seen[r.name] {
			t.Errorf("two rows are named %q", r.name)
		}
		seen[r.name] = true
		if r.first != (i == 0) || r.on == 0 {
			t.Errorf("row %d %q: first = %t, on = %d", i, r.name, r.first, r.on)
		}
	}
}

// TestEveryCompressionIsVaried holds what has to be shown of each compression: on
// the fixture every way that is shown with any, on the workload the kinds of ways
// that the table lists.
func TestEveryCompressionIsVaried(t *testing.T) {
	kinds := []string{"the first run", "cache: warm", "cache: a byte changed", "two at once on an empty cache, GOMAXPROCS=1 and 8", "one format at a time"}
	for k := onWorkloadGzip; k <= onWorkloadNone; k <<= 1 {
		for _, kind := range kinds {
			if !slices.ContainsFunc(rows(), func(r row) bool { return r.on&k != 0 && strings.HasPrefix(r.name, kind) }) {
				t.Errorf("workload %b has no row %q", k, kind)
			}
		}
	}
	once := map[string]bool{"two seconds later": true, "-compress gzip, which is the default": true}
	for _, r := range rows() {
		on := r.on & onFixtures
		members := strings.Contains(r.name, "member") && on == onMembers // there are none without compression
		if on != 0 && on != onFixtures && !members && !once[r.name] {
			t.Errorf("row %q is not run on every fixture", r.name)
		}
	}
}

func TestChosenRowsComeAfterTheFirst(t *testing.T) {
	s := &subject{name: "fixture zstd", kind: onFixtureZstd, kept: "somewhere"}
	tests := []struct {
		only   string
		want   int // rows
		plants int
	}{
		{"TZ=Asia", 2, 0},
		{"zstd   umask", 0, 0},
		{"zstd umask", 3, 0}, // 077 and 000,
		{"workload", 0, 0},
		{"the first run", 1, 0},
		{"planted", 1, 2},
		{"planted: one byte of the kernel", 1, 1},
		{"two seconds later", 0, 0}, // is run with gzip alone
	}
	for _, tt := range tests {
		got, plants := s.chosen(tt.only)
		if len(got) != tt.want || len(plants) != tt.plants || len(got) > 0 && !got[0].first {
			t.Errorf("%q: %d rows, plants %d", tt.only, len(got), len(plants))
		}
	}
	if all, plants := s.chosen(""); len(all) < 40 || len(plants) != len(plantings()) {
		t.Errorf("all: %d rows, plants %d", len(all), len(plants))
	}
}

func TestSubjectsHaveTheirOwnNamesAndPlaces(t *testing.T) {
	l := testLab(t)
	seen := map[string]bool{}
	var kinds kind
	l.workload = workloadStub(t)
	gzip, _ := l.measured()
	all := []*subject{l.fixture(), gzip}
	for _, s := range all {
		all = append(all, s.compressed("zstd", s.kind<<1), s.compressed("none", s.kind<<2))
	}
	for _, s := range all {
		kinds |= s.kind
		for _, name := range []string{s.name, s.kept, s.shared} {
			if name != "" && seen[name] {
				t.Errorf("two subjects have %q", name)
			}
			seen[name] = true
		}
	}
	if kinds != onAll {
		t.Errorf("the subjects are %b, want %b", kinds, onAll)
	}
}
