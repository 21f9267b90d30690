package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// stand is what the cases share.
type stand struct {
	compose  string
	self     string // this program
	manifest string
	layout   string // of the images
	images   string // archive to import
	gzip     []string
	zstd     []string
	onePart  string // layout of the package in which one file is changed
	allParts string // layout of the package in which every file is
	web      string // name of the example web, built
	scratch  string
}

// newStand looks for all that a bench needs, and makes what the workload lacks.
func newStand(in inputs, scratch string) (*stand, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program, err := filepath.Abs(in.program)
	if err != nil {
		return nil, err
	}
	if err := tools("sh", "cp", "gzip", "pigz", "zstd", "xorriso", "docker-registry", "skopeo", emulator); err != nil {
		return nil, err
	}
	s := &stand{
		compose: program, self: self, scratch: scratch, web: in.web,
		manifest: filepath.Join(scratch, "in", "anchor.yml"),
		layout:   filepath.Join(in.workload, "oci"),
		images:   filepath.Join(in.workload, "images.tar"),
		onePart:  filepath.Join(scratch, "one"), allParts: filepath.Join(scratch, "all"),
	}
	if err := s.writeManifests(in.workload, in.bootloader); err != nil {
		return nil, err
	}
	if s.gzip, s.zstd, err = layers(s.layout); err != nil {
		return nil, err
	}
	return s, errors.Join(
		changed{from: s.layout, name: changedPackage}.write(s.onePart),
		changed{from: s.layout, name: changedPackage, all: true}.write(s.allParts),
	)
}

// writeManifests copies the workload's manifest, beside which the lock will appear,
// and writes one that adds a boot loader to it.
func (s *stand) writeManifests(workload, bootloader string) error {
	if err := os.CopyFS(s.path("in", "files"), os.DirFS(filepath.Join(workload, "files"))); err != nil {
		return fmt.Errorf("workload (make workload): %w", err)
	}
	data, err := os.ReadFile(filepath.Join(workload, "anchor.yml"))
	if err != nil {
		return err
	}
	loader, err := filepath.Abs(bootloader)
	if err == nil {
		_, err = os.Stat(loader)
	}
	if err != nil {
		return fmt.Errorf("boot loader (make fixture): %w", err)
	}
	return errors.Join(
		os.WriteFile(s.manifest, data, 0o644),
		os.WriteFile(s.path("in", "media.yml"), fmt.Appendf(nil, "bootloader: {image: %q}\n", "oci:"+loader), 0o644),
	)
}

// tools returns an error that names each program that is not there.
func tools(names ...string) error {
	var errs []error
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			errs = append(errs, fmt.Errorf("%w (make setup)", err))
		}
	}
	return errors.Join(errs...)
}

func (s *stand) path(names ...string) string {
	return filepath.Join(append([]string{s.scratch}, names...)...)
}

// settled is how much is written and thrown away before a case that writes:
// more than any of them does, bytes.
const settled = 5 << 29

// settle makes the kernel touch the memory that a case will fill its page cache
// with. On a virtual machine the first use of a page costs ten times the copy
// into it, and which case would pay for that is chance. The file is in memory
// where that can be, so that no disk is kept busy by it.
func (s *stand) settle() error {
	f, err := os.CreateTemp("/dev/shm", "compose-bench-")
	if err != nil {
		f, err = os.CreateTemp(s.scratch, "settle-")
	}
	if err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for n := 0; n < settled && err == nil; n += len(buf) {
		_, err = f.Write(buf)
	}
	if errors.Is(err, syscall.ENOSPC) { // a small /dev/shm: as much as there is
		err = nil
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// run runs compose on the cache.
func (s *stand) run(ctx context.Context, command []string, flags ...string) (usage, error) {
	args := append(command, "-cache", s.path("cache"), "-progress", "none")
	return measure(ctx, s.compose, append(args, flags...)...)
}

// imports takes images into the cache: a name that is there moves.
func (s *stand) imports(ctx context.Context, images string) (usage, error) {
	return s.run(ctx, []string{"cache", "import"}, images)
}

// build composes the workload into the folder out.
func (s *stand) build(ctx context.Context, flags ...string) (usage, error) {
	flags = append(flags, "-accept-unsigned", "*", "-offline", "-arch", "amd64", "-dir", s.path("out"), s.manifest)
	return s.run(ctx, []string{"build"}, flags...)
}

// fresh is a build into new files.
func (s *stand) fresh(ctx context.Context, flags ...string) (usage, error) {
	if err := errors.Join(os.RemoveAll(s.path("out")), s.settle()); err != nil {
		return usage{}, err
	}
	u, err := s.build(ctx, flags...)
	if err != nil {
		return u, err
	}
	files, err := filepath.Glob(s.path("out", "*"))
	if err != nil {
		return u, err
	}
	u.size, err = sizeOf(files...)
	return u, err
}

// fromBlobs is a build into new files with a cache that holds the images' blobs
// and nothing made of them, and without a lock.
func (s *stand) fromBlobs(ctx context.Context, flags ...string) (usage, error) {
	if err := errors.Join(s.forget("layers", "archives", "members", "notes"), s.unlock()); err != nil {
		return usage{}, err
	}
	return s.fresh(ctx, flags...)
}

// forget removes folders of the cache (docs/cache.md, "What lies where").
func (s *stand) forget(folders ...string) error {
	var errs []error
	for _, f := range folders {
		errs = append(errs, os.RemoveAll(s.path("cache", "v1", f)))
	}
	return errors.Join(errs...)
}

func (s *stand) unlock() error { return os.RemoveAll(s.path("in", "anchor.lock.json")) }

// sizeOf returns how many bytes files have together.
func sizeOf(names ...string) (int64, error) {
	all := int64(0)
	for _, name := range names {
		fi, err := os.Stat(name)
		if err != nil {
			return 0, err
		}
		all += fi.Size()
	}
	return all, nil
}
