package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// testLab has a fixed seed and does not compile anything.
func testLab(t *testing.T) *lab {
	t.Helper()
	return &lab{root: "../..", scratch: t.TempDir(), random: rand.New(rand.NewPCG(1, 0))}
}

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

func TestShuffleMapsKeepsTheMeaning(t *testing.T) {
	const text = "a: 1\nb: [3, 1, 2]\nc: {d: x, e: y, f: [{g: 1, h: 2, i: 3}]}\nj: z\n"
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	testLab(t).shuffleMaps(&doc)
	shuffled, err := yaml.Marshal(&doc)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := yaml.Marshal(meaning(t, []byte(text))); err != nil || string(plain) == string(shuffled) {
		t.Errorf("nothing was shuffled: %v\n%s", err, shuffled)
	}
	if diff := cmp.Diff(meaning(t, []byte(text)), meaning(t, shuffled)); diff != "" {
		t.Errorf("the meaning changed:\n%s", diff)
	}
}

func meaning(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestShuffleArchiveKeepsTheMembers(t *testing.T) {
	var in, out bytes.Buffer
	w := tar.NewWriter(&in)
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(name) * 3), Typeflag: tar.TypeReg}
		if err := errors.Join(w.WriteHeader(h), second(io.WriteString(w, strings.Repeat(name, 3)))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	archive := in.Bytes()
	if err := testLab(t).shuffleArchive(bytes.NewReader(archive), &out); err != nil {
		t.Fatal(err)
	}
	before, after := members(t, archive), members(t, out.Bytes())
	if slices.Equal(before, after) {
		t.Error("nothing was shuffled")
	}
	slices.Sort(after)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the members changed:\n%s", diff)
	}
}

func second(_ int, err error) error { return err }

// members returns "name=content" of each member.
func members(t *testing.T, archive []byte) (all []string) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h.Name+"="+string(data))
	}
}

func TestDamageHitsWhatItIsMeantFor(t *testing.T) {
	const content = "some bytes, more than one"
	files := []string{"version", "v1/layers/a.tar", "v1/layers/a.idx", "v1/layers/a.stamp", "v1/archives/b.idx", "v1/blobs/sha256/c", "v1/notes/x/d"}
	tests := []struct {
		name string
		harm func() harm
		want []string
	}{
		{"layers", flipLayers, []string{"v1/layers/a.tar"}},
		{"layers, cut", cutLayers, []string{"v1/layers/a.tar"}},
		{"indexes", flipIndexes, []string{"v1/archives/b.idx", "v1/layers/a.idx"}},
		{"indexes, cut", cutIndexes, []string{"v1/archives/b.idx", "v1/layers/a.idx"}},
		{"stamps", removeStamps, []string{"v1/layers/a.stamp"}},
		{"notes", flipNotes, []string{"v1/notes/x/d"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &run{lab: testLab(t), cache: t.TempDir()}
			for _, f := range files {
				path := filepath.Join(r.cache, f)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			if err := damage(tt.harm)(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			var hit []string
			for _, f := range files {
				if data, err := os.ReadFile(filepath.Join(r.cache, f)); err != nil || string(data) != content {
					hit = append(hit, f)
				}
			}
			slices.Sort(hit)
			if diff := cmp.Diff(tt.want, hit); diff != "" {
				t.Errorf("damaged:\n%s", diff)
			}
		})
	}
}

func TestDamageOfNothingIsAnError(t *testing.T) {
	r := &run{lab: testLab(t), cache: t.TempDir()}
	if err := damage(flipLayers)(context.Background(), r); err == nil {
		t.Error("an empty cache was damaged")
	}
}

func TestPlantChangesOneByte(t *testing.T) {
	if got := plant(plantedImage, plantedPath, []byte("c\n")); string(got) != "C\n" {
		t.Errorf("planted %q", got)
	}
	if got := plant(plantedImage, "etc/other", []byte("c\n")); string(got) != "c\n" {
		t.Errorf("planted %q in another file", got)
	}
}
