package outputs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// What an initramfs has beside the tree. It is compose's own: no package may
// bring anything there.
const (
	ownDir       = ".compose"
	memoryPath   = ".compose/memory"   // how many bytes of memory the system needs to boot, in decimal digits
	xattrsPath   = ".compose/xattrs"   // extended attributes, as setfattr -h --restore takes them
	completePath = ".compose/complete" // the last entry: how many go before it, in decimal digits
)

// initPath is a file by which an init says that it applies xattrsPath.
const initPath = "usr/lib/compose/init"

// An initramfs (initramfs buffer format, Documentation/driver-api/early-userspace)
// is one newc archive in this order:
//
//	.compose, memory, xattrs     what init has to know of the rest
//	init                         if it is a file of one name: see initFirst
//	the tree without boot        in path order
//	complete, TRAILER!!!         if it is not there, memory was too small
//
// The parts are compressed by themselves, as are the runs of the tree: there is
// no trailer between them, so the kernel and every cpio see one archive. newc
// has no extended attributes, so they lie in a file that init applies.
type initramfs struct {
	*boot
	stream
	memory int64 // bytes of memory that are needed to boot
}

// newInitramfs makes the parts of t's initramfs.
func newInitramfs(ctx context.Context, env Env, t *rootfs.Tree) (*initramfs, error) {
	b, err := readBoot(t)
	if err != nil {
		return nil, err
	}
	c, err := b.compression(env.Compress)
	if err != nil {
		return nil, err
	}
	entries := initFirst(withoutBoot(t))
	part := func(trailer bool, entries ...*rootfs.Entry) (stream, error) {
		return compressed(ctx, env, c, section{entries, rootfs.Cpio{}, trailer})
	}
	main, err := part(false, entries...)
	if err != nil {
		return nil, err
	}
	// Whole MiB, so that a small change does not change the beginning too.
	loaded := b.front().size() + main.size()
	r := &initramfs{boot: b, memory: upTo(bootMemory(slices.Values(entries), loaded, b.cmdline), 1<<20)}
	first := ownEntries(entries, r.memory)
	all := joined{main}
	front, err := part(false, first...)
	if err == nil {
		all = joined{front, main}
		count := strconv.Itoa(len(first)+len(entries)) + "\n"
		var end stream
		if end, err = part(true, rootfs.MadeFile(completePath, 0o444, []byte(count)).Alone()); err == nil {
			all = append(all, end)
		}
	}
	if err != nil {
		all.close()
		return nil, err
	}
	r.stream = all
	return r, nil
}

// upTo is the least multiple of unit that is not less than n.
func upTo(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// ownEntries are the entries that go before those of the tree.
func ownEntries(entries []*rootfs.Entry, memory int64) []*rootfs.Entry {
	own := []*rootfs.Entry{
		rootfs.MadeDir(ownDir, 0o755),
		rootfs.MadeFile(memoryPath, 0o444, fmt.Appendln(nil, memory)),
	}
	if text := xattrText(entries); len(text) > 0 {
		own = append(own, rootfs.MadeFile(xattrsPath, 0o400, text))
	}
	for _, e := range own {
		e.Alone()
	}
	return own
}

// xattrText lists extended attributes in the format of getfattr --dump
// --encoding=hex, in path order. A hard-linked file has them at its first name.
func xattrText(entries []*rootfs.Entry) []byte {
	var b []byte
	for _, e := range entries {
		if len(e.Xattrs) == 0 || e.First != "" {
			continue
		}
		b = fmt.Appendf(b, "# file: %s\n", xattrQuoted(e.Path, "\n\r"))
		for _, x := range e.Xattrs {
			b = fmt.Appendf(b, "%s=0x%x\n", xattrQuoted(x.Name, "=\n\r"), x.Value)
		}
		b = append(b, '\n')
	}
	return b
}

// xattrQuoted writes some bytes, and the backslash, as a backslash and three
// octal digits.
func xattrQuoted(s, special string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c == '\\' || strings.IndexByte(special, c) >= 0 {
			_, _ = fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// initFirst puts the program that the kernel starts before the rest of the tree,
// where it is a file of one name: so it is there when memory ends while the rest is
// unpacked, and can say so.
func initFirst(entries []*rootfs.Entry) []*rootfs.Entry {
	i := slices.IndexFunc(entries, func(e *rootfs.Entry) bool {
		return e.Path == "init" && e.Type == rootfs.File && e.Nlink < 2
	})
	if i < 0 {
		return entries
	}
	return slices.Concat(entries[i:i+1], entries[:i], entries[i+1:])
}

// withoutBoot returns the tree's entries but those at and below boot, which are
// for who loads the kernel. Where the first name of a hard-linked file is among
// them, its next name becomes the first.
func withoutBoot(t *rootfs.Tree) []*rootfs.Entry {
	entries := make([]*rootfs.Entry, 0, t.Len())
	left := map[string][]*rootfs.Entry{} // names of files that are left out, by the first
	for e := range t.Entries() {
		inBoot := e.Path == rootfs.BootDir || rootfs.Below(e.Path, rootfs.BootDir)
		switch {
		case inBoot && e.Nlink > 1:
			first := cmp.Or(e.First, e.Path)
			left[first] = append(left[first], e)
		case !inBoot:
			entries = append(entries, e)
		}
	}
	if len(left) == 0 {
		return entries
	}
	firsts := map[string]string{}
	for i, e := range entries {
		group := left[cmp.Or(e.First, e.Path)]
		if e.Nlink < 2 || group == nil {
			continue
		}
		c := *e
		c.Nlink -= uint32(len(group))
		if e.First == group[0].Path && group[0].First == "" {
			if c.First = firsts[e.First]; c.First == "" {
				firsts[e.First] = e.Path
				c.Body, c.Digest, c.Size, c.Xattrs = group[0].Body, group[0].Digest, group[0].Size, group[0].Xattrs
			}
		}
		entries[i] = &c
	}
	return entries
}
