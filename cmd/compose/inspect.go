package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/composeos/compose/compose"
	"github.com/composeos/compose/compose/rootfs"
	"github.com/composeos/compose/spec"
)

// inspectCommand is "compose inspect".
type inspectCommand struct {
	common
	json, sizes bool
	flags       *flag.FlagSet // as they were given
}

// setupInspect defines "compose inspect".
func setupInspect(fs *flag.FlagSet) action {
	c := inspectCommand{flags: fs}
	c.define(fs)
	fs.BoolVar(&c.json, "json", false, "")
	fs.BoolVar(&c.sizes, "sizes", false, "")
	return c.run
}

func (c *inspectCommand) run(ctx context.Context, s *session, operands []string) error {
	if err := c.begin(s); err != nil {
		return err
	}
	f, err := imageFile(operands)
	if err != nil {
		return err
	}
	if f != nil {
		return c.file(ctx, s, f)
	}
	in, err := c.load(s, operands)
	if err != nil {
		return err
	}
	e, err := c.open(s)
	if err != nil {
		return err
	}
	defer e.close()
	t, err := epoch(seconds{}, s.world)
	if err != nil {
		return err
	}
	r, err := c.resolve(ctx, s, in, e, resolveHow{add: in.lock == nil, epoch: t})
	if err != nil {
		return err
	}
	result, err := compose.Build(ctx, in.manifest, compose.Options{
		Lock: r.lock, Policy: in.policy, Evidence: r.evidence, Platform: in.platform, Source: e.images, Lease: e.lease,
		Dir: in.lockDir, Home: s.home(), Jobs: c.jobs, Progress: s.ui,
	})
	if err != nil {
		return err
	}
	s.ui.close(true)
	return shown(c.show(s.stdout, result))
}

// show prints what was composed, in the form that was asked for.
func (c *inspectCommand) show(w io.Writer, result *compose.Result) error {
	sizes := sizesOf(result.Tree)
	if c.json {
		return showJSON(w, result, sizes, c.sizes)
	}
	b := bufio.NewWriter(w)
	showSizes(b, sizes)
	if !c.sizes {
		_, _ = fmt.Fprintln(b)
		for e := range result.Tree.Entries() {
			_, _ = fmt.Fprintln(b, entryText(e))
		}
	}
	return b.Flush()
}

// entryText is a path as a person reads it.
func entryText(e *rootfs.Entry) string {
	text := fmt.Sprintf("%s %6s %11d %s %s", modeText(e), fmt.Sprintf("%d:%d", e.UID, e.GID), e.Size,
		time.Unix(e.ModTime, 0).UTC().Format("2006-01-02T15:04:05Z"), printable(firstOf(e.Path, ".")))
	switch {
	case e.Type == rootfs.Symlink:
		text += " -> " + printable(e.Link)
	case e.First != "" || e.Type == rootfs.HardLink:
		text += " = " + printable(firstOf(e.First, e.Link))
	case e.Type == rootfs.Char || e.Type == rootfs.Block:
		text += fmt.Sprintf(" (%d,%d)", e.Major, e.Minor)
	}
	return text + "  [" + originOf(e) + "]"
}

// printable quotes a name that a terminal would obey, or that would break the line.
func printable(name string) string {
	for _, r := range name {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return strconv.Quote(name)
		}
	}
	return name
}

// originOf names who brought an entry.
func originOf(e *rootfs.Entry) string { return firstOf(e.Origin, "compose") }

// modeText is a mode as ls writes it.
func modeText(e *rootfs.Entry) string {
	kinds := map[rootfs.Type]byte{rootfs.Dir: 'd', rootfs.Symlink: 'l', rootfs.Char: 'c', rootfs.Block: 'b', rootfs.Fifo: 'p'}
	text := []byte("-rwxrwxrwx")
	if k, ok := kinds[e.Type]; ok {
		text[0] = k
	}
	for i := range 9 {
		if e.Mode&(1<<(8-i)) == 0 {
			text[1+i] = '-'
		}
	}
	for i, special := range []struct {
		at            int
		with, without byte
	}{{3, 's', 'S'}, {6, 's', 'S'}, {9, 't', 'T'}} {
		if e.Mode&(0o4000>>i) == 0 {
			continue
		}
		if text[special.at] == 'x' {
			text[special.at] = special.with
		} else {
			text[special.at] = special.without
		}
	}
	return string(text)
}

