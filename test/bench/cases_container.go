package main

import "context"

// containerCases measure docker in each round, for its limit; oci once.
func containerCases() []benchCase {
	return []benchCase{
		fromBlobs("docker", "-format", "docker"),
		warm("docker warm", "the same into a new file", "-format", "docker"),
		{name: "docker copy", what: "cp of that file to a new one", run: func(ctx context.Context, s *stand) (usage, error) {
			return s.copied(ctx, "anchor-docker.tar")
		}},
		once(fromBlobs("oci zstd", "-format", "oci", "-compress", "zstd")),
		once(fromBlobs("oci", "-format", "oci", "-compress", "gzip")),
		once(warm("oci warm", "the same into a new file", "-format", "oci", "-compress", "gzip")),
	}
}
