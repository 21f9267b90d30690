package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/composeos/compose/test/fixture"
)

// kind is a set of subjects.
type kind int

// The subjects.
const (
	onFixture kind = 1 << iota
	onWorkload
	onBoth = onFixture | onWorkload
)

// subject is what is composed.
type subject struct {
	name     string
	kind     kind
	manifest string // below the run's input folder
	images   string // an archive to import into an empty cache; "" where the images are files beside the manifest
	fill     func(in string) error
	want     result // of the first row
}

// tar is the name of what is built.
func (s *subject) tar() string { return s.stem() + ".tar" }

// lock is where the lock appears, below the run's input folder.
func (s *subject) lock() string {
	return filepath.Join(filepath.Dir(s.manifest), s.stem()+".lock.json")
}

func (s *subject) stem() string {
	base := filepath.Base(s.manifest)
	return base[:len(base)-len(filepath.Ext(base))]
}

// fixtureSubject is examples/minimal.yml without its lock.
func fixtureSubject(l *lab) *subject {
	return &subject{
		name: "fixture", kind: onFixture, manifest: "examples/minimal.yml",
		fill: func(in string) error { return fillFixture(l.root, in, fixture.Options{}) },
	}
}

// fillFixture lays out the example and the packages that it names.
func fillFixture(root, in string, o fixture.Options) error {
	examples := filepath.Join(in, "examples")
	if err := os.MkdirAll(examples, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"minimal.yml", "motd"} {
		if err := copyFile(filepath.Join(root, "examples", name), filepath.Join(examples, name)); err != nil {
			return err
		}
	}
	return fixture.Write(filepath.Join(in, "build", "fixture"), o)
}

// workloadSubject is the measuring workload in dir, or why there is none.
func workloadSubject(dir string) (*subject, string) {
	if dir == "" {
		return nil, "no -workload"
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err.Error()
	}
	images := filepath.Join(dir, "images.tar")
	if _, err := os.Stat(images); err != nil {
		return nil, fmt.Sprintf("%v (make workload)", err)
	}
	return &subject{
		name: "workload", kind: onWorkload, manifest: "anchor.yml", images: images,
		fill: func(in string) error {
			if err := os.MkdirAll(filepath.Join(in, "files"), 0o755); err != nil {
				return err
			}
			if err := copyTree(filepath.Join(dir, "files"), filepath.Join(in, "files"), nil); err != nil {
				return err
			}
			return copyFile(filepath.Join(dir, "anchor.yml"), filepath.Join(in, "anchor.yml"))
		},
	}, ""
}

// importImages takes the subject's archive into the run's cache.
func (r *run) importImages(ctx context.Context) error {
	if r.subject.images == "" || r.imported {
		return nil
	}
	r.imported = true
	return r.compose(ctx, nil, "cache", "import", "-cache", r.cache, "-progress", "none", r.subject.images)
}
