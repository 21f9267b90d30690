package main

import (
	"context"
	"os"
)

// tarCases begin with an empty cache.
func tarCases() []benchCase {
	return []benchCase{
		{name: "inflate", what: "gzip -dc, zstd -dc of each unique layer to /dev/null", run: inflate},
		{name: "import", what: "cache import of all images into an empty cache", run: importImages},
		fromBlobs("tar", "-format", "tar"),
		{name: "copy and sum", what: "cp of that file to a new one, then SHA-256 of it in Go", run: func(ctx context.Context, s *stand) (usage, error) {
			return s.copiedAndSummed(ctx, "anchor.tar")
		}},
		warm("tar warm", "the build into a new file, with its cache and lock", "-format", "tar"),
		{name: "tar unchanged", what: "the same once more into the same place", run: unchanged},
	}
}

func inflate(ctx context.Context, s *stand) (usage, error) {
	var all usage
	for _, tool := range []struct {
		name  string
		files []string
	}{{"gzip", s.gzip}, {"zstd", s.zstd}} {
		for _, file := range tool.files {
			u, err := measure(ctx, "sh", "-c", `exec "$0" -dc < "$1" > /dev/null`, tool.name, file)
			if err != nil {
				return usage{}, err
			}
			all = all.plus(u)
		}
	}
	return all, nil
}

func importImages(ctx context.Context, s *stand) (usage, error) {
	if err := os.RemoveAll(s.path("cache")); err != nil {
		return usage{}, err
	}
	return s.imports(ctx, s.images)
}

// copiedAndSummed is what nothing can spare that writes a file and says its digest.
func (s *stand) copiedAndSummed(ctx context.Context, name string) (usage, error) {
	u, err := s.copied(ctx, name)
	if err != nil {
		return usage{}, err
	}
	v, err := measure(ctx, s.self, "-sum", s.path("copy"))
	return u.plus(v), err
}

// copied copies what the last build wrote to a new file, "copy".
func (s *stand) copied(ctx context.Context, name string) (usage, error) {
	if err := os.RemoveAll(s.path("copy")); err != nil {
		return usage{}, err
	}
	if err := s.settle(); err != nil {
		return usage{}, err
	}
	return measure(ctx, "cp", s.path("out", name), s.path("copy"))
}

func unchanged(ctx context.Context, s *stand) (usage, error) { return s.build(ctx, "-format", "tar") }
