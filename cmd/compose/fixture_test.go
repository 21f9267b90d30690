package main

import (
	"archive/tar"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/composeos/compose/test/fixture"
)

// fixtureName is the registry's name that the fixture's image gets beside its own.
func fixtureName(image string) string { return "docker.io/fixture/" + image + ":v1" }

// makeFixture makes the fixture's layout in dir, with names that a cache takes,
// too. More is put behind the content of each text file of its image "pages".
func makeFixture(dir, more string) error {
	o := fixture.Options{}
	if more != "" {
		o.Edit = func(image, _ string, content []byte) []byte {
			if image == "pages" && len(content) > 0 {
				return append(slices.Clip(content), more...)
			}
			return content
		}
	}
	if err := fixture.Write(dir, o); err != nil {
		return err
	}
	return editJSON(filepath.Join(dir, "index.json"), func(index *v1.IndexManifest) {
		for _, m := range index.Manifests {
			m.Annotations["io.containerd.image.name"] = fixtureName(m.Annotations["org.opencontainers.image.ref.name"])
		}
	})
}

// editJSON changes a JSON file.
func editJSON[T any](path string, edit func(*T)) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var doc T
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	edit(&doc)
	if data, err = json.Marshal(doc); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// fixtureCommand is "fixture DIR [MORE]" in scripts.
func fixtureCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: fixture DIR [MORE]")
	}
	more := ""
	if len(args) == 2 {
		more = args[1]
	}
	ts.Check(makeFixture(ts.MkAbs(args[0]), more))
}

// imageCommand is "image DIR PATH SIZE" in scripts: a layout of one image, app,
// which has one file of SIZE bytes.
func imageCommand(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 3 {
			ts.Fatalf("usage: image DIR PATH SIZE")
		}
		size, err := strconv.ParseInt(args[2], 10, 64)
		ts.Check(err)
		s := smallImage{entries: []*tar.Header{{Name: args[1], Typeflag: tar.TypeReg, Mode: 0o644, Size: size}}}
		s.write(t, ts.MkAbs(args[0]))
	}
}
