package store

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/composeos/compose/compose/rootfs"
)

// item is one entry of a tar that a test makes.
type item struct {
	name  string
	flag  byte // a regular file where it is 0
	body  string
	link  string
	mode  int64
	uid   int
	time  time.Time
	pax   map[string]string
	major int64
	minor int64
}

func file(name, body string) item      { return item{name: name, body: body, mode: 0o644} }
func dir(name string) item             { return item{name: name, flag: tar.TypeDir, mode: 0o755} }
func symlink(name, target string) item { return item{name: name, flag: tar.TypeSymlink, link: target} }

func hardlink(name, target string) item { return item{name: name, flag: tar.TypeLink, link: target} }

// makeTar returns a tar of those entries with its end marker.
func makeTar(tb testing.TB, items ...item) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, it := range items {
		if it.flag == 0 {
			it.flag = tar.TypeReg
		}
		h := &tar.Header{
			Name: it.name, Typeflag: it.flag, Linkname: it.link, Mode: it.mode, Uid: it.uid, Gid: it.uid,
			Size: int64(len(it.body)), ModTime: it.time, PAXRecords: it.pax, Devmajor: it.major, Devminor: it.minor,
			Uname: "somebody", Gname: "else",
		}
		if it.pax != nil {
			h.Format = tar.FormatPAX
		}
		if it.flag == tar.TypeXGlobalHeader {
			h = &tar.Header{Name: it.name, Typeflag: it.flag, PAXRecords: it.pax}
		}
		if err := w.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, it.body); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func hashOf(data []byte) v1.Hash {
	sum := sha256.Sum256(data)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

func gzipped(tb testing.TB, parts ...[]byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		if _, err := w.Write(p); err != nil {
			tb.Fatal(err)
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

func zstded(tb testing.TB, parts ...[]byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write(p); err != nil {
			tb.Fatal(err)
		}
		if err := w.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

// source is a layer source that counts how often it is opened.
type source struct {
	LayerSource
	opened atomic.Int32
}

// layerOf returns a source of a tar that is stored as those bytes.
func layerOf(tarball, as []byte) *source {
	s := &source{}
	s.LayerSource = LayerSource{
		Digest: hashOf(as), Size: int64(len(as)), DiffID: hashOf(tarball),
		Open: func() (io.ReadCloser, error) {
			s.opened.Add(1)
			return io.NopCloser(bytes.NewReader(as)), nil
		},
	}
	return s
}

func openStore(tb testing.TB, dir string) *Store {
	tb.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func newLease(tb testing.TB, s *Store) *Lease {
	tb.Helper()
	l := s.Lease()
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	return l
}

func mustLayer(tb testing.TB, l *Lease, src *source) *Layer {
	tb.Helper()
	layer, err := l.Layer(tb.Context(), src.LayerSource)
	if err != nil {
		tb.Fatal(err)
	}
	return layer
}

// show writes entries as lines, with the content of files.
func show(tb testing.TB, entries []rootfs.Entry) string {
	tb.Helper()
	var b strings.Builder
	for i := range entries {
		e := &entries[i]
		fmt.Fprintf(&b, "%s %q", e.Type, e.Path)
		switch e.Type {
		case rootfs.Opaque, rootfs.Whiteout:
		case rootfs.HardLink:
			fmt.Fprintf(&b, " -> %s", e.Link)
		default:
			fmt.Fprintf(&b, " %04o %d:%d @%d", e.Mode, e.UID, e.GID, e.ModTime)
		}
		switch e.Type {
		case rootfs.File:
			fmt.Fprintf(&b, " %q", content(tb, e))
		case rootfs.Symlink:
			fmt.Fprintf(&b, " -> %s", e.Link)
		case rootfs.Char, rootfs.Block:
			fmt.Fprintf(&b, " %d,%d", e.Major, e.Minor)
		}
		if e.Inode != 0 {
			fmt.Fprintf(&b, " inode %d", e.Inode)
		}
		for _, x := range e.Xattrs {
			fmt.Fprintf(&b, " %s=%q", x.Name, x.Value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// content reads a file's body and checks it against size and digest.
func content(tb testing.TB, e *rootfs.Entry) string {
	tb.Helper()
	if e.Size == 0 {
		if e.Body != nil {
			tb.Errorf("%s: an empty file with a body", e.Path)
		}
		return ""
	}
	data, err := io.ReadAll(io.NewSectionReader(e.Body, 0, e.Size+10))
	if err != nil || int64(len(data)) != e.Size || sha256.Sum256(data) != e.Digest {
		tb.Errorf("%s: read %d bytes of %d: %v", e.Path, len(data), e.Size, err)
	}
	return string(data)
}

// files returns the files of a store below v1, without what is only of use to
// running processes.
func files(tb testing.TB, s *Store) []string {
	tb.Helper()
	var names []string
	err := filepath.WalkDir(s.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(s.root, path)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return names
}

// overwrite changes a byte of a file and leaves its times and its size alone.
// (Only its change time tells.)
func overwrite(tb testing.TB, path string, at int64) {
	tb.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		tb.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		tb.Fatal(err)
	}
	b[0] ^= 0x20
	if _, err := f.WriteAt(b, at); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chtimes(path, fi.ModTime(), fi.ModTime()); err != nil {
		tb.Fatal(err)
	}
}

// smallDisk mounts a tmpfs of that many bytes.
func smallDisk(tb testing.TB, options string) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		tb.Skipf("needs a mount: %v", err)
	}
	tb.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// readOnly makes a mount read-only, or takes a user's own permissions.
func readOnly(tb testing.TB, dir string) {
	tb.Helper()
	if os.Geteuid() != 0 {
		chmodDirs(tb, dir, 0o555)
		tb.Cleanup(func() { chmodDirs(tb, dir, 0o755) })
		return
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		tb.Skipf("needs a mount: %v", err)
	}
}

func chmodDirs(tb testing.TB, dir string, mode fs.FileMode) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, mode)
		}
		return err
	})
	if err != nil {
		tb.Error(err)
	}
}
