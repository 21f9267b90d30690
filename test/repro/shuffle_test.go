package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// testLab has a fixed seed and does not compile anything.
func testLab(t *testing.T) *lab {
	t.Helper()
	return &lab{root: "../..", scratch: t.TempDir(), out: t.Output(), random: rand.New(rand.NewPCG(1, 0))}
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
