// Package rootfstest writes entries as text, so that a test reads like the
// listing of a directory:
//
//	dir  etc 0755
//	file etc/motd hello
//	file etc/issue hello inode=1
//	sym  lib usr/lib
//	hard bin/sh bin/busybox
//	char dev/null 1 3
//	wh   etc/motd
//	opq  etc
//
// A file's content is one word, "" for an empty one.
package rootfstest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/composeos/compose/compose/rootfs"
)

// kinds are the words for types.
var kinds = map[string]rootfs.Type{
	"dir": rootfs.Dir, "file": rootfs.File, "sym": rootfs.Symlink, "hard": rootfs.HardLink, "char": rootfs.Char,
	"fifo": rootfs.Fifo, "wh": rootfs.Whiteout, "opq": rootfs.Opaque,
}

// Parse returns the entries of a text, in the order of its lines.
func Parse(text string) []*rootfs.Entry {
	var entries []*rootfs.Entry
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		e := &rootfs.Entry{Type: kinds[words[0]], Path: strings.TrimPrefix(words[1], "/"), Mode: 0o644}
		var rest []string
		for _, w := range words[2:] {
			if !option(e, w) {
				rest = append(rest, w)
			}
		}
		arguments(e, rest)
		entries = append(entries, e)
	}
	return entries
}

// option reads inode=N, uid=N, mtime=N, made.
func option(e *rootfs.Entry, word string) bool {
	key, value, _ := strings.Cut(word, "=")
	n, _ := strconv.ParseInt(value, 10, 64)
	switch key {
	case "inode":
		e.Inode = uint32(n)
	case "uid":
		e.UID = uint32(n)
	case "mtime":
		e.ModTime = n
	case "made":
		e.Made = true
	default:
		return false
	}
	return true
}

func arguments(e *rootfs.Entry, words []string) {
	if len(words) == 0 {
		return
	}
	switch e.Type {
	case rootfs.Dir:
		mode, _ := strconv.ParseUint(words[0], 8, 32)
		e.Mode = uint32(mode)
	case rootfs.Symlink, rootfs.HardLink:
		e.Link = words[0]
	case rootfs.File:
		content := strings.Trim(words[0], `"`)
		e.Size, e.Digest = int64(len(content)), sha256.Sum256([]byte(content))
		if content != "" {
			e.Body = strings.NewReader(content)
		}
	}
}

// Lines returns the lines of a text as Format writes them: without the space
// around them, and without empty ones.
func Lines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// Format writes entries as Parse reads them, with First of a tree's hard links.
func Format(entries rootfs.Entries) string {
	var b strings.Builder
	for e := range entries {
		fmt.Fprintf(&b, "%s %s", kind(e), e.Path)
		switch {
		case e.First != "":
			fmt.Fprintf(&b, " = %s", e.First)
		case e.Type == rootfs.Dir:
			fmt.Fprintf(&b, " %04o", e.Mode)
		case e.Type == rootfs.Symlink || e.Type == rootfs.HardLink:
			b.WriteString(" " + e.Link)
		case e.Type == rootfs.File:
			b.WriteString(" " + content(e))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func kind(e *rootfs.Entry) string {
	for word, t := range kinds {
		if t == e.Type {
			return word
		}
	}
	return e.Type.String()
}

func content(e *rootfs.Entry) string {
	if e.Body == nil {
		return `""`
	}
	text, err := io.ReadAll(io.NewSectionReader(e.Body, 0, e.Size))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
