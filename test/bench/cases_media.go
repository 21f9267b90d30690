package main

import (
	"context"
	"errors"
	"os"
)

// mediaFile is the ISO, in the folder out.
const mediaFile = "media.iso"

// mediaCases measure the ISO: of an initramfs by gzip, and of one that is not
// compressed, which is as much as a payload of 1.2 GB.
func mediaCases() []benchCase {
	return []benchCase{
		{name: "iso" + cold, what: "build from the images' blobs, without a lock", run: isoCold},
		{name: "iso warm", what: "the same into a new file", run: func(ctx context.Context, s *stand) (usage, error) {
			return s.media(ctx, "-compress", "gzip")
		}},
		{name: "iso changed", what: "the same with another source of one of the manifest's files", run: isoChanged},
		{name: "iso copy", what: "cp of that file to a new one", run: func(ctx context.Context, s *stand) (usage, error) {
			return s.copied(ctx, mediaFile)
		}},
		{name: "iso copy and sum", what: "and SHA-256 of it", run: func(ctx context.Context, s *stand) (usage, error) {
			return s.copiedAndSummed(ctx, mediaFile)
		}},
		{name: "iso plain", what: "1.2 GB, not compressed, no hash known", run: isoPlain},
		{name: "xorriso", what: "xorriso -as mkisofs of the same files", run: xorriso},
	}
}

func isoCold(ctx context.Context, s *stand) (usage, error) {
	if err := errors.Join(s.forget("layers", "archives", "members", "notes"), os.RemoveAll(s.path("in", "media.lock.json"))); err != nil {
		return usage{}, err
	}
	return s.media(ctx, "-compress", "gzip")
}

func isoChanged(ctx context.Context, s *stand) (usage, error) {
	return s.afterFile(func() (usage, error) { return s.media(ctx, "-compress", "gzip") })
}

func isoPlain(ctx context.Context, s *stand) (usage, error) {
	if err := s.forget("notes"); err != nil {
		return usage{}, err
	}
	return s.media(ctx, "-compress", "none")
}

// media composes the ISO into a new file.
func (s *stand) media(ctx context.Context, flags ...string) (usage, error) {
	if err := errors.Join(os.RemoveAll(s.path("out")), s.settle()); err != nil {
		return usage{}, err
	}
	flags = append(flags, "-format", "iso", "-accept-unsigned", "*", "-offline", "-arch", "amd64", "-dir", s.path("out"), s.manifest, s.path("in", "media.yml"))
	u, err := s.run(ctx, []string{"build"}, flags...)
	if err != nil {
		return u, err
	}
	u.size, err = sizeOf(s.path("out", mediaFile))
	return u, err
}

// xorriso makes an ISO of the files that the one before has.
func xorriso(ctx context.Context, s *stand) (u usage, err error) {
	tree, made := s.path("tree"), s.path("xorriso.iso")
	defer func() { err = errors.Join(err, os.RemoveAll(tree), os.RemoveAll(made)) }()
	if _, err := measure(ctx, "xorriso", "-osirrox", "on", "-indev", s.path("out", mediaFile), "-extract", "/", tree); err != nil {
		return usage{}, err
	}
	// What xorriso extracts keeps its modes: the boot image must be open to writing.
	if err := errors.Join(os.Chmod(s.path("tree", "isolinux", "isolinux.bin"), 0o644), s.settle()); err != nil {
		return usage{}, err
	}
	u, err = measure(ctx, "xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "COMPOSE",
		"-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
		"-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot", "-o", made, tree)
	if err != nil {
		return u, err
	}
	u.size, err = sizeOf(made)
	return u, err
}
