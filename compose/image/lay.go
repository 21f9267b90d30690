package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// lay adds blobs, each as a file that was not there, then index.json.
func (f folder) lay(_ context.Context, blobs [][]byte, index []byte) error {
	for _, data := range blobs {
		name := filepath.Join(string(f), filepath.FromSlash(blobName(digestOf(data))))
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := replace(name, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
			return err
		}
	}
	return replace(filepath.Join(string(f), indexFile), func(w io.Writer) error { _, err := w.Write(index); return err })
}

// lay writes the tar again: what is there byte for byte, but for index.json, and the
// new blobs behind it.
func (t *tarball) lay(ctx context.Context, blobs [][]byte, index []byte) error {
	at := t.members[indexFile]
	if at.link != "" {
		return fmt.Errorf("%s: %w: it is a link to %q", indexFile, ErrInvalid, at.link)
	}
	old, err := tar.NewReader(io.NewSectionReader(t.file, at.start, t.end-at.start)).Next()
	if err != nil {
		return fmt.Errorf("%s: %w", indexFile, err)
	}
	before, _, _ := strings.Cut(old.Name, indexFile) // how the tar spells its names
	return replace(t.path, func(w io.Writer) error {
		r := &rewriter{layoutWriter: layoutWriter{tar: tar.NewWriter(w), modTime: old.ModTime}, out: w, old: t.file}
		r.keep(ctx, 0, at.start)
		r.add(old.Name, index)
		r.keep(ctx, behind(at.offset, at.size), t.end)
		there := map[v1.Hash]bool{}
		for _, data := range blobs {
			d := digestOf(data)
			if _, is := t.members[blobName(d)]; !is && !there[d] {
				r.add(before+blobName(d), data)
			}
			there[d] = true
		}
		if r.err != nil {
			return r.err
		}
		return r.tar.Close()
	})
}

// rewriter writes a tar of old and new members until something fails.
type rewriter struct {
	layoutWriter
	out io.Writer
	old io.ReaderAt
}

// keep writes a range of the old tar.
func (r *rewriter) keep(ctx context.Context, from, to int64) {
	if r.err == nil {
		_, r.err = io.CopyN(r.out, &stoppable{ctx, io.NewSectionReader(r.old, from, to-from)}, to-from)
	}
}

// add writes a new member.
func (r *rewriter) add(name string, data []byte) {
	r.file(name, data)
	if r.err == nil {
		r.err = r.tar.Flush() // what is kept is written behind it
	}
}

// digestOf is the digest of bytes.
func digestOf(data []byte) v1.Hash { return describeBytes("", data).Digest }

// replace puts what write writes in the place of the file name, or of nothing. The
// file keeps its permissions.
func replace(name string, write func(io.Writer) error) (err error) {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(name); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // it has no other name yet
		}
	}()
	err = write(f)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
