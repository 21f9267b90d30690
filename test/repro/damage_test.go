package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cached returns a run with a cache of these files, which hold their own names.
func cached(t *testing.T, files ...string) *run {
	t.Helper()
	r := &run{lab: testLab(t), cache: t.TempDir()}
	for _, f := range files {
		path := filepath.Join(r.cache, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(f), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// changed returns which of the files no longer hold their own names.
func changed(r *run, files []string) (all []string) {
	for _, f := range files {
		if data, err := os.ReadFile(filepath.Join(r.cache, f)); err != nil || string(data) != f {
			all = append(all, f)
		}
	}
	slices.Sort(all)
	return all
}

func TestDamageHitsWhatItIsMeantFor(t *testing.T) {
	files := []string{
		"version", "v1/layers/a.tar", "v1/layers/a.idx", "v1/layers/a.stamp", "v1/archives/b.idx", "v1/blobs/sha256/c",
		"v1/notes/x/d", "v1/notes/sums/e", "v1/notes/sums/f", "v1/members/g.member", "v1/members/h.member", "v1/members/g.stamp",
	}
	sums := []string{"v1/notes/sums/e", "v1/notes/sums/f"}
	members := []string{"v1/members/g.member", "v1/members/h.member"}
	tests := []struct {
		name string
		vary func(context.Context, *run) error
		want []string
	}{
		{"layers", damage(flipLayers), []string{"v1/layers/a.tar"}},
		{"layers, cut", damage(cutLayers), []string{"v1/layers/a.tar"}},
		{"indexes", damage(flipIndexes), []string{"v1/archives/b.idx", "v1/layers/a.idx"}},
		{"indexes, cut", damage(cutIndexes), []string{"v1/archives/b.idx", "v1/layers/a.idx"}},
		{"stamps", damage(removeStamps), []string{"v1/layers/a.stamp", "v1/members/g.stamp"}},
		{"notes", damage(flipNotes), []string{"v1/notes/sums/e", "v1/notes/sums/f", "v1/notes/x/d"}},
		{"remembered hashes", damage(flipSums), sums},
		{"remembered hashes, cut", damage(cutSums), sums},
		{"remembered hashes, removed", damage(removeSums), sums},
		{"remembered hashes, exchanged", exchange(flipSums), sums},
		{"members", damage(flipMembers), members},
		{"members, cut", damage(cutMembers), members},
		{"members, removed", damage(removeMembers), members},
		{"members, exchanged", exchange(flipMembers), members},
		{"stamps of members", damage(dropMemberStamps), []string{"v1/members/g.stamp"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := cached(t, files...)
			if err := tt.vary(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, changed(r, files)); diff != "" {
				t.Errorf("damaged:\n%s", diff)
			}
			if r.after == nil {
				t.Error("the cache is not looked at afterwards")
			}
		})
	}
}

func TestRemoveHalfRemovesSomeAndLeavesSome(t *testing.T) {
	var files []string
	for c := 'a'; c <= 'z'; c++ {
		files = append(files, "v1/notes/sums/"+string(c))
	}
	for name, h := range map[string]func() harm{"all": removeHalf, "remembered hashes": removeHalfSums} {
		r := cached(t, files...)
		if err := damage(h)(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if n := len(changed(r, files)); n == 0 || n == len(files) {
			t.Errorf("%s: %d of %d files were removed", name, n, len(files))
		}
	}
}

func TestExchangeMovesEveryFileWhole(t *testing.T) {
	files := []string{"v1/members/a.member", "v1/members/b.member", "v1/members/c.member"}
	r := cached(t, files...)
	if err := exchange(flipMembers)(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		found = append(found, text(t, filepath.Join(r.cache, f)))
	}
	slices.Sort(found)
	if diff := cmp.Diff(files, found); diff != "" {
		t.Errorf("contents:\n%s", diff)
	}
}

func TestDamageOfNothingIsAnError(t *testing.T) {
	if err := damage(flipLayers)(t.Context(), cached(t)); err == nil {
		t.Error("an empty cache was damaged")
	}
	if err := exchange(flipMembers)(t.Context(), cached(t, "v1/members/a.member")); err == nil {
		t.Error("one file was exchanged")
	}
}
