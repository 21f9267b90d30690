package debian_test

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/composeos/compose/compose/pkg/debian"
)

// ascending are versions, each newer than the one before.
func ascending() []string {
	return []string{
		"~~", "~~a", "~", "0", "0.1~rc1-1", "0.1", "0.1-0.1", "0.1-1", "0.1-1+b1", "0.1a", "0.1+dfsg-1", "1.0~alpha", "1.0~beta1",
		"1.0~beta1-1", "1.0", "1.0-1~deb13u1", "1.0-1", "1.0-1+deb13u1", "1.0-1+deb13u2", "1.0-1+deb13u10", "1.0-2",
		"1.0a", "1.0+git20260101", "1.0-a-1", "1.0.1", "1.2.3-4", "1.10", "9", "10", "2147483648", "18446744073709551616", "99999999999999999999999",
		"1:0~", "1:0.1", "1:9", "2:0", "10:0",
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

func TestCompareVersions(t *testing.T) {
	versions := ascending()
	for i, a := range versions {
		for j, b := range versions {
			if got, want := sign(debian.CompareVersions(a, b)), sign(i-j); got != want {
				t.Errorf("%q and %q: %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestEqualVersions(t *testing.T) {
	for _, pair := range [][2]string{
		{"1", "0:1"}, {"1", "00:1"}, {"1", "1-0"}, {"1", "1-"}, {"1.01", "1.1"}, {"1.0", "1.00"}, {"", "0"}, {"a", "a0"}, {"1.", "1.0"},
	} {
		if c := debian.CompareVersions(pair[0], pair[1]); c != 0 {
			t.Errorf("%q and %q: %d, want 0", pair[0], pair[1], c)
		}
	}
}

func TestParseVersion(t *testing.T) {
	good := map[string]debian.Version{
		"1":            {Upstream: "1"},
		"1-2":          {Upstream: "1", Revision: "2"},
		"2:1-2-3":      {Epoch: "2", Upstream: "1-2", Revision: "3"},
		"1:2:3-4~5+b1": {Epoch: "1", Upstream: "2:3", Revision: "4~5+b1"},
	}
	for text, want := range good {
		got, err := debian.ParseVersion(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: %+v, %v, written %q", text, got, err, got)
		}
	}
	for _, text := range []string{"", "1:", "-1", "a:1", ":1", "1-", "1 2", "1_2", "1/2", "1é", "1:2-3_4"} {
		if v, err := debian.ParseVersion(text); err == nil {
			t.Errorf("%q was read as %+v", text, v)
		}
	}
}

// dpkg asks dpkg whether a is older than, as old as or newer than b.
func dpkg(t *testing.T, a, b string) int {
	t.Helper()
	for c, relation := range map[int]string{-1: "lt", 0: "eq", 1: "gt"} {
		if exec.CommandContext(t.Context(), "dpkg", "--compare-versions", a, relation, b).Run() == nil {
			return c
		}
	}
	t.Fatalf("dpkg has no order for %q and %q", a, b)
	return 0
}

func TestAsDpkgCompares(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("dpkg is missing")
		}
		t.Skip("dpkg is not installed")
	}
	versions := []string{
		"1.0~~", "1.0~", "1.0", "1.0+", "1.0.", "1.0a", "1.0a~", "1.0aa", "1.0A", "1.0-1", "1.0--1", "1.0-1.", "1.0:1", "1:1.0", "01.0", "1.00",
		"1.0+b", "1.0.b", "1.0b+",
	}
	for i, a := range versions {
		for _, b := range versions[i+1:] {
			if a == "1.0:1" || b == "1.0:1" {
				continue // dpkg reads an epoch there, which is no number
			}
			if got, want := sign(debian.CompareVersions(a, b)), dpkg(t, a, b); got != want {
				t.Errorf("%q and %q: %d, dpkg says %d", a, b, got, want)
			}
		}
	}
}

// An order: the same the other way round, and sorting comes to the same from any start.
func FuzzCompareVersions(f *testing.F) {
	versions := ascending()
	for i, v := range versions {
		f.Add(v, versions[(i*7+3)%len(versions)], versions[(i*5+1)%len(versions)])
	}
	f.Add("1-", "-", ":")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if debian.CompareVersions(a, a) != 0 {
			t.Errorf("%q is not equal to itself", a)
		}
		if sign(debian.CompareVersions(a, b)) != -sign(debian.CompareVersions(b, a)) {
			t.Errorf("%q and %q compare differently the other way round", a, b)
		}
		sorted := []string{a, b, c}
		slices.SortFunc(sorted, debian.CompareVersions)
		if debian.CompareVersions(sorted[0], sorted[2]) > 0 {
			t.Errorf("no order: %q", sorted)
		}
		if v, err := debian.ParseVersion(a); err == nil && v.String() != a {
			t.Errorf("%q is written %q", a, v)
		}
	})
}
