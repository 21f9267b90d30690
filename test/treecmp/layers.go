package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// namedDirs returns the directories that an image's layers name, each with the time
// that its highest layer gives it.
func (u *umoci) namedDirs(layers []ociDescriptor) (map[string]int64, error) {
	times := map[string]int64{}
	for _, l := range layers {
		if err := u.dirsOf(l, times); err != nil {
			return nil, fmt.Errorf("%s: %w", l.Digest, err)
		}
	}
	return times, nil
}

func (u *umoci) dirsOf(l ociDescriptor, times map[string]int64) error {
	f, err := os.Open(blob(u.layout, l.Digest))
	if err != nil {
		return err
	}
	defer f.Close()
	r := io.Reader(bufio.NewReader(f))
	switch {
	case strings.HasSuffix(l.MediaType, "gzip"):
		if r, err = gzip.NewReader(r); err != nil {
			return err
		}
	case strings.HasSuffix(l.MediaType, "zstd"):
		z, err := zstd.NewReader(r)
		if err != nil {
			return err
		}
		defer z.Close()
		r = z
	}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir {
			times[strings.Trim(strings.TrimPrefix(h.Name, "./"), "/")] = h.ModTime.Unix()
		}
	}
}

// settle gives directories that unpacking has touched what their layers say of
// them. umoci makes a directory that no layer names as it is needed, with the time
// of that, which the one that it lies in then has as well.
func (x *expected) settle(f *flat) {
	if f.settled {
		return
	}
	f.settled = true
	var named map[string]int64
	for p, r := range f.tree.entries {
		young := r.kind == "directory" && r.mtime >= x.began
		if !young && (p != "" || r.mtime != 0 || r.nsec != 0) {
			continue
		}
		if named == nil {
			named = x.dirs[f.layers[len(f.layers)-1].Digest]
		}
		if named == nil {
			var err error
			named, err = x.umoci.namedDirs(f.layers)
			x.check(err)
		}
		if mtime, ok := named[p]; ok {
			x.note(ruleTouched, 1)
			r.mtime, r.nsec = mtime, 0
			continue
		}
		x.note(ruleUnnamed, 1)
		f.tree.entries[p] = madeDir(0o755)
	}
}
