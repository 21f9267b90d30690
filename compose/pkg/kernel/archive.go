package kernel

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// archive returns kernel.tar with the modules, their indexes, and firmware.
func (p *pack) archive(modules []*module, firmware []*rootfs.Entry) (*rootfs.Entry, error) {
	dir := "usr/lib/modules/" + p.release
	var entries []*rootfs.Entry
	for _, m := range modules {
		entries = append(entries, moved(m.entry, dir+"/"+m.path))
	}
	for _, e := range p.shipped {
		entries = append(entries, moved(e, dir+strings.TrimPrefix(e.Path, p.dir)))
	}
	for _, e := range firmware {
		switch e.Type {
		case rootfs.File:
			entries = append(entries, moved(e, e.Path))
		case rootfs.Symlink:
			entries = append(entries, rootfs.MadeSymlink(e.Path, e.Link))
		}
	}
	for _, index := range indexes(modules) {
		entries = append(entries, rootfs.MadeFile(dir+"/"+index.name, 0o644, []byte(index.text)))
	}
	e, err := encode(rootfs.Tar{}, withParents(entries), plain)
	if err != nil {
		return nil, err
	}
	e.Path = TarPath
	return e, nil
}

// moved returns e at another path, as a plain file of root's.
func moved(e *rootfs.Entry, path string) *rootfs.Entry {
	return &rootfs.Entry{Path: path, Type: rootfs.File, Mode: 0o644, Size: e.Size, Digest: e.Digest, Body: e.Body}
}

// withParents returns the entries in path order, with the directories above them.
func withParents(entries []*rootfs.Entry) []*rootfs.Entry {
	seen := map[string]bool{}
	for _, e := range slices.Clone(entries) {
		for dir := rootfs.Parent(e.Path); dir != "" && !seen[dir]; dir = rootfs.Parent(dir) {
			seen[dir] = true
			entries = append(entries, rootfs.MadeDir(dir, 0o755))
		}
	}
	return rootfs.Sort(entries)
}

// plain leaves a header as the codec makes it.
func plain(header []byte, _ int64) []byte { return header }

// encode returns a file that is the archive of entries. Its body reads theirs. A
// file's header may be changed by place, which is told where it begins.
func encode(codec rootfs.Codec, entries []*rootfs.Entry, place func(header []byte, at int64) []byte) (*rootfs.Entry, error) {
	var body joined
	for _, e := range entries {
		header, err := codec.AppendHeader(nil, e.Alone())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Path, err)
		}
		n := e.Payload()
		if n > 0 {
			header = place(header, body.size)
		}
		body.add(bytes.NewReader(header), int64(len(header)))
		if n > 0 {
			body.add(e.Body, n)
			pad := codec.Pad(n)
			body.add(bytes.NewReader(make([]byte, pad)), int64(pad))
		}
	}
	end := codec.Trailer()
	body.add(bytes.NewReader(end), int64(len(end)))
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(&body, 0, body.size)); err != nil {
		return nil, err
	}
	e := &rootfs.Entry{Type: rootfs.File, Mode: 0o644, Size: body.size, Body: &body, Made: true, ModTime: rootfs.DefaultModTime}
	sum.Sum(e.Digest[:0])
	return e, nil
}

// joined is one content made of several, one after the other.
type joined struct {
	parts []part
	size  int64
}

// part is a content that ends at a place in the whole.
type part struct {
	io.ReaderAt
	start, end int64
}

func (j *joined) add(r io.ReaderAt, size int64) {
	if size > 0 {
		j.parts = append(j.parts, part{r, j.size, j.size + size})
		j.size += size
	}
}

// ReadAt implements [io.ReaderAt].
func (j *joined) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	i := sort.Search(len(j.parts), func(i int) bool { return j.parts[i].end > off })
	for ; n < len(b) && i < len(j.parts); i++ {
		p := j.parts[i]
		at := off + int64(n)
		want := b[n:min(int64(len(b)), int64(n)+p.end-at)]
		got, err := p.ReadAt(want, at-p.start)
		n += got
		if got < len(want) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
