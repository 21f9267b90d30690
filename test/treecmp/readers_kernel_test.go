package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
)

// kernelReader reads an initramfs by the rules of the kernel's init/initramfs.c,
// and tells where the kernel would pass over something without a word.
type kernelReader struct {
	in     *bufio.Reader
	at     int64 // offset in the archive
	tree   *tree
	order  []string
	links  map[[3]uint32]string // first name by inode and device
	names  map[string]uint32    // how many a file has, by first name
	nlinks map[string]uint32    // how many it says that it has
	begins []int64              // offsets at which entries begin, and the end
	ended  bool                 // TRAILER!!! was there
	faults []fault

	members int // how many the image has
}

const (
	newcMagic   = "070701"
	newcTrailer = "TRAILER!!!"
	pathMax     = 4096 // with the NUL
	maxWindow   = 27   // log2 of the kernel's ZSTD_WINDOWSIZE_MAX
)

// The numbers of a newc header.
const (
	newcIno = iota
	newcMode
	newcUID
	newcGID
	newcNlink
	newcMTime
	newcSize
	newcMajor
	newcMinor
	newcRmajor
	newcRminor
	newcNameSize
	newcCheck
	newcNumbers
)

// readAsKernel reads an image that has no microcode in front of it. The kernel
// unpacks each member by itself, and takes one that does not end where an entry
// does for damaged.
func readAsKernel(image io.Reader, compression string) (*kernelReader, []fault, error) {
	m := &membersReader{in: bufio.NewReaderSize(image, 1<<20), next: map[string]func(*membersReader) (io.Reader, error){
		"gzip": (*membersReader).gzipMember, "zstd": (*membersReader).zstdFrame, "none": (*membersReader).rest,
	}[compression]}
	r := &kernelReader{
		in: bufio.NewReaderSize(m, 1<<20), tree: newTree(),
		links: map[[3]uint32]string{}, names: map[string]uint32{}, nlinks: map[string]uint32{},
	}
	for {
		more, err := r.entry()
		if err != nil {
			return nil, nil, fmt.Errorf("at %d, after %q: %w", r.at, r.last(), err)
		}
		if !more {
			break
		}
	}
	for first, n := range r.names {
		if r.nlinks[first] != n {
			r.fault(first, "has %d names and says %d", n, r.nlinks[first])
		}
	}
	r.members = len(m.ends)
	for _, end := range m.ends {
		if !slices.Contains(r.begins, end) {
			r.fault("", "a member ends at %d, within an entry", end)
		}
	}
	return r, r.faults, nil
}

func (r *kernelReader) fault(p, format string, args ...any) {
	r.faults = append(r.faults, fault{p, "for the kernel: " + fmt.Sprintf(format, args...)})
}

func (r *kernelReader) last() string {
	if len(r.order) == 0 {
		return ""
	}
	return r.order[len(r.order)-1]
}

// take returns the next n bytes, and skips what follows them up to a multiple of 4.
func (r *kernelReader) take(n int64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(r.in, b); err != nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	r.at += n
	return b, r.align()
}

func (r *kernelReader) align() error {
	n, err := r.in.Discard(int(-r.at & 3))
	r.at += int64(n)
	return err
}

