package main

import (
	"context"
	"errors"
	"os"
)

// What is changed between two builds. Cases and differences have these names.
const (
	oneFile      = "one file changed"
	onePackage   = "one package changed"
	wholePackage = "whole package changed"
)

// initrdCases end with another version of a package in cache and lock.
func initrdCases() []benchCase {
	return []benchCase{
		fromBlobs("kernel+initrd", initrdFlags()...),
		warm("kernel+initrd warm", "the same into new files", initrdFlags()...),
		{name: oneFile, what: "the same with another source of one of the manifest's files", run: func(ctx context.Context, s *stand) (usage, error) {
			return s.afterFile(func() (usage, error) { return s.fresh(ctx, initrdFlags()...) })
		}},
		{name: onePackage, what: "the same with one file of a package of 60 MB another one", run: func(ctx context.Context, s *stand) (usage, error) {
			return s.afterPackage(ctx, s.onePart)
		}},
		{name: wholePackage, what: "the same with every file of that package another one", once: true, run: func(ctx context.Context, s *stand) (usage, error) {
			return s.afterPackage(ctx, s.allParts)
		}},
	}
}

func initrdFlags() []string { return []string{"-format", "kernel+initrd", "-compress", "gzip"} }

// afterFile is a build with another source of one of the manifest's files.
func (s *stand) afterFile(build func() (usage, error)) (u usage, err error) {
	restore, err := s.changeFile()
	if err != nil {
		return usage{}, err
	}
	defer func() { err = errors.Join(err, restore()) }()
	return build()
}

// changeFile changes the source of a file of the manifest, and returns what
// undoes that.
func (s *stand) changeFile() (restore func() error, err error) {
	name := s.path("in", "files", "10-net.conf")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	restore = func() error { return os.WriteFile(name, data, 0o644) }
	return restore, os.WriteFile(name, append(data, "# changed\n"...), 0o644)
}

func (s *stand) afterPackage(ctx context.Context, layout string) (usage, error) {
	if err := s.changePackage(ctx, layout); err != nil {
		return usage{}, err
	}
	return s.fresh(ctx, initrdFlags()...)
}

// changePackage imports another version of the package, and moves its pin.
func (s *stand) changePackage(ctx context.Context, layout string) error {
	if _, err := s.imports(ctx, layout); err != nil {
		return err
	}
	_, err := s.run(ctx, []string{"lock"}, "-update="+changedPackage, "-accept-unsigned", "*", "-offline", "-arch", "amd64", s.manifest)
	return err
}
