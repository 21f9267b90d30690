package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/composeos/compose/outputs"
	"github.com/composeos/compose/test/fixture"
)

// kind is a set of subjects.
type kind int

// The subjects: what is composed, and how its outputs are compressed.
const (
	onFixtureGzip kind = 1 << iota
	onFixtureZstd
	onFixtureNone
	onWorkloadGzip
	onWorkloadZstd
	onWorkloadNone

	onFixtures  = onFixtureGzip | onFixtureZstd | onFixtureNone
	onWorkloads = onWorkloadGzip | onWorkloadZstd | onWorkloadNone
	onAll       = onFixtures | onWorkloads

	onMembers = onFixtureGzip | onFixtureZstd // which have compressed members in the cache
)

// subject is what is composed.
type subject struct {
	name     string
	kind     kind
	base     string // a manifest in front of the other, which brings the boot loader; "" where there is none
	manifest string // below the run's input folder, as base is
	local    string // a file that the manifest takes, likewise
	compress string // "": nothing is said of it, and gzip is the default
	size     string // of a disk; "": as small as it can be
	images   string // an archive to import into an empty cache; "" where the images are files beside the manifest
	shared   string // the cache that warm runs go on with; "": each warms its own
	kept     string // where the first row's outputs stay, for the planted difference; "": nowhere, and there is none
	fill     func(in string) error
	want     result // of the first row
}

// subjects are all that there are, and, if the workload is not among them, why.
func (l *lab) subjects() (all []*subject, why string) {
	f := l.fixture()
	all = []*subject{f, f.compressed("zstd", onFixtureZstd), f.compressed("none", onFixtureNone)}
	w, why := l.measured()
	if why == "" {
		none := w.compressed("none", onWorkloadNone)
		none.base = "" // three more files of 1.2 GB would take long, and show little
		all = append(all, w, w.compressed("zstd", onWorkloadZstd), none)
	}
	return all, why
}

// compressed is the subject, which is compressed by gzip, with -compress how.
func (s *subject) compressed(how string, k kind) *subject {
	c := *s
	c.kind, c.compress = k, how
	for _, name := range []*string{&c.name, &c.shared, &c.kept} {
		*name = strings.Replace(*name, "gzip", how, 1)
	}
	return &c
}

// from is the subject with its images in the archive at path.
func (s *subject) from(path string) *subject {
	c := *s
	c.images = path
	return &c
}

// lock is where the lock appears, below the run's input folder.
func (s *subject) lock() string {
	return filepath.Join(filepath.Dir(s.manifest), s.stem()+".lock.json")
}

func (s *subject) stem() string {
	base := filepath.Base(s.manifest)
	return base[:len(base)-len(filepath.Ext(base))]
}

// manifests are those that are merged, below the run's input folder: the last gives
// the outputs their name.
func (s *subject) manifests() []string {
	if s.base == "" {
		return []string{s.manifest}
	}
	return []string{s.base, s.manifest}
}

// formats are those that the subject can be written in, in the order of help: all,
// if it has a boot loader.
func (s *subject) formats() (all []outputs.Format) {
	for _, f := range outputs.All() {
		if s.base != "" || !slices.Contains(bootable(), f.Name()) {
			all = append(all, f)
		}
	}
	return all
}

// bootable are the formats that hold a boot loader.
func bootable() []string { return []string{"iso", "raw-efi", "uki"} }

// fixture is test/example/minimal.yml without its lock, and a boot loader.
func (l *lab) fixture() *subject {
	return &subject{
		name: "fixture gzip", kind: onFixtureGzip, local: "test/example/motd",
		base: l.base("test/example/boot.yml"), manifest: "test/example/minimal.yml", size: "16MiB", // which leaves a partition for data
		kept: filepath.Join(l.scratch, "first-gzip"),
		fill: func(in string) error { return l.fillFixture(in, fixture.Options{}) },
	}
}

// fillFixture lays out the example and the packages that it names.
func (l *lab) fillFixture(in string, o fixture.Options) error {
	example := filepath.Join(in, "test", "example")
	if err := os.MkdirAll(example, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"minimal.yml", "motd"} {
		if err := copyFile(filepath.Join(l.root, "test", "example", name), filepath.Join(example, name)); err != nil {
			return err
		}
	}
	if err := l.fillBase(filepath.Join(example, "boot.yml")); err != nil {
		return err
	}
	return fixture.Write(filepath.Join(in, "build", "fixture"), o)
}

// measured is the measuring workload, with a boot loader, or why there is none. It
// is large: its warm runs share one cache, of the first row.
func (l *lab) measured() (*subject, string) {
	if l.workload == "" {
		return nil, "no -workload"
	}
	images := filepath.Join(l.workload, imagesName)
	if _, err := os.Stat(images); err != nil {
		return nil, fmt.Sprintf("%v (make workload)", err)
	}
	return &subject{
		name: "workload gzip", kind: onWorkloadGzip, local: "files/10-net.conf", images: images,
		base: l.base("boot.yml"), manifest: "anchor.yml",
		shared: filepath.Join(l.scratch, "workload-gzip"),
		fill: func(in string) error {
			if err := os.MkdirAll(filepath.Join(in, "files"), 0o755); err != nil {
				return err
			}
			if err := copyTree(filepath.Join(l.workload, "files"), filepath.Join(in, "files"), nil); err != nil {
				return err
			}
			if err := l.fillBase(filepath.Join(in, "boot.yml")); err != nil {
				return err
			}
			return copyFile(filepath.Join(l.workload, "anchor.yml"), filepath.Join(in, "anchor.yml"))
		},
	}, ""
}

// imagesName is the archive of the workload's images.
const imagesName = "images.tar"

// importImages takes the subject's archive into the run's cache.
func (r *run) importImages(ctx context.Context) error {
	if r.subject.images == "" || r.imported {
		return nil
	}
	r.imported = true
	_, err := r.compose(ctx, nil, "cache", "import", "-cache", r.cache, "-progress", "none", r.subject.images)
	return err
}

// forget removes the cache that warm runs share: the subject is done with, or a
// row has failed and the next is not to suffer from it.
func (s *subject) forget() error {
	if s.shared == "" {
		return nil
	}
	return os.RemoveAll(s.shared)
}
