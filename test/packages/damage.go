package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mended are the sources that are made in a damaged cache: with Debian packages, with a
// Go program.
func mended() []string { return []string{"bootloader", "getty", "sysctl"} }

// damage has one make some images in a cache of which every file has a byte that is
// another, and wants them to be made anew, and to be what they were.
func (l *lab) damage(ctx context.Context, one *maker) error {
	n, err := flipAll(filepath.Join(one.dir, "cache"))
	if err != nil {
		return err
	}
	var words []string
	want := images{}
	for _, name := range mended() {
		words = append(words, filepath.Join("pkgs", name))
		want[name] = one.images[name]
	}
	r, err := one.build(ctx, l, words...)
	if err != nil {
		return fmt.Errorf("in a damaged cache: %w", err)
	}
	l.line(one.name, fmt.Sprintf("in a cache of %d damaged files", n), r.took, r.cpu)
	if !strings.Contains(r.said, "build ") {
		return fmt.Errorf("in a damaged cache nothing was built: compose said %q", r.said)
	}
	got, err := parseImages(r.printed)
	return errors.Join(err, got.same(want))
}

// flipAll changes the byte in the middle of each file below dir that has more than a few,
// and returns how many that are.
func flipAll(dir string) (n int, err error) {
	const few = 20 // the version of a cache is told in less
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		stat, err := f.Stat()
		if err != nil || stat.Size() <= few {
			return errors.Join(err, f.Close())
		}
		n++
		var b [1]byte
		_, err = f.ReadAt(b[:], stat.Size()/2)
		if err == nil {
			b[0] ^= 1
			_, err = f.WriteAt(b[:], stat.Size()/2)
		}
		return errors.Join(err, f.Close())
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("nothing in %s can be damaged", dir)
	}
	return n, err
}
