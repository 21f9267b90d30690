package main

import (
	"context"
	"errors"
	"os"
)

// encodeCases are the compressions of an initramfs, by compose and by others,
// and what else writes one.
func encodeCases() []benchCase {
	return []benchCase{
		once(fromBlobs("tar-kernel-initrd", "-format", "tar-kernel-initrd", "-compress", "gzip")),
		once(fromBlobs("kernel+initrd zstd", "-format", "kernel+initrd", "-compress", "zstd")),
		{name: "kernel+initrd none" + cold, what: "the same, not compressed", once: true, run: plainInitrd},
		tool("gzip -6", "gzip", "-6"),
		tool("pigz -6", "pigz", "-6"),
		encoded("gzip"),
		tool("zstd -3", "zstd", "-3", "-T0"),
		encoded("zstd"),
	}
}

// initrdFile is the initramfs that a build writes.
const initrdFile = "anchor-initrd.img"

// plainInitrd leaves the initramfs as "cpio".
func plainInitrd(ctx context.Context, s *stand) (usage, error) {
	u, err := s.fromBlobs(ctx, "-format", "kernel+initrd", "-compress", "none")
	return u, errors.Join(err, os.Rename(s.path("out", initrdFile), s.path("cpio")))
}

// tool is another compressor on that initramfs.
func tool(name string, command ...string) benchCase {
	return benchCase{
		name: name, what: "of that initramfs, to a new file", once: true,
		run: func(ctx context.Context, s *stand) (usage, error) {
			if err := errors.Join(os.RemoveAll(s.path("copy")), s.settle()); err != nil {
				return usage{}, err
			}
			args := append([]string{"-c", `in=$0 out=$1; shift; exec "$@" -c < "$in" > "$out"`, s.path("cpio"), s.path("copy")}, command...)
			u, err := measure(ctx, "sh", args...)
			if err != nil {
				return u, err
			}
			u.size, err = sizeOf(s.path("copy"))
			return u, err
		},
	}
}

// encoded is a build of an initramfs that has its layers and no member. Its size
// is that of the initramfs alone.
func encoded(how string) benchCase {
	return benchCase{
		name: "encode " + how, what: "build of kernel+initrd: layers unpacked, nothing compressed", once: true,
		run: func(ctx context.Context, s *stand) (usage, error) {
			if err := s.forget("members", "notes"); err != nil {
				return usage{}, err
			}
			u, err := s.fresh(ctx, "-format", "kernel+initrd", "-compress", how)
			if err != nil {
				return u, err
			}
			u.size, err = sizeOf(s.path("out", initrdFile))
			return u, err
		},
	}
}
