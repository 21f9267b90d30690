package debtest

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/composeos/compose/compose/rootfs"
)

// Package is a package to make. Only its name is needed.
type Package struct {
	Name, Version string // version: "1.0-1"
	Arch          string // "amd64"
	Suite         string // "trixie"
	Component     string // "main"
	Source        string // as the field has it: "glibc", "glibc (2.41-1)"
	Depends       string
	PreDepends    string
	Compression   string // ".xz"; ".gz", ".zst", "none"
	// Files are its entries; parents that are missing are made. Those of one Inode become
	// hard links to the first.
	Files []*rootfs.Entry
}

func (p Package) complete() Package {
	p.Version, p.Arch = cmp.Or(p.Version, "1.0-1"), cmp.Or(p.Arch, "amd64")
	p.Suite, p.Component = cmp.Or(p.Suite, "trixie"), cmp.Or(p.Component, "main")
	p.Compression = cmp.Or(p.Compression, ".xz")
	return p
}

// Path is the package's place below the archive's base.
func (p Package) Path() string {
	p = p.complete()
	_, version, ok := strings.Cut(p.Version, ":")
	if !ok {
		version = p.Version
	}
	return fmt.Sprintf("pool/%s/%s/%s/%s_%s_%s.deb", p.Component, p.Name[:1], p.Name, p.Name, version, p.Arch)
}

// control is the text of the file control.
func (p Package) control() string {
	var text strings.Builder
	for _, field := range [][2]string{
		{"Package", p.Name},
		{"Source", p.Source},
		{"Version", p.Version},
		{"Architecture", p.Arch},
		{"Maintainer", "Test <test@example.org>"},
		{"Pre-Depends", p.PreDepends},
		{"Depends", p.Depends},
	} {
		if field[1] != "" {
			text.WriteString(field[0] + ": " + field[1] + "\n")
		}
	}
	return text.String()
}

// Deb returns a package's file.
func Deb(tb testing.TB, p Package) []byte {
	tb.Helper()
	p = p.complete()
	ending := strings.TrimPrefix(p.Compression, "none")
	control := &rootfs.Entry{Path: "control", Type: rootfs.File, Mode: 0o644}
	control.Body, control.Size = body(p.control() + "Description: a package\n")
	return Ar(
		Member{"debian-binary", []byte("2.0\n")},
		Member{"control.tar" + ending, compress(tb, ending, Tar(tb, []*rootfs.Entry{control}))},
		Member{"data.tar" + ending, compress(tb, ending, Tar(tb, p.Files))},
	)
}

func body(s string) (io.ReaderAt, int64) { return strings.NewReader(s), int64(len(s)) }

// Member is a member of an ar archive.
type Member struct {
	Name    string
	Content []byte
}

// Ar returns an ar archive.
func Ar(members ...Member) []byte {
	out := []byte("!<arch>\n")
	for _, m := range members {
		out = fmt.Appendf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.Name, 0, 0, 0, "100644", len(m.Content))
		out = append(out, m.Content...)
		if len(out)%2 == 1 {
			out = append(out, '\n')
		}
	}
	return out
}

// Tar returns entries as data.tar has them: names begin with "./", parents are there.
func Tar(tb testing.TB, entries []*rootfs.Entry) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	done, inodes := map[string]bool{}, map[uint32]string{}
	for _, e := range entries {
		for i, c := range e.Path {
			if dir := e.Path[:i]; c == '/' && !done[dir] {
				done[dir] = true
				check(tb, w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "./" + dir + "/", Mode: 0o755, ModTime: time.Unix(e.ModTime, 0)}))
			}
		}
		done[e.Path] = true
		check(tb, w.WriteHeader(header(e, inodes)))
		if e.Type == rootfs.File && e.Size > 0 && inodes[e.Inode] == "" {
			_, err := io.Copy(w, io.NewSectionReader(e.Body, 0, e.Size))
			check(tb, err)
		}
		if e.Inode != 0 && inodes[e.Inode] == "" {
			inodes[e.Inode] = e.Path
		}
	}
	check(tb, w.Close())
	return out.Bytes()
}

// header is an entry's header; inodes has the first name of each hard-linked file.
func header(e *rootfs.Entry, inodes map[uint32]string) *tar.Header {
	h := &tar.Header{
		Name: "./" + e.Path, Mode: int64(e.Mode), Uid: int(e.UID), Gid: int(e.GID), ModTime: time.Unix(e.ModTime, 0),
		PAXRecords: map[string]string{}, Linkname: e.Link, Devmajor: int64(e.Major), Devminor: int64(e.Minor),
	}
	for _, x := range e.Xattrs {
		h.PAXRecords["SCHILY.xattr."+x.Name] = x.Value
	}
	h.Typeflag = map[rootfs.Type]byte{
		rootfs.File: tar.TypeReg, rootfs.Dir: tar.TypeDir, rootfs.Symlink: tar.TypeSymlink, rootfs.Char: tar.TypeChar,
		rootfs.Block: tar.TypeBlock, rootfs.Fifo: tar.TypeFifo, rootfs.HardLink: tar.TypeLink,
	}[e.Type]
	switch {
	case e.Type == rootfs.Dir:
		h.Name = path.Clean(h.Name) + "/"
	case e.Type == rootfs.File && inodes[e.Inode] != "":
		h.Typeflag, h.Linkname = tar.TypeLink, "./"+inodes[e.Inode]
	case e.Type == rootfs.File:
		h.Size = e.Size
	}
	return h
}

// compress compresses as a name's ending says.
func compress(tb testing.TB, ending string, content []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch ending {
	case "":
		return content
	case ".xz":
		w, err = xz.WriterConfig{DictCap: 64 << 10}.NewWriter(&out) // the default takes 8 MiB each time
	case ".gz":
		w = gzip.NewWriter(&out)
	case ".zst":
		w, err = zstd.NewWriter(&out)
	default:
		tb.Fatalf("compression %q", ending)
	}
	check(tb, err)
	_, err = w.Write(content)
	check(tb, err)
	check(tb, w.Close())
	return out.Bytes()
}
