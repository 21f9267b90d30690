package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/outputs"
)

// zeroes is a content of zeros without an end.
type zeroes struct{}

func (zeroes) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// largeTree is a tree with one file of so many bytes, and all that a medium takes.
func largeTree(t *testing.T, loader map[string]string, size int64) *rootfs.Tree {
	t.Helper()
	file := func(path, content string) *rootfs.Entry {
		e := rootfs.MadeFile(path, 0o644, []byte(content))
		e.Made = false
		return e
	}
	boot := []*rootfs.Entry{file("boot/kernel", "a kernel\n"), file("boot/cmdline", "quiet")}
	for name, content := range loader {
		boot = append(boot, file("boot/loader/"+name, content))
	}
	large := file("large", "")
	large.Size, large.Body, large.Digest, large.Origin = size, zeroes{}, rootfs.Digest{1}, "init[0] large"
	tree, _, err := rootfs.NewTree([]rootfs.Segment{
		{Name: "kernel", Entries: rootfs.Sort(boot)},
		{Name: "init[0] large", Entries: []*rootfs.Entry{file("init", "an init\n"), large}},
	}, rootfs.TreeOptions{Arch: "amd64", Epoch: mediaEpoch})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// noCache is a cache that forgets, in a folder.
type noCache struct{ dir string }

func (c noCache) Member(_ context.Context, key rootfs.Digest, fill func(w io.Writer) error) (outputs.Member, error) {
	f, err := os.Create(filepath.Join(c.dir, fmt.Sprintf("%x", key)))
	if err != nil {
		return nil, err
	}
	if err := fill(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	stat, err := f.Stat()
	return cached{f, stat.Size()}, err
}

func (c noCache) Folder() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp(c.dir, "")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
func (noCache) Recall(rootfs.Digest) ([]byte, bool) { return nil, false }
func (noCache) Remember(rootfs.Digest, []byte)      {}

type cached struct {
	*os.File
	size int64
}

func (m cached) Size() int64 { return m.size }

// sparseSink writes files in which long zeros are holes.
type sparseSink struct {
	dir     string
	created []string
}

func (s *sparseSink) Create(name string) (outputs.File, error) {
	s.created = append(s.created, name)
	f, err := os.Create(filepath.Join(s.dir, name))
	return &sparseFile{File: f}, err
}

func (*sparseSink) Commit() error { return nil }
func (*sparseSink) Abort()        {}

type sparseFile struct {
	*os.File
	at     int64
	closed bool
}

func (f *sparseFile) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.at)
	f.at += int64(n)
	return n, err
}

func (f *sparseFile) Copy(_ context.Context, r io.ReaderAt, off, n int64) error {
	if _, ok := r.(zeroes); ok {
		f.at += n
		return nil
	}
	done, err := io.Copy(io.NewOffsetWriter(f.File, f.at), io.NewSectionReader(r, off, n))
	f.at += done
	return err
}

func (f *sparseFile) Skip(_ context.Context, n int64) error {
	f.at += n
	return nil
}

func (f *sparseFile) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	return errors.Join(f.Truncate(f.at), f.File.Close())
}

func (*sparseFile) Known(rootfs.Digest)        {}
func (*sparseFile) Resume([]byte, int64) error { return nil }
func (*sparseFile) State() ([]byte, error)     { return nil, nil }
func (*sparseFile) Sum() rootfs.Digest         { return rootfs.Digest{} }

// written writes a tree in a format, and returns the paths of the files.
func written(t *testing.T, f outputs.Format, tree *rootfs.Tree, how outputs.Compression) ([]string, error) {
	t.Helper()
	return writtenSized(t, f, tree, outputs.Options{Name: "large", Compress: how})
}

func writtenSized(t *testing.T, f outputs.Format, tree *rootfs.Tree, o outputs.Options) ([]string, error) {
	t.Helper()
	dir := t.TempDir()
	sink := &sparseSink{dir: dir}
	err := f.Write(t.Context(), tree, outputs.Env{
		Options: o, Sink: sink, Cache: noCache{t.TempDir()},
		Progress: func(int64) {}, Notify: func(outputs.Notice) {},
	})
	var paths []string
	for _, name := range sink.created {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths, err
}

// initrdOf returns how large an uncompressed initramfs is with a file of so many bytes.
func initrdOf(t *testing.T, loader map[string]string, size int64) int64 {
	t.Helper()
	files, err := written(t, outputs.KernelInitrd{}, largeTree(t, loader, size), outputs.Uncompressed)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(files[1])
	if err != nil {
		t.Fatal(err)
	}
	return stat.Size()
}

// copySparse copies what is in a partition and is no hole.
func copySparse(t *testing.T, image, name string, p partition) {
	t.Helper()
	in := open(t, image)
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	begin, end := p.first*512, (p.last+1)*512
	if err := out.Truncate(end - begin); err != nil {
		t.Fatal(err)
	}
	for at := begin; at < end; {
		from, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) || from >= end {
			return // the rest is a hole
		}
		to, holeErr := unix.Seek(int(in.Fd()), from, unix.SEEK_HOLE)
		if err := errors.Join(err, holeErr); err != nil {
			t.Fatal(err)
		}
		at = min(to, end)
		if _, err := io.Copy(io.NewOffsetWriter(out, from-begin), io.NewSectionReader(in, from, at-from)); err != nil {
			t.Fatal(err)
		}
	}
}