// entry reads one, and tells whether more can follow.
func (r *kernelReader) entry() (bool, error) {
	r.begins = append(r.begins, r.at)
	switch _, err := r.in.Peek(1); {
	case errors.Is(err, io.EOF) && !r.ended:
		r.fault("", "there is no %s", newcTrailer)
		return false, nil
	case errors.Is(err, io.EOF):
		return false, nil
	case err != nil:
		return false, err
	case r.ended:
		r.fault("", "something follows %s", newcTrailer)
		return false, nil
	}
	head := make([]byte, len(newcMagic)+8*newcNumbers) // the name follows it without padding
	if _, err := io.ReadFull(r.in, head); err != nil {
		return false, err
	}
	r.at += int64(len(head))
	if string(head[:len(newcMagic)]) != newcMagic {
		return false, fmt.Errorf("magic %q", head[:len(newcMagic)])
	}
	var n [newcNumbers]uint32
	for i := range n {
		v, err := strconv.ParseUint(string(head[len(newcMagic)+8*i:][:8]), 16, 32)
		if err != nil {
			return false, err
		}
		n[i] = uint32(v)
	}
	name, err := r.take(int64(n[newcNameSize]))
	if err != nil {
		return false, err
	}
	if len(name) < 2 || len(name) > pathMax || bytes.IndexByte(name, 0) != len(name)-1 {
		return false, fmt.Errorf("a name of %d bytes, %.100q", len(name), name)
	}
	p := string(name[:len(name)-1])
	if p == newcTrailer {
		r.ended = true
		return true, nil
	}
	return true, r.make(p, &n)
}

// make does what the kernel does with an entry.
func (r *kernelReader) make(p string, n *[newcNumbers]uint32) error {
	r.place(p)
	e := &record{mode: n[newcMode] & 0o7777, uid: n[newcUID], gid: n[newcGID], mtime: int64(n[newcMTime])}
	e.kind = map[uint32]string{1: "fifo", 2: "char", 4: "directory", 6: "block", 8: "file", 10: "symlink"}[n[newcMode]>>12]
	if e.kind == "" {
		r.fault(p, "type %o", n[newcMode])
	}
	r.order, r.tree.entries[p] = append(r.order, p), e
	size := int64(n[newcSize])
	key := [3]uint32{n[newcIno], n[newcMajor], n[newcMinor]}
	first, again := r.links[key]
	if !again {
		r.links[key] = p
	}
	switch e.kind {
	case "file":
		return r.file(p, n, first)
	case "symlink":
		if size >= pathMax {
			r.fault(p, "a target of %d bytes", size)
		}
		target, err := r.take(size)
		e.link = string(target)
		return err
	case "char", "block":
		e.device = fmt.Sprintf("%d:%d", n[newcRmajor], n[newcRminor])
	}
	if again {
		r.fault(p, "has the inode of %s", first)
	}
	if size > 0 {
		return fmt.Errorf("%s: a %s of %d bytes", p, e.kind, size)
	}
	return nil
}

// place holds that the kernel can put an entry there.
func (r *kernelReader) place(p string) {
	if path.Clean("/"+p) != "/"+p {
		r.fault(p, "the path is not clean")
	}
	if r.tree.entries[p] != nil {
		r.fault(p, "is there twice")
	}
	if up := r.tree.entries[parent(p)]; parent(p) != "" && (up == nil || up.kind != "directory") {
		r.fault(p, "is dropped: its directory is not there")
	}
}

// file makes a file, or links it to one that has the same inode.
func (r *kernelReader) file(p string, n *[newcNumbers]uint32, first string) error {
	e := r.tree.entries[p]
	e.size = int64(n[newcSize])
	if err := e.read(io.LimitReader(r.in, e.size), false); err != nil {
		return err
	}
	r.at += e.size
	if err := r.align(); err != nil {
		return err
	}
	if n[newcNlink] < 2 || first == "" {
		if first != "" {
			r.fault(p, "has the inode of %s", first)
		}
		r.names[p], r.nlinks[p] = 1, n[newcNlink]
		return nil
	}
	r.names[first]++
	f := r.tree.entries[first]
	if f.kind != "file" || n[newcNlink] != r.nlinks[first] {
		r.fault(p, "is a further name of %s, a %s with %d names", first, f.kind, r.nlinks[first])
		return nil
	}
	if e.size > 0 {
		r.fault(p, "brings %d bytes for %s, which has its own", e.size, first)
	}
	if e.mode != f.mode || e.uid != f.uid || e.gid != f.gid || e.mtime != f.mtime {
		r.fault(p, "is a further name of %s with another mode, owner or time", first)
	}
	f.group = first
	*e = *f
	return nil
}