// size is what one origin brings.
type size struct {
	Origin string `json:"origin"`
	Paths  int    `json:"paths"`
	Bytes  int64  `json:"bytes"` // of files, each once however many names it has
}

// sizesOf sums up a tree by origin, the largest first.
func sizesOf(t *rootfs.Tree) []size {
	at := map[string]int{}
	sizes := []size{}
	for e := range t.Entries() {
		origin := originOf(e)
		i, ok := at[origin]
		if !ok {
			i = len(sizes)
			at[origin] = i
			sizes = append(sizes, size{Origin: origin})
		}
		sizes[i].Paths++
		if e.First == "" {
			sizes[i].Bytes += e.Size
		}
	}
	slices.SortStableFunc(sizes, func(a, b size) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Origin, b.Origin)) })
	return sizes
}

func showSizes(w io.Writer, sizes []size) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	var total size
	_, _ = fmt.Fprintln(t, "bytes\tpaths\t  origin")
	for _, s := range sizes {
		_, _ = fmt.Fprintf(t, "%d\t%d\t  %s\n", s.Bytes, s.Paths, s.Origin)
		total.Bytes, total.Paths = total.Bytes+s.Bytes, total.Paths+s.Paths
	}
	_, _ = fmt.Fprintf(t, "%d\t%d\t  total\n", total.Bytes, total.Paths)
	_ = t.Flush()
}

// entryJSON is a path as programs read it; "compose help inspect" names it.
type entryJSON struct {
	Path   string            `json:"path"`
	Type   string            `json:"type"`
	Mode   string            `json:"mode"` // octal
	UID    uint32            `json:"uid"`
	GID    uint32            `json:"gid"`
	MTime  int64             `json:"mtime"` // seconds since 1970
	Size   int64             `json:"size"`  // bytes
	Digest string            `json:"digest,omitempty"`
	Link   string            `json:"link,omitempty"`  // of a symbolic link
	First  string            `json:"first,omitempty"` // of a further name of a file: its first name
	Device string            `json:"device,omitempty"`
	Xattrs map[string]string `json:"xattrs,omitempty"` // values in hexadecimal digits
	Origin string            `json:"origin"`
}

// showJSON prints everything as one object.
func showJSON(w io.Writer, result *compose.Result, sizes []size, only bool) error {
	all := struct {
		Entries  []entryJSON `json:"entries,omitempty"`
		Packages []size      `json:"packages"`
		Notices  []string    `json:"notices"`
	}{Packages: sizes, Notices: []string{}}
	for _, n := range noticesOf(result) {
		all.Notices = append(all.Notices, n.text)
	}
	if !only {
		for e := range result.Tree.Entries() {
			all.Entries = append(all.Entries, entryToJSON(e))
		}
	}
	text, err := spec.MarshalCanonical(all)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func entryToJSON(e *rootfs.Entry) entryJSON {
	j := entryJSON{
		Path: valid(e.Path), Type: e.Type.String(), Mode: fmt.Sprintf("%04o", e.Mode), UID: e.UID, GID: e.GID,
		MTime: e.ModTime, Size: e.Size,
		Link: valid(e.Link), First: valid(e.First), Origin: originOf(e),
	}
	if e.Type == rootfs.File {
		j.Digest = e.Digest.String()
	}
	if e.Type == rootfs.Char || e.Type == rootfs.Block {
		j.Device = fmt.Sprintf("%d,%d", e.Major, e.Minor)
	}
	for _, x := range e.Xattrs {
		if j.Xattrs == nil {
			j.Xattrs = map[string]string{}
		}
		j.Xattrs[valid(x.Name)] = hex.EncodeToString([]byte(x.Value))
	}
	return j
}
